package kedro.handover;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Trees to be walked from the root to a leaf, laid out so that a large forest fits a processor's cache and is walked without
 * a branch.
 *
 * <p>The two children of a node stand side by side, so a step is "so far on, plus one where the value is larger than the
 * threshold". Floats become whole numbers that are ordered alike; a missing value becomes the smallest or the largest, by
 * where the node sends it. With float32 features a node is 8 bytes: threshold, feature, and distance to the children. With
 * float64 features it is 16. Eight trees of about the same depth are walked at a time, as each step waits for memory; a
 * leaf is where further steps stay.
 */
final class Forest extends Trees {
    private static final int TOGETHER = 8;

    /** The trees, those that split by categories last, and the others from the lowest to the tallest. */
    private final int[] order;
    private final int[] depths;
    private final int withoutSets;

    /** The roots, the threshold in the upper half, the feature and the distance in the lower; of a leaf its number. */
    private final int[] roots;
    private final long[] nodes;
    private final int distanceBits;
    private final int distanceMask;

    /** Thresholds of float64; null where they are in the nodes. */
    private final long[] thresholds;

    /** Splits by a set of categories: the upper half is the number of the description's node. */
    private final int categorySlot;
    private final Nodes from;

    Forest(Nodes from, int features, boolean single) {
        this.from = from;
        int[] feature = from.feature;
        int count = feature.length;
        // What the slots of features leave of 32 bits.
        distanceBits = Math.min(Integer.numberOfLeadingZeros(2 * features + 1), Integer.SIZE - 2);
        distanceMask = (1 << distanceBits) - 1;
        nodes = new long[count];
        thresholds = single ? null : new long[count];
        categorySlot = 2 * features + 1;
        roots = new int[from.roots.length];
        depths = IntStream.of(from.roots).map(from::depth).toArray();
        order = IntStream.range(0, roots.length)
                .boxed()
                .sorted(Comparator.comparing((Integer tree) -> from.hasSets(from.roots[tree])).thenComparing(tree -> depths[tree]))
                .mapToInt(Integer::intValue)
                .toArray();
        withoutSets = (int) IntStream.of(from.roots).filter(root -> !from.hasSets(root)).count();
        int placed = 0;
        int[] waiting = new int[count + 1];
        int[] placeOf = new int[count];
        for (int tree = 0; tree < roots.length; tree++) {
            roots[tree] = placed;
            placeOf[from.roots[tree]] = placed++;
            int last = 0;
            waiting[last++] = from.roots[tree];
            while (last > 0) {
                int node = waiting[--last];
                int place = placeOf[node];
                if (feature[node] == Nodes.LEAF) {
                    nodes[place] = pack(from.left[node], 2 * features, 0);
                    continue;
                }
                placeOf[from.left[node]] = placed;
                placeOf[from.right[node]] = placed + 1;
                int distance = placed - place;
                placed += 2;
                waiting[last++] = from.right[node];
                waiting[last++] = from.left[node];
                if (from.set[node] != Nodes.NO_SET) {
                    nodes[place] = pack(node, categorySlot, distance);
                } else {
                    int slot = 2 * feature[node] + (from.missingLeft[node] != 0 ? 1 : 0);
                    int upper = single ? order(floor(from.threshold[node])) : 0;
                    nodes[place] = pack(upper, slot, distance);
                    if (!single) {
                        thresholds[place] = order(from.threshold[node]);
                    }
                }
                if (distance > distanceMask) {
                    throw new IllegalArgumentException("A tree has too many nodes and the model too many features for 32 bits");
                }
            }
        }
    }

    @Override
    void findLeaves(double[] features, int[] leaves) {
        if (thresholds == null) {
            walk(singleKeys(features), features, leaves);
        } else {
            walk(doubleKeys(features), features, leaves);
        }
    }

    private static int[] singleKeys(double[] features) {
        int[] keys = new int[2 * features.length + 1];
        for (int j = 0; j < features.length; j++) {
            boolean missing = Double.isNaN(features[j]);
            int key = order((float) features[j]);
            keys[2 * j] = missing ? Integer.MAX_VALUE : key;
            keys[2 * j + 1] = missing ? Integer.MIN_VALUE : key;
        }
        keys[2 * features.length] = Integer.MIN_VALUE; // of a leaf
        return keys;
    }

    private static long[] doubleKeys(double[] features) {
        long[] keys = new long[2 * features.length + 1];
        for (int j = 0; j < features.length; j++) {
            boolean missing = Double.isNaN(features[j]);
            long key = order(features[j]);
            keys[2 * j] = missing ? Long.MAX_VALUE : key;
            keys[2 * j + 1] = missing ? Long.MIN_VALUE : key;
        }
        keys[2 * features.length] = Long.MIN_VALUE;
        return keys;
    }

