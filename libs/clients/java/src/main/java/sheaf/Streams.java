package sheaf;

import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;

/** Answers of a server, one after another. What the consumer throws ends the call, and passes. */
final class Streams {
  private Streams() {}

  /** `deadline`: in seconds of {@link Retries#now}; null: none. */
  static <Q, A> void each(Client client, MethodDescriptor<Q, A> method, Q request, Double deadline, Consumer<A> take) {
    until(
        client,
        method,
        request,
        deadline,
        answer -> {
          take.accept(answer);
          return false;
        });
  }

  /** The same, until one is the last that is wanted. */
  static <Q, A> void until(Client client, MethodDescriptor<Q, A> method, Q request, Double deadline, Predicate<A> isLast) {
    var options = CallOptions.DEFAULT;
    if (deadline != null) {
      var left = Math.max(0.001, deadline - Retries.now());
      options = options.withDeadlineAfter((long) (left * 1e9), TimeUnit.NANOSECONDS);
    }
    var outside = Context.current();
    var context = outside.withCancellation();
    var previous = context.attach();
    try {
      var answers = ClientCalls.blockingServerStreamingCall(client.channel(), method, options, request);
      while (next(outside, () -> answers.hasNext(), client)) if (isLast.test(answers.next())) return;
    } finally {
      context.detach(previous);
      context.cancel(null); // harmless when it is over
    }
  }

  private static boolean next(Context outside, java.util.function.BooleanSupplier hasNext, Client client) {
    try {
      return hasNext.getAsBoolean();
    } catch (RuntimeException error) {
      if (outside.isCancelled()) throw SheafException.cancelled();
      throw SheafException.of(error, client.address());
    }
  }
}
