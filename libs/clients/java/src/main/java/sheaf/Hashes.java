package sheaf;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

final class Hashes {
  private Hashes() {}

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new AssertionError("every Java has SHA-256", impossible);
    }
  }

  /** DATA_LOSS unless the bytes that the hash saw are those that were stored. */
  static void require(String path, MessageDigest seen, ByteString sha256) {
    if (Arrays.equals(seen.digest(), sha256.toByteArray())) return;
    var text =
        "the bytes of %s that came are not those that were stored: get it again".formatted(LocalFiles.shown(path));
    throw new SheafException(Status.Code.DATA_LOSS, "CHECKSUM_MISMATCH", text);
  }

  static SheafException brokenOff(String path) {
    var text = "the stream ended before the end of %s: get it again".formatted(LocalFiles.shown(path));
    return new SheafException(Status.Code.DATA_LOSS, "FILE_BROKEN_OFF", text);
  }
}
