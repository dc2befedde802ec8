package sheaf;

import java.util.function.Consumer;
import java.util.function.Predicate;

/** Options of putFolder and putFiles. */
public final class PutOptions {
  String under = "/";
  String description = "";
  String requestId = "";
  Predicate<String> filter = path -> true;
  Consumer<PutProgress> onProgress = progress -> {};

  /** How far it is. */
  public record PutProgress(long files, long bytes) {}

  /** A folder of the repo. Default "/". */
  public PutOptions under(String value) {
    under = value;
    return this;
  }

  /** Of the commit. */
  public PutOptions description(String value) {
    description = value;
    return this;
  }

  /** Of the caller's own: the same id gives the same commit for 24 h. Default: a new one. */
  public PutOptions requestId(String value) {
    requestId = value;
    return this;
  }

  /** Whether a file is put, by its path below the folder. Default: all. */
  public PutOptions filter(Predicate<String> value) {
    filter = value;
    return this;
  }

  /** Told after each message, about a MiB. */
  public PutOptions onProgress(Consumer<PutProgress> value) {
    onProgress = value;
    return this;
  }
}
