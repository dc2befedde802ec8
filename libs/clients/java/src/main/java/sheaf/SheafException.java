package sheaf;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What every method of a {@link Client} fails with. The message is for people. */
public final class SheafException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String DOMAIN = "sheaf";

  private final Status.Code code;
  private final String reason;
  private final transient List<FieldViolation> details;
  private final Duration retryDelay;
  private final transient Map<String, String> metadata;

  SheafException(Status.Code code, String reason, String message) {
    this(code, reason, message, List.of(), null, Map.of(), null);
  }

  SheafException(
      Status.Code code,
      String reason,
      String message,
      List<FieldViolation> details,
      Duration retryDelay,
      Map<String, String> metadata,
      Throwable cause) {
    super(message, cause);
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.retryDelay = retryDelay;
    this.metadata = metadata;
  }

  /** One of gRPC's. */
  public Status.Code code() {
    return code;
  }

  /** For programs: it never changes its spelling. */
  public String reason() {
    return reason;
  }

  public List<FieldViolation> details() {
    return details;
  }

  /** How long to wait at least before another try, when the server says so. */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  public Map<String, String> metadata() {
    return metadata;
  }

  /** Nobody answered, or the one who did is going away. */
  boolean isUnreachable() {
    return code == Status.Code.UNAVAILABLE;
  }

  /** This client was cut because it was busy and took no message for a minute. */
  boolean isNotRead() {
    return reason.equals("NOT_READ");
  }

  static SheafException cancelled() {
    return new SheafException(Status.Code.CANCELLED, "CALLED_OFF", "called off");
  }

  /**
   * The one door for errors of gRPC. What broke on the way is UNAVAILABLE and names the address; what a service said keeps its words.
   */
  static SheafException of(Throwable thrown, String address) {
    if (thrown instanceof SheafException ours) return ours;
    var status = Status.fromThrowable(thrown);
    var code = status.getCode();
    var message = status.getDescription() == null ? thrown.toString() : status.getDescription();
    ErrorInfo info = null;
    List<FieldViolation> details = List.of();
    Duration retryDelay = null;
    try {
      var packed = StatusProto.fromThrowable(thrown);
      for (Any detail : packed == null ? List.<Any>of() : packed.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) info = detail.unpack(ErrorInfo.class);
        else if (detail.is(BadRequest.class)) details = violations(detail.unpack(BadRequest.class));
        else if (detail.is(RetryInfo.class)) retryDelay = delay(detail.unpack(RetryInfo.class));
      }
    } catch (InvalidProtocolBufferException broken) {
      thrown.addSuppressed(broken); // the code and the message stand
    }
    if (info != null && info.getDomain().equals(DOMAIN)) {
      return new SheafException(
          code, info.getReason(), message, details, retryDelay, Map.copyOf(info.getMetadataMap()), thrown);
    }
    if (code == Status.Code.CANCELLED && Context.current().isCancelled()) return cancelled();
    if (code == Status.Code.UNAVAILABLE && message.startsWith("Channel shutdown")) {
      return new SheafException(Status.Code.CANCELLED, "CALLED_OFF", "called off: the client is closed");
    }
    if (isBroken(code, message)) {
      var cause = status.getCause() == null ? "" : ": " + status.getCause().getMessage();
      var text =
          "cannot reach %s (%s%s); check that the service runs and that the address is right"
              .formatted(address, message, cause);
      return new SheafException(
          Status.Code.UNAVAILABLE, "UNREACHABLE", text, List.of(), null, Map.of("address", address), thrown);
    }
    if (code == Status.Code.RESOURCE_EXHAUSTED && message.contains("ENHANCE_YOUR_CALM")) {
      return new SheafException(code, "NOT_READ", address + " ended the call: its answers were not read");
    }
    if (code == Status.Code.DEADLINE_EXCEEDED) {
      message = "no answer from " + address + " in the time given for the call";
    }
    return new SheafException(code, code.name(), message, details, retryDelay, Map.of(), thrown);
  }

  /** Whether the connection failed, and not the call. */
  private static boolean isBroken(Status.Code code, String message) {
    return switch (code) {
      case UNAVAILABLE, CANCELLED -> true;
      case INTERNAL -> message.contains("RST_STREAM") || message.contains("http2");
      default -> false;
    };
  }

  private static List<FieldViolation> violations(BadRequest bad) {
    return bad.getFieldViolationsList().stream()
        .map(each -> new FieldViolation(each.getField(), each.getDescription()))
        .toList();
  }

  private static Duration delay(RetryInfo info) {
    return Duration.ofSeconds(info.getRetryDelay().getSeconds(), info.getRetryDelay().getNanos());
  }
}
