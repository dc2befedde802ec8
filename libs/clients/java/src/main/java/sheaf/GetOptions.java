package sheaf;

import java.util.function.Consumer;

/** Options of getFolder and getFile. */
public final class GetOptions {
  String path = "/";
  String glob = "";
  Consumer<GotFolder> onProgress = progress -> {};

  /** A file or folder of the commit: what is in it comes without its path. Default "/". */
  public GetOptions path(String value) {
    path = value;
    return this;
  }

  /** Only paths that match. Default: all. */
  public GetOptions glob(String value) {
    glob = value;
    return this;
  }

  /** Told after each message, about a MiB. */
  public GetOptions onProgress(Consumer<GotFolder> value) {
    onProgress = value;
    return this;
  }
}
