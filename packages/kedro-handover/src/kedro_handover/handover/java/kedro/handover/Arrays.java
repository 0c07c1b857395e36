package kedro.handover;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** Named arrays, as spark_function.py writes them: a name, a type, a length, and the values from the highest byte on. */
final class Arrays {
    private final Map<String, Object> found = new HashMap<>();

    Arrays(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            String name = text(buffer);
            char type = (char) buffer.get();
            int length = buffer.getInt();
            if (type == 'i') {
                int[] whole = new int[length];
                buffer.asIntBuffer().get(whole);
                buffer.position(buffer.position() + Integer.BYTES * length);
                found.put(name, whole);
            } else if (type == 'd') {
                double[] numbers = new double[length];
                buffer.asDoubleBuffer().get(numbers);
                buffer.position(buffer.position() + Double.BYTES * length);
                found.put(name, numbers);
            } else {
                String[] texts = new String[length];
                for (int i = 0; i < length; i++) {
                    texts[i] = text(buffer);
                }
                found.put(name, texts);
            }
        }
    }

    int[] whole(String name) {
        return (int[]) found.get(name);
    }

    double[] numbers(String name) {
        return (double[]) found.get(name);
    }

    String[] texts(String name) {
        return (String[]) found.get(name);
    }

    private static String text(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.getInt()];
        buffer.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
