package sheaf;

import io.grpc.Context;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** When, and after how long, a call is made again. */
final class Retries {
  private Retries() {}

  /** Random between the base and three times the wait before, so that many do not come back together. */
  static final class Waits {
    private final double base;
    private final double cap;
    private double last;

    Waits(double baseSeconds, double capSeconds) {
      base = baseSeconds;
      cap = capSeconds;
      last = baseSeconds;
    }

    double next() {
      last = Math.min(cap, base + ThreadLocalRandom.current().nextDouble() * Math.max(0, last * 3 - base));
      return last;
    }

    void reset() {
      last = base;
    }
  }

  /** How long nobody has answered: from when the connection broke, not from what came last, over which the caller may take minutes. */
  static final class Outage {
    private final double limit;
    private double begun = Double.NaN;

    Outage(Duration limit) {
      this.limit = limit.toMillis() / 1000.0;
    }

    void over() {
      begun = Double.NaN;
    }

    /** Whether to go on after this error: nobody was there, and not for too long. */
    boolean isBearable(SheafException error) {
      if (!error.isUnreachable()) return false;
      if (Double.isNaN(begun)) begun = now();
      return now() - begun < limit;
    }
  }

  /** For what is sent with a request id, so that sending it again does nothing twice: for 10 s. */
  static <T> T sendAgain(Predicate<SheafException> transientError, Supplier<T> once) {
    var waits = new Waits(0.1, 2);
    var end = now() + 10;
    while (true) {
      try {
        return once.get();
      } catch (SheafException error) {
        var asked = error.retryDelay().orElse(Duration.ZERO).toMillis() / 1000.0;
        var wait = Math.max(waits.next(), asked);
        if (!transientError.test(error) || now() + wait > end) throw error;
        sleep(wait);
      }
    }
  }

  /** Throws CANCELLED when the current context, or the thread, is called off meanwhile. */
  static void sleep(double seconds) {
    var cancelled = new CountDownLatch(1);
    Context.CancellationListener listener = context -> cancelled.countDown();
    var context = Context.current();
    context.addListener(listener, Runnable::run);
    try {
      if (cancelled.await((long) (seconds * 1e9), TimeUnit.NANOSECONDS) || context.isCancelled()) {
        throw SheafException.cancelled();
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw SheafException.cancelled();
    } finally {
      context.removeListener(listener);
    }
  }

  /** Seconds of a clock that only goes on. */
  static double now() {
    return System.nanoTime() / 1e9;
  }

  static String newId() {
    return UUID.randomUUID().toString();
  }
}
