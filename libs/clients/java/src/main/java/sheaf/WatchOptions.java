package sheaf;

import java.time.Duration;
import java.util.function.Consumer;
import sheaf.api.v1.Job;

/** Options of watchJob, waitJob and followLogs. */
public final class WatchOptions {
  Duration firstJob = Duration.ZERO;
  Duration timeout;
  Duration unreachable = Duration.ofMinutes(1);
  Consumer<SheafException> onBroken = error -> {};
  Consumer<Job> onChange = job -> {};

  /** How long to wait for a pipeline's first job. Default: not at all, NOT_FOUND at once. */
  public WatchOptions firstJob(Duration value) {
    firstJob = value;
    return this;
  }

  /** Of waitJob. Default: none. */
  public WatchOptions timeout(Duration value) {
    timeout = value;
    return this;
  }

  /** How long nobody may answer before UNAVAILABLE. Default: a minute; a master is replaced in less. */
  public WatchOptions unreachable(Duration value) {
    unreachable = value;
    return this;
  }

  /** The connection broke; it goes on by itself. */
  public WatchOptions onBroken(Consumer<SheafException> value) {
    onBroken = value;
    return this;
  }

  /** Told each state that waitJob sees. */
  public WatchOptions onChange(Consumer<Job> value) {
    onChange = value;
    return this;
  }
}
