package kedro.handover;

/**
 * All trees of a model, laid out so that a large forest fits a processor's cache and is walked without a branch.
 *
 * <p>The two children of a node stand side by side, so a step is "so far on, plus one where the value is larger than the
 * threshold". Floats become whole numbers that are ordered alike; a missing value becomes the smallest or the largest, by
 * where the node sends it. With float32 features a node is 8 bytes: threshold, feature, and distance to the children. With
 * float64 features it is 16. Eight trees are walked at a time, as each step waits for memory.
 */
final class Forest {
    private static final int LEAF = -1;
    private static final int NO_SET = -1;
    private static final int TOGETHER = 8;

    /** The roots, the threshold in the upper half, the feature and the distance in the lower; of a leaf its number. */
    private final int[] roots;
    private final long[] nodes;
    private final int distanceBits;
    private final int distanceMask;

    /** Thresholds of float64; null where they are in the nodes. */
    private final long[] thresholds;

    /** Splits by a set of categories: their number is in the upper half of the node. */
    private final int categorySlot;
    private final int[] categoryFeature;
    private final int[] categorySet;
    private final boolean[] categoryMissingLeft;
    private final long[][] sets;

    private Forest(Arrays arrays, int features, boolean single, int distanceBits) {
        this.distanceBits = distanceBits;
        distanceMask = (1 << distanceBits) - 1;
        int[] feature = arrays.whole("feature");
        int[] left = arrays.whole("left");
        int[] right = arrays.whole("right");
        int[] missingLeft = arrays.whole("missing_left");
        int[] setOf = arrays.whole("category_set");
        double[] threshold = arrays.numbers("threshold");
        int count = feature.length;
        nodes = new long[count];
        thresholds = single ? null : new long[count];
        categorySlot = 2 * features + 1;
        sets = readSets(arrays);
        int splitsBySet = 0;
        for (int set : setOf) {
            splitsBySet += set == NO_SET ? 0 : 1;
        }
        categoryFeature = new int[splitsBySet];
        categorySet = new int[splitsBySet];
        categoryMissingLeft = new boolean[splitsBySet];
        int[] oldRoots = arrays.whole("roots");
        roots = new int[oldRoots.length];
        int placed = 0;
        int categories = 0;
        int[] waiting = new int[count + 1];
        int[] placeOf = new int[count];
        for (int tree = 0; tree < roots.length; tree++) {
            roots[tree] = placed;
            placeOf[oldRoots[tree]] = placed++;
            int depth = 0;
            waiting[depth++] = oldRoots[tree];
            while (depth > 0) {
                int node = waiting[--depth];
                int place = placeOf[node];
                if (feature[node] == LEAF) {
                    nodes[place] = pack(left[node], 2 * features, 0);
                    continue;
                }
                placeOf[left[node]] = placed;
                placeOf[right[node]] = placed + 1;
                int distance = placed - place;
                placed += 2;
                waiting[depth++] = right[node];
                waiting[depth++] = left[node];
                if (setOf[node] != NO_SET) {
                    categoryFeature[categories] = feature[node];
                    categorySet[categories] = setOf[node];
                    categoryMissingLeft[categories] = missingLeft[node] != 0;
                    nodes[place] = pack(categories++, categorySlot, distance);
                } else {
                    int slot = 2 * feature[node] + (missingLeft[node] != 0 ? 1 : 0);
                    int upper = single ? order(floor(threshold[node])) : 0;
                    nodes[place] = pack(upper, slot, distance);
                    if (!single) {
                        thresholds[place] = order(threshold[node]);
                    }
                }
                if (distance > distanceMask) {
                    throw new IndexOutOfBoundsException();
                }
            }
        }
    }

    static Forest of(Arrays arrays, int features, boolean single) {
        int bits = Integer.numberOfLeadingZeros(2 * features + 1); // what the slots of features leave of 32
        try {
            return new Forest(arrays, features, single, Math.min(bits, Integer.SIZE - 2));
        } catch (IndexOutOfBoundsException tooFar) {
            throw new IllegalArgumentException("A tree has too many nodes and the model too many features for 32 bits", tooFar);
        }
    }

