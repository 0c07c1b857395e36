package kedro.handover;

/** The trees of a model, laid out so that the leaves which a row falls into are found quickly. */
abstract class Trees {
    /** Lays trees out in the way that is quickest for them; `single`: whether every feature is a float32. */
    static Trees of(Nodes nodes, int features, boolean single) {
        return Masks.suit(nodes) ? new Masks(nodes) : new Forest(nodes, features, single);
    }

    /** Finds the leaf of each tree, in the order of the trees: a row of the description's values. */
    abstract void findLeaves(double[] features, int[] leaves);

    /** The largest float that is not above the number. */
    static float floor(double number) {
        float near = (float) number;
        return near > number ? Math.nextDown(near) : near;
    }

    /** A whole number that is ordered as the float is; adding 0 makes -0 and 0 the same. */
    static int order(float number) {
        int bits = Float.floatToRawIntBits(number + 0.0f);
        return bits ^ bits >> 31 & Integer.MAX_VALUE;
    }

    static long order(double number) {
        long bits = Double.doubleToRawLongBits(number + 0.0);
        return bits ^ bits >> 63 & Long.MAX_VALUE;
    }

    /** 1 where a is smaller than b, else 0, without a branch and whatever their difference is. */
    static int isLess(long a, long b) {
        return (int) ((a & ~b | ~(a ^ b) & a - b) >>> 63);
    }
}
