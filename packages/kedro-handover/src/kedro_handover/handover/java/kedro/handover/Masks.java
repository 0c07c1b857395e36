package kedro.handover;

/**
 * Many small trees, such as a booster's, as masks: each leaf of a tree is a bit, and what a feature's value rules out is
 * known beforehand.
 *
 * <p>The thresholds of a feature cut its values into intervals. For each interval, and for a missing value, there is a row
 * with a mask for each tree: the leaves that such a value leaves possible. A row of a table is then scored by one row of
 * masks for each feature; where they are put together by "and", each tree has the bit of one leaf. No step waits for the
 * one before, and the processor takes several trees at a time.
 */
final class Masks extends Trees {
    private static final int MOST_LEAVES = Long.SIZE;

    /** Masks of more bytes fit no core's own cache, and wait for memory that others use too; trees that are walked do fit. */
    private static final long MOST_BYTES = 2 << 20;

    /** What finding the interval of a feature costs, in steps of a walk. */
    private static final int FIND_INTERVAL = 12;

    /** How many masks of 64 bits are put together in the time of a step. */
    private static final int TOGETHER = 8;

    private final int trees;
    private final int bits;

    /** The features that trees split by; and, of each, `limitsOfEach` numbers in order: thresholds, then the largest number there is. */
    private final int[] used;
    private final int limitsOfEach;
    private final long[] limits;

    /** Of a feature that is split by sets of categories: how many codes have a row; 0 of the others. */
    private final int[] codes;

    /** Where the rows of a feature begin, and its row for a missing value. */
    private final int[] firstRow;
    private final int[] missingRow;

    /** The masks, as whole numbers of 32 bits where a tree has no more leaves. */
    private final int[] shorts;
    private final long[] longs;
    private final int[] leafOf;

    Masks(Nodes nodes) {
        trees = nodes.roots.length;
        bits = nodes.mostLeaves() <= Integer.SIZE ? Integer.SIZE : Long.SIZE;
        used = nodes.usedFeatures();
        codes = new int[used.length];
        firstRow = new int[used.length];
        missingRow = new int[used.length];
        double[][] thresholds = new double[used.length][];
        int most = 0;
        int rows = 0;
        for (int u = 0; u < used.length; u++) {
            thresholds[u] = nodes.thresholds(used[u]);
            codes[u] = nodes.codes(used[u]);
            most = Math.max(most, thresholds[u].length);
            firstRow[u] = rows;
            rows += Math.max(thresholds[u].length, codes[u]) + 1;
            missingRow[u] = rows++;
        }
        limitsOfEach = Integer.highestOneBit(most) << 1;
        limits = new long[limitsOfEach * used.length];
        java.util.Arrays.fill(limits, Long.MAX_VALUE);
        for (int u = 0; u < used.length; u++) {
            for (int i = 0; i < thresholds[u].length; i++) {
                limits[u * limitsOfEach + i] = order(thresholds[u][i]);
            }
        }
        long[] masks = new long[rows * trees];
        java.util.Arrays.fill(masks, -1L);
        leafOf = new int[trees * bits];
        for (int tree = 0; tree < trees; tree++) {
            rule(nodes, nodes.roots[tree], tree, 0, thresholds, masks);
        }
        longs = bits == Long.SIZE ? masks : null;
        shorts = bits == Long.SIZE ? null : new int[masks.length];
        for (int i = 0; shorts != null && i < shorts.length; i++) {
            shorts[i] = (int) masks[i];
        }
    }

    /** Whether masks are quicker than a walk, and not too large. */
    static boolean suit(Nodes nodes) {
        int leaves = nodes.mostLeaves();
        if (leaves > MOST_LEAVES) {
            return false;
        }
        int trees = nodes.roots.length;
        int[] used = nodes.usedFeatures();
        long rows = 0;
        for (int feature : used) {
            int thresholds = nodes.thresholds(feature).length;
            int codes = nodes.codes(feature);
            if (thresholds > 0 && codes > 0) {
                return false;
            }
            rows += Math.max(thresholds, codes) + 2;
        }
        int bits = leaves <= Integer.SIZE ? Integer.SIZE : Long.SIZE;
        double here = used.length * (FIND_INTERVAL + (double) trees * bits / Long.SIZE / TOGETHER) + trees;
        return rows * trees * bits / Byte.SIZE <= MOST_BYTES && here < nodes.stepsOfAWalk();
    }