    /** Finds the leaf of each tree. */
    void findLeaves(double[] features, int[] leaves) {
        int tree = 0;
        if (thresholds == null) {
            int[] keys = new int[2 * features.length + 2];
            for (int j = 0; j < features.length; j++) {
                boolean missing = Double.isNaN(features[j]);
                int key = missing ? 0 : order((float) features[j]);
                keys[2 * j] = missing ? Integer.MAX_VALUE : key;
                keys[2 * j + 1] = missing ? Integer.MIN_VALUE : key;
            }
            keys[2 * features.length] = Integer.MIN_VALUE;
            if (categoryFeature.length == 0) {
                for (; tree + TOGETHER <= roots.length; tree += TOGETHER) {
                    walkEight(tree, keys, leaves);
                }
            }
            for (; tree < roots.length; tree++) {
                int at = roots[tree];
                long node = nodes[at];
                int distance = (int) node & distanceMask;
                while (distance != 0) {
                    int slot = (int) node >>> distanceBits;
                    at += distance + (slot == categorySlot
                            ? rightByCategory((int) (node >> Integer.SIZE), features)
                            : (int) ((node >> Integer.SIZE) - keys[slot] >>> 63));
                    node = nodes[at];
                    distance = (int) node & distanceMask;
                }
                leaves[tree] = (int) (node >> Integer.SIZE);
            }
            return;
        }
        long[] keys = new long[2 * features.length + 2];
        for (int j = 0; j < features.length; j++) {
            boolean missing = Double.isNaN(features[j]);
            long key = missing ? 0 : order(features[j]);
            keys[2 * j] = missing ? Long.MAX_VALUE : key;
            keys[2 * j + 1] = missing ? Long.MIN_VALUE : key;
        }
        keys[2 * features.length] = Long.MIN_VALUE;
        if (categoryFeature.length == 0) {
            for (; tree + 4 <= roots.length; tree += 4) {
                walkFour(tree, keys, leaves);
            }
        }
        for (; tree < roots.length; tree++) {
            int at = roots[tree];
            long node = nodes[at];
            int distance = (int) node & distanceMask;
            while (distance != 0) {
                int slot = (int) node >>> distanceBits;
                at += distance + (slot == categorySlot
                        ? rightByCategory((int) (node >> Integer.SIZE), features)
                        : isLess(thresholds[at], keys[slot]));
                node = nodes[at];
                distance = (int) node & distanceMask;
            }
            leaves[tree] = (int) (node >> Integer.SIZE);
        }
    }

    private void walkEight(int tree, int[] keys, int[] leaves) {
        final long[] all = nodes;
        final int bits = distanceBits;
        final int mask = distanceMask;
        int a = roots[tree];
        int b = roots[tree + 1];
        int c = roots[tree + 2];
        int d = roots[tree + 3];
        int e = roots[tree + 4];
        int f = roots[tree + 5];
        int g = roots[tree + 6];
        int h = roots[tree + 7];
        while (true) {
            long na = all[a];
            long nb = all[b];
            long nc = all[c];
            long nd = all[d];
            long ne = all[e];
            long nf = all[f];
            long ng = all[g];
            long nh = all[h];
            if (((int) (na | nb | nc | nd | ne | nf | ng | nh) & mask) == 0) {
                leaves[tree] = (int) (na >> 32);
                leaves[tree + 1] = (int) (nb >> 32);
                leaves[tree + 2] = (int) (nc >> 32);
                leaves[tree + 3] = (int) (nd >> 32);
                leaves[tree + 4] = (int) (ne >> 32);
                leaves[tree + 5] = (int) (nf >> 32);
                leaves[tree + 6] = (int) (ng >> 32);
                leaves[tree + 7] = (int) (nh >> 32);
                return;
            }
            // A leaf compares with the smallest key and stays where it is.
            a += ((int) na & mask) + (int) ((na >> 32) - keys[(int) na >>> bits] >>> 63);
            b += ((int) nb & mask) + (int) ((nb >> 32) - keys[(int) nb >>> bits] >>> 63);
            c += ((int) nc & mask) + (int) ((nc >> 32) - keys[(int) nc >>> bits] >>> 63);
            d += ((int) nd & mask) + (int) ((nd >> 32) - keys[(int) nd >>> bits] >>> 63);
            e += ((int) ne & mask) + (int) ((ne >> 32) - keys[(int) ne >>> bits] >>> 63);
            f += ((int) nf & mask) + (int) ((nf >> 32) - keys[(int) nf >>> bits] >>> 63);
            g += ((int) ng & mask) + (int) ((ng >> 32) - keys[(int) ng >>> bits] >>> 63);
            h += ((int) nh & mask) + (int) ((nh >> 32) - keys[(int) nh >>> bits] >>> 63);
        }
    }

