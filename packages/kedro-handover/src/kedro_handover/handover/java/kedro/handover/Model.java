package kedro.handover;

import java.io.ObjectStreamException;
import java.io.Serializable;
import java.lang.ref.SoftReference;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;

/**
 * A handed-over model as a function of Spark: takes a row of the model's inputs, gives a row of what it says.
 *
 * <p>The result has `probability` (of the second class; an array where there are more), `label` (the number of the class)
 * and, where asked for, `score` (the raw scores). Of a regression it has `prediction` and `score`. It is null where the
 * library would raise an error.
 */
public final class Model implements UDF1<Row, Row>, Serializable {
    private static final long serialVersionUID = 1L;
    private static final int ALL_OUTPUTS = -1;
    private static final float EXPF_LIMIT = 88.7f;

    /** One copy of each model in a JVM, however many tasks score with it. */
    private static final ConcurrentHashMap<String, SoftReference<Model>> KNOWN = new ConcurrentHashMap<>();

    private final byte[] bytes;
    private final String digest;
    private final boolean withScore;

    private final transient Steps steps;
    private final transient Forest forest;
    private final transient int[] treeOutput;
    private final transient double[] values;
    private final transient double[] start;
    private final transient double[] coefficients;
    private final transient boolean singleSum;
    private final transient boolean singleLink;
    private final transient String link;
    private final transient String task;
    private final transient double divisor;
    private final transient double scale;
    private final transient double cut;
    private final transient double above;
    private final transient int width;

    private Model(byte[] bytes, String digest, boolean withScore) {
        this.bytes = bytes;
        this.digest = digest;
        this.withScore = withScore;
        Arrays arrays = new Arrays(bytes);
        String[] words = arrays.texts("words");
        double[] options = arrays.numbers("options");
        task = words[0];
        link = words[1];
        singleSum = words[2].equals("float32");
        singleLink = words[3].equals("float32");
        divisor = options[0];
        scale = options[1];
        cut = options[2];
        above = options[3];
        start = arrays.numbers("start");
        coefficients = arrays.numbers("coefficients");
        values = arrays.numbers("values");
        treeOutput = arrays.whole("tree_output");
        width = treeOutput.length > 0 && treeOutput[0] == ALL_OUTPUTS ? start.length : 1;
        steps = new Steps(arrays);
        int features = arrays.whole("features").length;
        forest = treeOutput.length > 0 ? Forest.of(arrays, features, steps.areSingle()) : null;
    }

    /**
     * Makes the function.
     *
     * @param bytes the description, as spark_function.py writes it
     * @param digest the description's digest
     * @param withScore whether to give raw scores too
     */
    public static Model of(byte[] bytes, String digest, boolean withScore) {
        String key = digest + withScore;
        SoftReference<Model> known = KNOWN.get(key);
        Model model = known == null ? null : known.get();
        if (model == null) {
            model = new Model(bytes, digest, withScore);
            KNOWN.put(key, new SoftReference<>(model));
        }
        return model;
    }

    /** The C library's exp, for the test that holds it to the host's. */
    public static double[] exp(double[] powers) {
        double[] results = new double[powers.length];
        for (int i = 0; i < powers.length; i++) {
            results[i] = Exponential.exp(powers[i]);
        }
        return results;
    }

    /** The C library's expf, likewise. */
    public static float[] expf(float[] powers) {
        float[] results = new float[powers.length];
        for (int i = 0; i < powers.length; i++) {
            results[i] = Exponential.expf(powers[i]);
        }
        return results;
    }

    private Object readResolve() throws ObjectStreamException {
        return of(bytes, digest, withScore);
    }

    @Override
    public Row call(Row row) {
        double[] features = steps.prepare(row);
        if (features == null) {
            return null;
        }
        double[] score = forest == null ? multiply(features) : addUp(features);
        double[] shares = applyLink(score);
        Object given = withScore ? score : null;
        if (task.equals("regression")) {
            return withScore ? RowFactory.create(shares[0], given) : RowFactory.create(shares[0]);
        }
        int label;
        Object probability;
        if (task.equals("binary")) {
            double second = shares[shares.length - 1];
            probability = second;
            if (score.length == 1) {
                label = score[0] >= cut ? 1 : 0;
            } else {
                label = (Double.isNaN(above) ? score[1] > score[0] : second > above) ? 1 : 0;
            }
        } else {
            probability = shares;
            label = 0;
            for (int k = 1; k < score.length; k++) {
                label = score[k] > score[label] ? k : label;
            }
        }
        return withScore ? RowFactory.create(probability, label, given) : RowFactory.create(probability, label);
    }

    private double[] multiply(double[] features) {
        double[] score = new double[start.length];
        for (int k = 0; k < score.length; k++) {
            double total = 0;
            for (int j = 0; j < features.length; j++) {
                total += features[j] * coefficients[k * features.length + j];
            }
            score[k] = total + start[k];
        }
        return score;
    }

    private double[] addUp(double[] features) {
        int[] leaves = new int[treeOutput.length];
        forest.findLeaves(features, leaves);
        double[] score = start.clone();
        if (width > 1) {
            for (int leaf : leaves) {
                for (int k = 0; k < width; k++) {
                    score[k] += values[leaf * width + k];
                }
            }
        } else {
            for (int tree = 0; tree < leaves.length; tree++) {
                int output = Math.max(treeOutput[tree], 0);
                double total = score[output] + values[leaves[tree]];
                score[output] = singleSum ? (float) total : total; // the float sum of two floats, exactly
            }
        }
        if (divisor != 1) {
            for (int k = 0; k < score.length; k++) {
                score[k] = singleSum ? (float) (score[k] / divisor) : score[k] / divisor;
            }
        }
        return score;
    }

    private double[] applyLink(double[] score) {
        if (link.equals("none")) {
            return score;
        }
        double[] shares = new double[score.length];
        if (link.equals("softmax")) {
            double largest = Double.NEGATIVE_INFINITY;
            for (double s : score) {
                largest = Math.max(largest, s * scale);
            }
            double total = 0;
            for (int k = 0; k < score.length; k++) {
                double power = score[k] * scale - largest;
                shares[k] = singleLink ? Exponential.expf((float) power) : Exponential.exp(power);
                total += shares[k];
            }
            for (int k = 0; k < score.length; k++) {
                shares[k] = singleLink ? (float) shares[k] / (float) total : shares[k] / total;
            }
            return shares;
        }
        boolean sigmoid = link.equals("sigmoid");
        for (int k = 0; k < score.length; k++) {
            if (singleLink) {
                float x = (float) (score[k] * scale);
                shares[k] = sigmoid ? 1f / (1f + Exponential.expf(Math.min(-x, EXPF_LIMIT))) : Exponential.expf(x);
            } else {
                double x = score[k] * scale;
                shares[k] = sigmoid ? 1 / (1 + Exponential.exp(-x)) : Exponential.exp(x);
            }
        }
        return shares;
    }
}
