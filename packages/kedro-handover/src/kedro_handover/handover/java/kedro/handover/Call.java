package kedro.handover;

import java.lang.reflect.Constructor;
import java.util.function.BiFunction;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.objects.Invoke;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.ObjectType;
import scala.collection.Seq;
import scala.runtime.AbstractFunction1;

/**
 * Makes the expression that calls a model: Spark's Invoke, which generated code calls with values as they are inside Spark.
 * A UDF would have each of them boxed and copied.
 */
final class Call extends AbstractFunction1<Seq<Expression>, Expression> {
    private static final int GIVEN = 4;

    private final Model model;
    private final DataType type;

    Call(Model model, DataType type) {
        this.model = model;
        this.type = type;
    }

    @Override
    public Expression apply(Seq<Expression> arguments) {
        // The type is one that the classes of generated code know, even where the jar was added later.
        Literal target = new Literal(model, new ObjectType(BiFunction.class));
        Constructor<?> constructor = Invoke.class.getConstructors()[0];
        Object[] all = new Object[constructor.getParameterCount()];
        Object[] given = {target, "apply", type, arguments};
        try {
            // Versions of Spark differ in the arguments that follow, and in Scala's Seq; each knows its own defaults.
            for (int i = 0; i < all.length; i++) {
                all[i] = i < GIVEN ? given[i] : Invoke.class.getMethod("$lessinit$greater$default$" + (i + 1)).invoke(null);
            }
            return (Expression) constructor.newInstance(all);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException("This Spark calls functions in another way than 3.5 and 4", error);
        }
    }
}