    private void walkFour(int tree, long[] keys, int[] leaves) {
        final long[] all = nodes;
        final long[] limits = thresholds;
        final int bits = distanceBits;
        final int mask = distanceMask;
        int a = roots[tree];
        int b = roots[tree + 1];
        int c = roots[tree + 2];
        int d = roots[tree + 3];
        while (true) {
            long na = all[a];
            long nb = all[b];
            long nc = all[c];
            long nd = all[d];
            if (((int) (na | nb | nc | nd) & mask) == 0) {
                leaves[tree] = (int) (na >> 32);
                leaves[tree + 1] = (int) (nb >> 32);
                leaves[tree + 2] = (int) (nc >> 32);
                leaves[tree + 3] = (int) (nd >> 32);
                return;
            }
            a += ((int) na & mask) + isLess(limits[a], keys[(int) na >>> bits]);
            b += ((int) nb & mask) + isLess(limits[b], keys[(int) nb >>> bits]);
            c += ((int) nc & mask) + isLess(limits[c], keys[(int) nc >>> bits]);
            d += ((int) nd & mask) + isLess(limits[d], keys[(int) nd >>> bits]);
        }
    }

    private int rightByCategory(int split, double[] features) {
        double value = features[categoryFeature[split]];
        if (Double.isNaN(value)) {
            return categoryMissingLeft[split] ? 0 : 1;
        }
        long[] set = sets[categorySet[split]];
        int code = (int) value;
        if (code != value || code < 0 || code >> 6 >= set.length) {
            return 1;
        }
        return (int) (~set[code >> 6] >>> (code & 63)) & 1;
    }

    private long pack(int upper, int slot, int distance) {
        return (long) upper << Integer.SIZE | (slot << distanceBits | distance & distanceMask) & 0xffffffffL;
    }

    /** The largest float that is not above the number. */
    private static float floor(double number) {
        float near = (float) number;
        return near > number ? Math.nextDown(near) : near;
    }

    /** A whole number that is ordered as the float is; adding 0 makes -0 and 0 the same. */
    private static int order(float number) {
        int bits = Float.floatToRawIntBits(number + 0.0f);
        return bits ^ bits >> 31 & Integer.MAX_VALUE;
    }

    private static long order(double number) {
        long bits = Double.doubleToRawLongBits(number + 0.0);
        return bits ^ bits >> 63 & Long.MAX_VALUE;
    }

    /** 1 where a is smaller than b, else 0, without a branch and whatever their difference is. */
    private static int isLess(long a, long b) {
        return (int) ((a & ~b | ~(a ^ b) & a - b) >>> 63);
    }

    private static long[][] readSets(Arrays arrays) {
        int[] offsets = arrays.whole("set_offsets");
        int[] codes = arrays.whole("set_codes");
        long[][] sets = new long[offsets.length - 1][];
        for (int set = 0; set < sets.length; set++) {
            int largest = 0;
            for (int i = offsets[set]; i < offsets[set + 1]; i++) {
                largest = Math.max(largest, codes[i]);
            }
            sets[set] = new long[(largest >> 6) + 1];
            for (int i = offsets[set]; i < offsets[set + 1]; i++) {
                sets[set][codes[i] >> 6] |= 1L << (codes[i] & 63);
            }
        }
        return sets;
    }
}