    private void walk(int[] keys, double[] features, int[] leaves) {
        final long[] all = nodes;
        final int bits = distanceBits;
        final int mask = distanceMask;
        int next = 0;
        for (; next + TOGETHER <= withoutSets; next += TOGETHER) {
            int a = roots[order[next]];
            int b = roots[order[next + 1]];
            int c = roots[order[next + 2]];
            int d = roots[order[next + 3]];
            int e = roots[order[next + 4]];
            int f = roots[order[next + 5]];
            int g = roots[order[next + 6]];
            int h = roots[order[next + 7]];
            for (int steps = depths[order[next + 7]]; steps > 0; steps--) {
                a = step(all, a, bits, mask, keys);
                b = step(all, b, bits, mask, keys);
                c = step(all, c, bits, mask, keys);
                d = step(all, d, bits, mask, keys);
                e = step(all, e, bits, mask, keys);
                f = step(all, f, bits, mask, keys);
                g = step(all, g, bits, mask, keys);
                h = step(all, h, bits, mask, keys);
            }
            leaves[order[next]] = (int) (all[a] >> Integer.SIZE);
            leaves[order[next + 1]] = (int) (all[b] >> Integer.SIZE);
            leaves[order[next + 2]] = (int) (all[c] >> Integer.SIZE);
            leaves[order[next + 3]] = (int) (all[d] >> Integer.SIZE);
            leaves[order[next + 4]] = (int) (all[e] >> Integer.SIZE);
            leaves[order[next + 5]] = (int) (all[f] >> Integer.SIZE);
            leaves[order[next + 6]] = (int) (all[g] >> Integer.SIZE);
            leaves[order[next + 7]] = (int) (all[h] >> Integer.SIZE);
        }
        for (; next < order.length; next++) {
            int at = roots[order[next]];
            while (((int) all[at] & mask) != 0) {
                at = (int) all[at] >>> bits == categorySlot
                        ? stepByCategory(at, features)
                        : step(all, at, bits, mask, keys);
            }
            leaves[order[next]] = (int) (all[at] >> Integer.SIZE);
        }
    }

    /** A leaf compares with the smallest key, and stays where it is. */
    private static int step(long[] all, int at, int bits, int mask, int[] keys) {
        long node = all[at];
        return at + ((int) node & mask) + (int) ((node >> Integer.SIZE) - keys[(int) node >>> bits] >>> 63);
    }

    private void walk(long[] keys, double[] features, int[] leaves) {
        int next = 0;
        for (; next + TOGETHER / 2 <= withoutSets; next += TOGETHER / 2) {
            int a = roots[order[next]];
            int b = roots[order[next + 1]];
            int c = roots[order[next + 2]];
            int d = roots[order[next + 3]];
            for (int steps = depths[order[next + 3]]; steps > 0; steps--) {
                a = step(a, keys);
                b = step(b, keys);
                c = step(c, keys);
                d = step(d, keys);
            }
            leaves[order[next]] = (int) (nodes[a] >> Integer.SIZE);
            leaves[order[next + 1]] = (int) (nodes[b] >> Integer.SIZE);
            leaves[order[next + 2]] = (int) (nodes[c] >> Integer.SIZE);
            leaves[order[next + 3]] = (int) (nodes[d] >> Integer.SIZE);
        }
        for (; next < order.length; next++) {
            int at = roots[order[next]];
            while (((int) nodes[at] & distanceMask) != 0) {
                at = (int) nodes[at] >>> distanceBits == categorySlot ? stepByCategory(at, features) : step(at, keys);
            }
            leaves[order[next]] = (int) (nodes[at] >> Integer.SIZE);
        }
    }

    private int step(int at, long[] keys) {
        int node = (int) nodes[at];
        return at + (node & distanceMask) + isLess(thresholds[at], keys[node >>> distanceBits]);
    }

    private int stepByCategory(int at, double[] features) {
        int node = (int) (nodes[at] >> Integer.SIZE);
        double value = features[from.feature[node]];
        boolean left;
        if (Double.isNaN(value)) {
            left = from.missingLeft[node] != 0;
        } else {
            int code = (int) value;
            left = code == value && code >= 0 && from.isInSet(from.set[node], code);
        }
        return at + ((int) nodes[at] & distanceMask) + (left ? 0 : 1);
    }

    private long pack(int upper, int slot, int distance) {
        return (long) upper << Integer.SIZE | (slot << distanceBits | distance & distanceMask) & 0xffffffffL;
    }
}