    /** Rules out, for each value of the feature of a node, the leaves that it does not lead to; gives the next leaf's bit. */
    private int rule(Nodes nodes, int node, int tree, int first, double[][] thresholds, long[] masks) {
        if (nodes.feature[node] == Nodes.LEAF) {
            leafOf[tree * bits + first] = nodes.left[node];
            return first + 1;
        }
        int second = rule(nodes, nodes.left[node], tree, first, thresholds, masks);
        int end = rule(nodes, nodes.right[node], tree, second, thresholds, masks);
        long ofLeft = between(first, second);
        long ofRight = between(second, end);
        int u = java.util.Arrays.binarySearch(used, nodes.feature[node]);
        boolean bySet = nodes.set[node] != Nodes.NO_SET;
        int intervals = Math.max(thresholds[u].length, codes[u]);
        for (int i = 0; i <= intervals; i++) {
            boolean left = i < intervals
                    && (bySet ? nodes.isInSet(nodes.set[node], i) : thresholds[u][i] <= nodes.threshold[node]);
            masks[(firstRow[u] + i) * trees + tree] &= ~(left ? ofRight : ofLeft);
        }
        masks[missingRow[u] * trees + tree] &= ~(nodes.missingLeft[node] != 0 ? ofRight : ofLeft);
        return end;
    }

    @Override
    void findLeaves(double[] features, int[] leaves) {
        int[] rows = new int[used.length + 3 & ~3];
        for (int u = 0; u < rows.length; u++) {
            rows[u] = u < used.length ? findRow(u, features[used[u]]) * trees : rows[0];
        }
        if (bits == Long.SIZE) {
            long[] left = new long[trees];
            java.util.Arrays.fill(left, -1);
            for (int u = 0; u < rows.length; u += 4) {
                putTogether(longs, rows[u], rows[u + 1], rows[u + 2], rows[u + 3], left);
            }
            for (int tree = 0; tree < left.length; tree++) {
                leaves[tree] = leafOf[tree * Long.SIZE + Long.numberOfTrailingZeros(left[tree])];
            }
            return;
        }
        int[] left = new int[trees];
        java.util.Arrays.fill(left, -1);
        for (int u = 0; u < rows.length; u += 4) {
            putTogether(shorts, rows[u], rows[u + 1], rows[u + 2], rows[u + 3], left);
        }
        for (int tree = 0; tree < left.length; tree++) {
            leaves[tree] = leafOf[tree * Integer.SIZE + Integer.numberOfTrailingZeros(left[tree])];
        }
    }

    private int findRow(int u, double value) {
        if (Double.isNaN(value)) {
            return missingRow[u];
        }
        if (codes[u] > 0) {
            int code = (int) value;
            return firstRow[u] + (code == value && code >= 0 && code < codes[u] ? code : codes[u]);
        }
        long key = order(value);
        int first = u * limitsOfEach;
        int at = first;
        for (int half = limitsOfEach >> 1; half > 0; half >>= 1) {
            at = limits[at + half - 1] < key ? at + half : at;
        }
        return firstRow[u] + at - first;
    }

    // Loops that the compiler turns into instructions on several numbers at a time.
    private static void putTogether(int[] masks, int a, int b, int c, int d, int[] left) {
        for (int tree = 0; tree < left.length; tree++) {
            left[tree] &= masks[a + tree] & masks[b + tree] & masks[c + tree] & masks[d + tree];
        }
    }

    private static void putTogether(long[] masks, int a, int b, int c, int d, long[] left) {
        for (int tree = 0; tree < left.length; tree++) {
            left[tree] &= masks[a + tree] & masks[b + tree] & masks[c + tree] & masks[d + tree];
        }
    }

    private static long between(int first, int end) {
        return (end == Long.SIZE ? -1L : (1L << end) - 1) & -(1L << first);
    }
}
