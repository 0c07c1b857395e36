package kedro.handover;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * The C library's exp and expf, bit for bit.
 *
 * <p>The algorithm is that of Arm's optimized routines (Copyright Arm Limited, MIT OR Apache-2.0), which glibc, musl, bionic
 * and newlib have: e^x = 2^(k/N) e^r, with a table for the first factor and a polynomial for the second. The constants of
 * the polynomials are theirs; the tables are computed here, when the class is loaded. Java's own Math.exp and
 * StrictMath.exp differ from it in the last bit of some results.
 */
final class Exponential {
    private static final int STEPS = 128;
    private static final int STEP_BITS = 7;
    private static final int FLOAT_STEPS = 32;
    private static final int FLOAT_STEP_BITS = 5;
    private static final int MANTISSA_BITS = 52;

    /** Adding and subtracting it rounds a double to a whole number, which is then in its lowest bits. */
    private static final double ROUNDER = 0x1.8p52;

    private static final double INVERSE_LN2 = 0x1.71547652b82fep0;
    private static final double LN2_HIGH = -0x1.62e42fefa0000p-8;
    private static final double LN2_LOW = -0x1.cf79abc9e3b3ap-47;
    private static final double A2 = 0x1.ffffffffffdbdp-2;
    private static final double A3 = 0x1.555555555543cp-3;
    private static final double A4 = 0x1.55555cf172b91p-5;
    private static final double A5 = 0x1.1111167a4d017p-7;
    private static final double B3 = 0x1.c6af84b912394p-5 / FLOAT_STEPS / FLOAT_STEPS / FLOAT_STEPS;
    private static final double B2 = 0x1.ebfce50fac4f3p-3 / FLOAT_STEPS / FLOAT_STEPS;
    private static final double B1 = 0x1.62e42ff0c52d6p-1 / FLOAT_STEPS;

    /** From here on the result is infinite or zero, as a double and as a float. */
    private static final double BEYOND = 1024;
    private static final double FLOAT_BEYOND = 200;

    /** From here on the C library scales in two steps. */
    private static final double FAR = 512;

    /** 2^(k/128) as a double, and how far the exact number is from it, relative to it. */
    private static final double[] POWERS = new double[STEPS];
    private static final double[] REMAINDERS = new double[STEPS];

    static {
        MathContext digits = new MathContext(60, RoundingMode.HALF_EVEN);
        BigDecimal root = BigDecimal.valueOf(2);
        for (int i = 0; i < STEP_BITS; i++) {
            BigDecimal guess = BigDecimal.valueOf(Math.sqrt(root.doubleValue()));
            for (int round = 0; round < 4; round++) {
                guess = guess.add(root.divide(guess, digits)).divide(BigDecimal.valueOf(2), digits);
            }
            root = guess;
        }
        BigDecimal power = BigDecimal.ONE;
        for (int k = 0; k < STEPS; k++) {
            POWERS[k] = power.doubleValue();
            REMAINDERS[k] = power.divide(new BigDecimal(POWERS[k]), digits).subtract(BigDecimal.ONE).doubleValue();
            power = power.multiply(root, digits);
        }
    }

    /** Math.fma, which Java 8 has not; a static final handle is compiled to the processor's own instruction. */
    private static final MethodHandle FMA = findFma();

    private Exponential() {}

    static double exp(double x) {
        if (Double.isNaN(x)) {
            return x;
        }
        if (Math.abs(x) >= BEYOND) {
            return x > 0 ? Double.POSITIVE_INFINITY : 0;
        }
        double shifted = fma(INVERSE_LN2 * STEPS, x, ROUNDER);
        long whole = Double.doubleToRawLongBits(shifted);
        double rounded = shifted - ROUNDER;
        double r = fma(rounded, LN2_LOW, fma(rounded, LN2_HIGH, x));
        int k = (int) whole & STEPS - 1;
        double square = r * r;
        double tail = fma(square, fma(r, A3, A2), REMAINDERS[k] + r);
        double rest = fma(square * square, fma(r, A5, A4), tail);
        double power = POWERS[k];
        int exponent = (int) whole >> STEP_BITS;
        if (Math.abs(x) < FAR) {
            return fma(power, rest, power) * Double.longBitsToDouble((long) (exponent + 1023) << MANTISSA_BITS);
        }
        if (x > 0) {
            return Math.scalb(fma(power, rest, power), exponent);
        }
        double product = power * rest; // here the C library uses it twice, and so rounds it
        if (exponent > Double.MIN_EXPONENT) {
            return Math.scalb(power + product, exponent);
        }
        // The result has fewer bits than other doubles: the sum is rounded once, to these.
        return new BigDecimal(power).add(new BigDecimal(product)).divide(new BigDecimal(2).pow(-exponent)).doubleValue();
    }

    static float expf(float x) {
        if (Float.isNaN(x)) {
            return x;
        }
        if (Math.abs(x) >= FLOAT_BEYOND) {
            return x > 0 ? Float.POSITIVE_INFINITY : 0;
        }
        double shifted = fma(INVERSE_LN2 * FLOAT_STEPS, x, ROUNDER);
        long whole = Double.doubleToRawLongBits(shifted);
        double r = fma(INVERSE_LN2 * FLOAT_STEPS, x, -(shifted - ROUNDER));
        int k = (int) whole & FLOAT_STEPS - 1;
        long step = Double.doubleToRawLongBits(POWERS[k << STEP_BITS - FLOAT_STEP_BITS]);
        long exponent = (long) ((int) whole >> FLOAT_STEP_BITS) << MANTISSA_BITS;
        double power = Double.longBitsToDouble(step + exponent);
        double polynomial = fma(fma(B3, r, B2), r * r, fma(B1, r, 1));
        return (float) (polynomial * power);
    }

    private static double fma(double a, double b, double c) {
        if (FMA == null) {
            return new BigDecimal(a).multiply(new BigDecimal(b)).add(new BigDecimal(c)).doubleValue();
        }
        try {
            return (double) FMA.invokeExact(a, b, c);
        } catch (Throwable error) {
            throw new IllegalStateException("Math.fma failed", error);
        }
    }

    private static MethodHandle findFma() {
        MethodType type = MethodType.methodType(double.class, double.class, double.class, double.class);
        try {
            return MethodHandles.lookup().findStatic(Math.class, "fma", type);
        } catch (ReflectiveOperationException javaEight) {
            return null;
        }
    }
}
