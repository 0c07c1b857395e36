package kedro.handover;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.catalyst.util.ArrayData;

/** Prepares the features of a row. The kinds of steps are those of Step in description.py. */
final class Steps {
    private static final int NUMBER = 0;
    private static final int TEXT_LOOKUP = 1;
    private static final int NUMBER_LOOKUP = 2;
    private static final int ROUND = 1;
    private static final int REFUSE_MISSING = 2;
    private static final int REFUSE_INFINITE = 4;
    private static final int REFUSES_MISSING = 1;
    private static final int REFUSES_UNKNOWN = 2;

    private final int[] kind;
    private final int[] source;
    private final int[] then;
    private final double[] argument;
    private final int[] features;
    private final Map<Object, Double>[] tables;
    private final double[] missing;
    private final double[] unknown;
    private final int[] refuses;

    /** Whether each feature is a number as it comes. */
    private final boolean plain;

    @SuppressWarnings({"unchecked", "rawtypes"})
    Steps(Arrays arrays) {
        kind = arrays.whole("step_kind");
        source = arrays.whole("step_source").clone();
        then = arrays.whole("step_then");
        argument = arrays.numbers("step_argument");
        features = arrays.whole("features");
        missing = arrays.numbers("table_missing");
        unknown = arrays.numbers("table_unknown");
        refuses = arrays.whole("table_refuses");
        int[] offsets = arrays.whole("table_offsets");
        double[] numbers = arrays.numbers("table_numbers");
        double[] values = arrays.numbers("table_values");
        String[] texts = arrays.texts("table_texts");
        tables = new Map[missing.length];
        for (int step = 0; step < kind.length; step++) {
            if (kind[step] == TEXT_LOOKUP || kind[step] == NUMBER_LOOKUP) {
                int table = (int) argument[step];
                tables[table] = new HashMap<>();
                for (int i = offsets[table]; i < offsets[table + 1]; i++) {
                    // Adding 0 makes -0 the same key as 0.
                    tables[table].put(kind[step] == TEXT_LOOKUP ? (Object) texts[i] : (Object) (numbers[i] + 0.0), values[i]);
                }
            }
        }
        countApart();
        boolean allPlain = true;
        for (int j = 0; j < features.length; j++) {
            allPlain &= features[j] == j && kind[j] == NUMBER && source[j] == j;
        }
        plain = allPlain && kind.length == features.length;
    }

    /** Numbers and texts come apart, so their places are counted apart. */
    private void countApart() {
        BitSet texts = new BitSet();
        for (int step = 0; step < kind.length; step++) {
            if (kind[step] == TEXT_LOOKUP) {
                texts.set(source[step]);
            }
        }
        for (int step = 0; step < kind.length; step++) {
            int before = texts.get(0, source[step]).cardinality();
            if (kind[step] == TEXT_LOOKUP) {
                source[step] = before;
            } else if (kind[step] == NUMBER) {
                source[step] -= before;
            }
        }
    }

    /** Whether every feature is a float32, as the float itself or as a whole number that one holds. */
    boolean areSingle() {
        for (int step : features) {
            if ((then[step] & ROUND) == 0 && !(kind[step] == TEXT_LOOKUP || kind[step] == NUMBER_LOOKUP)) {
                return false;
            }
        }
        for (int table = 0; table < tables.length; table++) {
            for (double value : tables[table].values()) {
                if (!isSingle(value)) {
                    return false;
                }
            }
            if (!isSingle(missing[table]) || !isSingle(unknown[table])) {
                return false;
            }
        }
        return true;
    }

    private static boolean isSingle(double value) {
        return value == (float) value || Double.isNaN(value);
    }

    /** Gives the features of a row, or null where the library would raise an error. */
    double[] prepare(ArrayData numbers, ArrayData texts) {
        if (plain) {
            return take(numbers);
        }
        double[] results = new double[kind.length];
        for (int step = 0; step < results.length; step++) {
            int from = source[step];
            double result;
            switch (kind[step]) {
                case NUMBER:
                    result = numbers.isNullAt(from) ? Double.NaN : numbers.getDouble(from);
                    break;
                case TEXT_LOOKUP:
                case NUMBER_LOOKUP:
                    int table = (int) argument[step];
                    Object key;
                    if (kind[step] == TEXT_LOOKUP) {
                        key = texts.isNullAt(from) ? null : texts.getUTF8String(from).toString();
                    } else {
                        key = Double.isNaN(results[from]) ? null : (Object) (results[from] + 0.0);
                    }
                    if (key == null) {
                        if ((refuses[table] & REFUSES_MISSING) != 0) {
                            return null;
                        }
                        result = missing[table];
                    } else {
                        Double found = tables[table].get(key);
                        if (found == null && (refuses[table] & REFUSES_UNKNOWN) != 0) {
                            return null;
                        }
                        result = found == null ? unknown[table] : found;
                    }
                    break;
                default:
                    result = change(kind[step], results[from], argument[step]);
            }
            result = (then[step] & ROUND) != 0 ? (float) result : result;
            if (isRefused(then[step], result)) {
                return null;
            }
            results[step] = result;
        }
        double[] prepared = new double[features.length];
        for (int j = 0; j < prepared.length; j++) {
            prepared[j] = results[features[j]];
        }
        return prepared;
    }

    private double[] take(ArrayData numbers) {
        double[] results = new double[features.length];
        for (int j = 0; j < results.length; j++) {
            double result = numbers.isNullAt(j) ? Double.NaN : numbers.getDouble(j);
            result = (then[j] & ROUND) != 0 ? (float) result : result;
            if (isRefused(then[j], result)) {
                return null;
            }
            results[j] = result;
        }
        return results;
    }

    private static boolean isRefused(int then, double result) {
        return (then & REFUSE_MISSING) != 0 && Double.isNaN(result)
                || (then & REFUSE_INFINITE) != 0 && Double.isInfinite(result);
    }

    private static double change(int kind, double x, double argument) {
        switch (kind) {
            case 3:
                return Double.isNaN(x) ? argument : x;
            case 4:
                return x + argument;
            case 5:
                return x - argument;
            case 6:
                return x * argument;
            case 7:
                return x / argument;
            case 8:
                return x < argument ? argument : x;
            case 9:
                return x > argument ? argument : x;
            case 10:
                return x == argument ? 1 : 0;
            case 11:
                return x == argument ? Double.NaN : x;
            case 12:
                return x < 0 ? Math.ceil(x) : Math.floor(x);
            case 13:
                return Double.isNaN(x) ? 1 : 0;
            case 14:
                return Math.abs(x) <= argument ? 0 : x;
            case 15:
                return Math.floor(x);
            default:
                throw new IllegalArgumentException("The description has a step of kind " + kind + ", which is newer than this jar");
        }
    }
}
