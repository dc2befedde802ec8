package sheaf;

import io.grpc.Status;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import sheaf.api.v1.PipelineSpec;

/** The way in: {@code try (var client = Sheaf.connect()) { ... }}. */
public final class Sheaf {
  private static final Pattern ADDRESS = Pattern.compile("(?:\\[[0-9a-fA-F:.%\\w]+\\]|[^\\s:/\\[\\]]+):(\\d{1,5})");

  private Sheaf() {}

  /**
   * A client of the cluster at SHEAF_ADDRESS ("host:port"), with SHEAF_TOKEN, and SHEAF_CA (a file of certificates: with it the connection
   * is TLS). It connects with the first call. INVALID_ARGUMENT when there is no address, or when it is none.
   */
  public static Client connect() {
    return connect("");
  }

  /** The same for an address; the rest is read from the environment. */
  public static Client connect(String address) {
    return connect(address, "", "");
  }

  /** The same for what is given; what is empty is read from the environment. */
  public static Client connect(String address, String token, String caFile) {
    var name = address.isEmpty() ? "SHEAF_ADDRESS" : "address";
    var target = orElse(address, name);
    if (target.isEmpty()) {
      throw new SheafException(
          Status.Code.INVALID_ARGUMENT,
          "NO_ADDRESS",
          "no cluster is named: set SHEAF_ADDRESS, or give an address to connect");
    }
    var found = ADDRESS.matcher(target);
    if (!found.matches() || Integer.parseInt(found.group(1)) > 65_535) {
      var wrong = "is not an address: use host:port, like 127.0.0.1:7070 or [::1]:7070";
      throw new SheafException(
          Status.Code.INVALID_ARGUMENT,
          "ADDRESS_INVALID",
          "%s %s %s".formatted(name, LocalFiles.shown(target), wrong),
          List.of(new FieldViolation(name, wrong)),
          null,
          Map.of(),
          null);
    }
    return new Client(target, orElse(token, "SHEAF_TOKEN"), orElse(caFile, "SHEAF_CA"));
  }

  /**
   * The pipeline that a file (YAML, and so JSON) describes. INVALID_ARGUMENT with everything that is wrong, "pipeline.yaml:3:5: ...". A
   * handler that names a module (".js", ".ts") is read from beside the file.
   */
  public static PipelineSpec readSpec(Path file) {
    return SpecFile.read(file);
  }

  private static String orElse(String value, String variable) {
    if (!value.isEmpty()) return value;
    var set = System.getenv(variable);
    return set == null ? "" : set;
  }
}
