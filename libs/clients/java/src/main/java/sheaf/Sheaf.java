package sheaf;

import io.grpc.Status;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import sheaf.api.v1.PipelineSpec;

/** The way in: {@code try (var client = Sheaf.connect()) { ... }}. */
public final class Sheaf {
  private static final Pattern ADDRESS =
      Pattern.compile("(?:(https?)://)?((\\[[0-9a-fA-F:.%\\w]+\\]|[^\\s:/\\[\\]]+):(\\d{1,5}))/?");
  private static final Pattern LOOPBACK = Pattern.compile("localhost|\\[::1\\]|127(?:\\.\\d+){3}");
  private static final Pattern TOKEN = Pattern.compile("[\\x21-\\x7e]*");

  private Sheaf() {}

  /**
   * A client of the cluster at SHEAF_ADDRESS ("host:port", "https://host:port"), with SHEAF_TOKEN, and SHEAF_CA, a file with the authority of
   * the cluster. It connects with the first call. INVALID_ARGUMENT when there is no address, or when it is none.
   */
  public static Client connect() {
    return connect("");
  }

  /** The same for an address; the rest is read from the environment. */
  public static Client connect(String address) {
    return connect(address, "", "");
  }

  /**
   * The same for what is given; what is empty is read from the environment. TLS is spoken when the address begins with https://, or when
   * there is a CA file and it does not begin with http://. INVALID_ARGUMENT, too, when a token would be sent in plain text to another
   * machine.
   */
  public static Client connect(String address, String token, String caFile) {
    var name = address.isEmpty() ? "SHEAF_ADDRESS" : "address";
    var given = orElse(address, name);
    if (given.isEmpty()) {
      throw invalid("NO_ADDRESS", "no cluster is named: set SHEAF_ADDRESS, or give an address to connect", List.of());
    }
    var found = ADDRESS.matcher(given);
    if (!found.matches() || Integer.parseInt(found.group(4)) > 65_535) {
      var wrong = "is not an address: use host:port, like 127.0.0.1:7070 or [::1]:7070";
      var text = "%s %s %s".formatted(name, LocalFiles.shown(given), wrong);
      throw invalid("ADDRESS_INVALID", text, List.of(new FieldViolation(name, wrong)));
    }
    var target = found.group(2);
    var authority = orElse(caFile, "SHEAF_CA");
    var says = orElse(token, "SHEAF_TOKEN").strip(); // it may come from a file, with the end of its line
    if (!TOKEN.matcher(says).matches()) {
      throw invalid("TOKEN_INVALID", "the token has characters that none has", List.of());
    }
    var isSecure = "https".equals(found.group(1)) || (found.group(1) == null && !authority.isEmpty());
    if (!says.isEmpty() && !isSecure && !LOOPBACK.matcher(found.group(3)).matches()) {
      var text = "a token is not sent to %s in plain text: give the address as https://%s, and the CA file in SHEAF_CA";
      throw invalid("TOKEN_IN_PLAIN_TEXT", text.formatted(target, target), List.of());
    }
    return new Client(target, Channels.open(target, says, isSecure ? Channels.tls(authority) : Channels.plain()));
  }

  private static SheafException invalid(String reason, String message, List<FieldViolation> details) {
    return new SheafException(Status.Code.INVALID_ARGUMENT, reason, message, details, null, Map.of(), null);
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
