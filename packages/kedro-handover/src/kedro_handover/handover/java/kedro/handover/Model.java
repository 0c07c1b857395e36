package kedro.handover;

import java.io.ObjectStreamException;
import java.io.Serializable;
import java.lang.ref.SoftReference;
import java.util.Locale;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.analysis.FunctionRegistry;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeArrayData;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.DataType;

/**
 * A handed-over model as a function of Spark: takes the model's inputs, numbers and texts apart, as Spark has them inside,
 * and gives a row of what the model says.
 *
 * <p>The result has `probability` (of the second class; an array where there are more), `label` (the number of the class)
 * and, where asked for, `score` (the raw scores). Of a regression it has `prediction` and `score`. It is null where the
 * library would raise an error.
 */
public final class Model implements BiFunction<ArrayData, ArrayData, InternalRow>, Serializable {
    private static final long serialVersionUID = 1L;
    private static final int ALL_OUTPUTS = -1;
    private static final float EXPF_LIMIT = 88.7f;

    private enum Task { BINARY, MULTICLASS, REGRESSION }

    private enum Link { NONE, SIGMOID, SOFTMAX, EXP }

    /** One copy of each model in a JVM, however many tasks score with it. */
    private static final ConcurrentHashMap<String, SoftReference<Model>> KNOWN = new ConcurrentHashMap<>();

    private final byte[] bytes;
    private final String digest;
    private final boolean withScore;

    private final transient Steps steps;
    private final transient Trees trees;
    private final transient int[] treeOutput;
    private final transient double[] values;
    private final transient double[] start;
    private final transient double[] coefficients;
    private final transient boolean singleSum;
    private final transient boolean singleLink;
    private final transient Link link;
    private final transient Task task;
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
        task = Task.valueOf(words[0].toUpperCase(Locale.ROOT));
        link = Link.valueOf(words[1].toUpperCase(Locale.ROOT));
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
        trees = treeOutput.length > 0 ? Trees.of(new Nodes(arrays), features, steps.areSingle()) : null;
    }

    /**
     * Registers a model as a function of a session.
     *
     * @param functions the session's
     * @param name the function's
     * @param type what it gives
     * @param bytes the description, as spark_function.py writes it
     * @param digest the description's digest
     * @param withScore whether to give raw scores too
     */
    public static void register(
            FunctionRegistry functions, String name, DataType type, byte[] bytes, String digest, boolean withScore) {
        functions.createOrReplaceTempFunction(name, new Call(of(bytes, digest, withScore), type), "java_udf");
    }

    private static Model of(byte[] bytes, String digest, boolean withScore) {
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

    /** How the leaves of a model are found, for the test that holds each way to the library. */
    public static String wayToTheLeaves(byte[] bytes) {
        return new Model(bytes, "", false).trees.getClass().getSimpleName();
    }

    private Object readResolve() throws ObjectStreamException {
        return of(bytes, digest, withScore);
    }

    @Override
    public InternalRow apply(ArrayData numbers, ArrayData texts) {
        double[] features = steps.prepare(numbers, texts);
        if (features == null) {
            return null;
        }
        double[] score = trees == null ? multiply(features) : addUp(features);
        double[] shares = applyLink(score);
        if (task == Task.REGRESSION) {
            return withScore ? row(shares[0], array(score)) : row(shares[0]);
        }
        int label;
        Object probability;
        if (task == Task.BINARY) {
            double second = shares[shares.length - 1];
            probability = second;
            if (score.length == 1) {
                label = score[0] >= cut ? 1 : 0;
            } else {
                label = (Double.isNaN(above) ? score[1] > score[0] : second > above) ? 1 : 0;
            }
        } else {
            probability = array(shares);
            label = 0;
            for (int k = 1; k < score.length; k++) {
                label = score[k] > score[label] ? k : label;
            }
        }
        return withScore ? row(probability, label, array(score)) : row(probability, label);
    }

    /** How plans show the function. */
    @Override
    public String toString() {
        return "handed_over_" + digest.substring(0, Math.min(12, digest.length()));
    }

    private static InternalRow row(Object... values) {
        return new GenericInternalRow(values);
    }

    private static ArrayData array(double[] values) {
        return UnsafeArrayData.fromPrimitiveArray(values);
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
        trees.findLeaves(features, leaves);
        double[] score = start.clone();
        if (width > 1) {
            for (int leaf : leaves) {
                for (int k = 0; k < width; k++) {
                    score[k] += values[leaf * width + k];
                }
            }
        } else if (score.length == 1) {
            score[0] = singleSum ? addSingle((float) score[0], leaves) : addDouble(score[0], leaves);
        } else {
            for (int tree = 0; tree < leaves.length; tree++) {
                int output = treeOutput[tree];
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

    private double addDouble(double total, int[] leaves) {
        for (int leaf : leaves) {
            total += values[leaf];
        }
        return total;
    }

    private float addSingle(float total, int[] leaves) {
        for (int leaf : leaves) {
            total += (float) values[leaf];
        }
        return total;
    }

    private double[] applyLink(double[] score) {
        if (link == Link.NONE) {
            return score;
        }
        double[] shares = new double[score.length];
        if (link == Link.SOFTMAX) {
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
        boolean sigmoid = link == Link.SIGMOID;
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
