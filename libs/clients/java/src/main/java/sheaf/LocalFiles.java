package sheaf;

import io.grpc.Status;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** The regular files under a folder, in the order of their names, folder by folder. Links are not followed. */
final class LocalFiles {
  int links;
  int special;

  void walk(Path folder, Consumer<LocalFile> each) {
    if (!look(folder, () -> Files.readAttributes(folder, PosixFileAttributes.class)).isDirectory()) {
      throw new SheafException(
          Status.Code.INVALID_ARGUMENT, "NOT_A_FOLDER", shown(folder.toString()) + " is not a folder");
    }
    walk(folder, "", each);
  }

  private void walk(Path folder, String path, Consumer<LocalFile> each) {
    var inside = new ArrayList<Path>();
    for (Path entry : entries(folder)) {
      var name = entry.getFileName().toString();
      // Java shows bytes that are no text of its locale as U+FFFD; a name may also really hold that character.
      if (name.contains("\ufffd") && !Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
        throw new SheafException(Status.Code.INVALID_ARGUMENT, "FILE_NAME_NOT_UNICODE", notUnicode(entry));
      }
      var found = attributes(entry);
      if (found.isSymbolicLink()) links++;
      else if (found.isDirectory()) inside.add(entry);
      else if (found.isRegularFile()) each.accept(new LocalFile(path + name, entry));
      else special++;
    }
    for (Path entry : inside) walk(entry, path + entry.getFileName() + "/", each);
  }

  private static List<Path> entries(Path folder) {
    return look(
        folder,
        () -> {
          try (var entries = Files.list(folder)) {
            return entries.sorted().toList();
          }
        });
  }

  private static String notUnicode(Path entry) {
    return ("the name of %s is not valid UTF-8, or this Java does not run under a UTF-8 locale (LC_ALL=C.UTF-8): rename it, or"
            + " leave it out; nothing was committed")
        .formatted(shown(entry.toString()));
  }

  static PosixFileAttributes attributes(Path file) {
    return look(file, () -> Files.readAttributes(file, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS));
  }

  interface Reading<T> {
    T get() throws IOException;
  }

  /** What the file system answers, or an error that names the path and says what it means. */
  static <T> T look(Path path, Reading<T> read) {
    try {
      return read.get();
    } catch (NoSuchFileException error) {
      var text = "there is no file or folder " + shown(path.toString());
      throw new SheafException(Status.Code.NOT_FOUND, "FILE_NOT_FOUND", text);
    } catch (AccessDeniedException error) {
      throw unreadable(path, "permission denied");
    } catch (IOException error) {
      var text = "cannot read %s: %s".formatted(shown(path.toString()), why(error));
      throw new SheafException(Status.Code.FAILED_PRECONDITION, "FILE_UNREADABLE", text);
    }
  }

  static SheafException unreadable(Path path, String why) {
    var text =
        "cannot read %s: %s; nothing was committed. Make it readable or leave it out"
            .formatted(shown(path.toString()), why);
    return new SheafException(Status.Code.PERMISSION_DENIED, "FILE_UNREADABLE", text);
  }

  static String why(IOException error) {
    var reason = error instanceof FileSystemException known ? known.getReason() : error.getMessage();
    return reason == null ? error.getClass().getSimpleName() : reason;
  }

  /** A text as it may stand in a message. */
  static String shown(String text) {
    var result = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            each -> {
              if (each == '"' || each == '\\') result.append('\\').appendCodePoint(each);
              else if (Character.isISOControl(each)) result.append("\\u%04x".formatted(each));
              else result.appendCodePoint(each);
            });
    return result.append('"').toString();
  }
}
