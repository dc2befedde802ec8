package sheaf;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.HashSet;
import java.util.Set;
import java.util.function.UnaryOperator;

/** Writes files below a folder and nowhere else, whatever paths it is given: a path with "..", and a link on the way, are refused. */
final class FolderWriter {
  private static final Set<OpenOption> FLAGS =
      Set.of(
          StandardOpenOption.WRITE,
          StandardOpenOption.CREATE,
          StandardOpenOption.TRUNCATE_EXISTING,
          LinkOption.NOFOLLOW_LINKS);
  private static final FileAttribute<Set<PosixFilePermission>> FILE = mode("rw-r--r--");
  private static final FileAttribute<Set<PosixFilePermission>> PROGRAM = mode("rwxr-xr-x");

  private final Path folder;
  private final UnaryOperator<String> local;

  /** Folders that are known to be real ones. */
  private final Set<Path> made = new HashSet<>();

  private long files;
  private long bytes;

  FolderWriter(Path folder, UnaryOperator<String> local) {
    this.folder = folder;
    this.local = local;
    attempt(folder, () -> Files.isDirectory(folder) ? folder : Files.createDirectories(folder));
  }

  GotFolder written() {
    return new GotFolder(files, bytes);
  }

  void write(String path, boolean executable, ByteString content) {
    var target = place(path);
    var out = attempt(target, () -> open(target, executable));
    attempt(
        target,
        () -> {
          try (out) {
            content.writeTo(out);
          } catch (IOException error) {
            Files.deleteIfExists(target); // half a file is none
            throw error;
          }
          return null;
        });
    files++;
    bytes += content.size();
  }

  BigFile begin(String path, boolean executable) {
    var target = place(path);
    return new BigFile(path, target, attempt(target, () -> open(target, executable)));
  }

  /** A file that comes in pieces. */
  final class BigFile {
    final String path;
    private final Path target;
    private final OutputStream out;
    private final MessageDigest seen = Hashes.sha256();
    private long size;

    private BigFile(String path, Path target, OutputStream out) {
      this.path = path;
      this.target = target;
      this.out = out;
    }

    void write(ByteString chunk) {
      for (var piece : chunk.asReadOnlyByteBufferList()) seen.update(piece);
      size += chunk.size();
      attempt(
          target,
          () -> {
            chunk.writeTo(out);
            return null;
          });
    }

    /** DATA_LOSS, and no file, when its bytes have another hash. */
    void end(ByteString sha256) {
      try {
        Hashes.require(path, seen, sha256);
      } catch (SheafException error) {
        discard();
        throw error;
      }
      attempt(
          target,
          () -> {
            out.close();
            return null;
          });
      files++;
      bytes += size;
    }

    void discard() {
      attempt(
          target,
          () -> {
            out.close();
            return Files.deleteIfExists(target);
          });
    }
  }

  private static OutputStream open(Path target, boolean executable) throws IOException {
    // Opening a pipe would wait for its reader.
    if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)
        && !Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException(Files.isSymbolicLink(target) ? "it is a link" : "it is no regular file");
    }
    return java.nio.channels.Channels.newOutputStream(
        Files.newByteChannel(target, FLAGS, executable ? PROGRAM : FILE));
  }

  private Path place(String path) {
    var parts = local.apply(path).split("/", -1);
    for (var part : parts) {
      if (part.isEmpty() || part.equals(".") || part.equals("..") || part.contains("\0")) {
        var text = "the commit has a path that cannot be a file: " + LocalFiles.shown(path);
        throw new SheafException(Status.Code.DATA_LOSS, "PATH_INVALID", text);
      }
    }
    var at = folder;
    for (int i = 0; i < parts.length - 1; i++) {
      at = below(at, parts[i]);
      if (made.add(at)) makeFolder(at);
    }
    return below(at, parts[parts.length - 1]);
  }

  private static Path below(Path folder, String name) {
    try {
      return folder.resolve(name);
    } catch (InvalidPathException error) {
      throw unwritable(folder + "/" + name, "this Java does not run under a UTF-8 locale: set LC_ALL=C.UTF-8");
    }
  }

  private static void makeFolder(Path folder) {
    attempt(
        folder,
        () -> {
          try {
            return Files.createDirectory(folder);
          } catch (FileAlreadyExistsException there) {
            return folder;
          }
        });
    if (Files.isSymbolicLink(folder)) {
      var text = LocalFiles.shown(folder.toString()) + " is a link: nothing is written through it";
      throw new SheafException(Status.Code.FAILED_PRECONDITION, "FOLDER_IS_A_LINK", text);
    }
    if (!Files.isDirectory(folder)) throw unwritable(folder.toString(), "it is a file");
  }

  private static <T> T attempt(Path target, LocalFiles.Reading<T> act) {
    try {
      return act.get();
    } catch (AccessDeniedException error) {
      throw unwritable(target.toString(), "permission denied");
    } catch (FileAlreadyExistsException error) {
      throw unwritable(target.toString(), "it is a file");
    } catch (IOException error) {
      throw unwritable(target.toString(), LocalFiles.why(error));
    }
  }

  private static SheafException unwritable(String target, String why) {
    var text = "cannot write %s: %s".formatted(LocalFiles.shown(target), why);
    return new SheafException(Status.Code.FAILED_PRECONDITION, "FILE_NOT_WRITABLE", text);
  }

  private static FileAttribute<Set<PosixFilePermission>> mode(String mode) {
    return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode));
  }
}
