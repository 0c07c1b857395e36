package kedro.handover;

import java.util.TreeSet;

/** The nodes of all trees, as the description has them. */
final class Nodes {
    static final int LEAF = -1;
    static final int NO_SET = -1;

    final int[] feature;
    final double[] threshold;
    final int[] left;
    final int[] right;
    final int[] missingLeft;
    final int[] set;
    final int[] roots;
    private final long[][] sets;

    Nodes(Arrays arrays) {
        feature = arrays.whole("feature");
        threshold = arrays.numbers("threshold");
        left = arrays.whole("left");
        right = arrays.whole("right");
        missingLeft = arrays.whole("missing_left");
        set = arrays.whole("category_set");
        roots = arrays.whole("roots");
        sets = readSets(arrays.whole("set_offsets"), arrays.whole("set_codes"));
    }

    /** Whether a category goes left. */
    boolean isInSet(int number, int code) {
        long[] words = sets[number];
        return code >> 6 < words.length && (words[code >> 6] >>> (code & 63) & 1) != 0;
    }

    /** How many steps lead to the leaf of a node's tree that is the farthest. */
    int depth(int node) {
        return feature[node] == LEAF ? 0 : 1 + Math.max(depth(left[node]), depth(right[node]));
    }

    int countLeaves(int node) {
        return feature[node] == LEAF ? 1 : countLeaves(left[node]) + countLeaves(right[node]);
    }

    /** Whether a tree has a split by a set of categories. */
    boolean hasSets(int node) {
        return feature[node] != LEAF && (set[node] != NO_SET || hasSets(left[node]) || hasSets(right[node]));
    }

    int mostLeaves() {
        int most = 0;
        for (int root : roots) {
            most = Math.max(most, countLeaves(root));
        }
        return most;
    }

    /** How many steps a walk through all trees takes at most. */
    double stepsOfAWalk() {
        double steps = 0;
        for (int root : roots) {
            steps += depth(root);
        }
        return steps;
    }

    /** The features that trees split by, in order. */
    int[] usedFeatures() {
        TreeSet<Integer> used = new TreeSet<>();
        for (int one : feature) {
            if (one != LEAF) {
                used.add(one);
            }
        }
        return used.stream().mapToInt(Integer::intValue).toArray();
    }

    /** The different thresholds of a feature, in order. */
    double[] thresholds(int of) {
        TreeSet<Double> found = new TreeSet<>();
        for (int node = 0; node < feature.length; node++) {
            if (feature[node] == of && set[node] == NO_SET) {
                found.add(threshold[node] + 0.0); // -0 is 0
            }
        }
        return found.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /** How many codes, from 0 on, the sets have that a feature is split by. */
    int codes(int of) {
        int most = 0;
        for (int node = 0; node < feature.length; node++) {
            if (feature[node] == of && set[node] != NO_SET) {
                most = Math.max(most, sets[set[node]].length * Long.SIZE);
            }
        }
        return most;
    }

    private static long[][] readSets(int[] offsets, int[] codes) {
        long[][] sets = new long[offsets.length - 1][];
        for (int number = 0; number < sets.length; number++) {
            int largest = 0;
            for (int i = offsets[number]; i < offsets[number + 1]; i++) {
                largest = Math.max(largest, codes[i]);
            }
            sets[number] = new long[(largest >> 6) + 1];
            for (int i = offsets[number]; i < offsets[number + 1]; i++) {
                sets[number][codes[i] >> 6] |= 1L << (codes[i] & 63);
            }
        }
        return sets;
    }
}
