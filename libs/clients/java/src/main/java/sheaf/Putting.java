package sheaf;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.function.Consumer;
import sheaf.api.v1.FileBatch;
import sheaf.api.v1.FileBegin;
import sheaf.api.v1.FileEnd;
import sheaf.api.v1.FileServiceGrpc;
import sheaf.api.v1.ModifyFilesFinish;
import sheaf.api.v1.ModifyFilesOpen;
import sheaf.api.v1.ModifyFilesRequest;
import sheaf.api.v1.ModifyFilesResponse;
import sheaf.api.v1.WholeFile;

/** Files of this machine as one commit: small ones whole, many in a message; big ones in pieces with their hash at the end. */
final class Putting {
  private static final int MESSAGE_BYTES_MAX = 1 << 20;
  private static final int SMALL_BYTES_MAX = 256 << 10;

  /** What a file takes in a message beyond its content and its path. */
  private static final int ENTRY_BYTES = 32;

  private final Client client;
  private final PutOptions options;
  private final String prefix;
  private final ModifyFilesOpen open;

  Putting(Client client, String repo, String branch, PutOptions options) {
    this.client = client;
    this.options = options;
    this.prefix = options.under.endsWith("/") ? options.under : options.under + "/";
    this.open =
        ModifyFilesOpen.newBuilder()
            .setRepo(repo)
            .setBranch(branch)
            .setDescription(options.description)
            .setRequestId(options.requestId.isEmpty() ? Retries.newId() : options.requestId)
            .build();
  }

  PutResult folder(Path folder) {
    return sendAgain(
        (found, each) ->
            found.walk(
                folder,
                file -> {
                  if (options.filter.test(file.path())) each.accept(file);
                }));
  }

  PutResult files(List<LocalFile> files) {
    return sendAgain((found, each) -> files.forEach(each));
  }

  /** Called again when all has to be sent again. */
  private interface Listing {
    void give(LocalFiles found, Consumer<LocalFile> each);
  }

  private PutResult sendAgain(Listing listing) {
    // ABORTED: somebody else changed the branch meanwhile.
    return Retries.sendAgain(
        error -> error.isUnreachable() || error.code() == Status.Code.ABORTED, () -> new Attempt().put(listing));
  }

  /** One stream. Holds about two messages at a time. */
  private final class Attempt {
    private final BlockingClientCall<ModifyFilesRequest, ModifyFilesResponse> call =
        FileServiceGrpc.newBlockingV2Stub(client.channel()).modifyFiles();
    private FileBatch.Builder batch = FileBatch.newBuilder();
    private int weight;
    private long files;
    private long bytes;

    PutResult put(Listing listing) {
      var found = new LocalFiles();
      try {
        write(ModifyFilesRequest.newBuilder().setOpen(open));
        listing.give(found, this::add);
        flush();
        write(ModifyFilesRequest.newBuilder().setFinish(ModifyFilesFinish.getDefaultInstance()));
        return new PutResult(answer().getCommit(), files, bytes, found.links, found.special);
      } finally {
        call.cancel("over", null); // harmless when it is; a stream without its finish changes nothing
      }
    }

    private ModifyFilesResponse answer() {
      try {
        call.halfClose();
        var answer = call.read();
        if (answer != null) return answer;
        throw new SheafException(Status.Code.INTERNAL, "NO_COMMIT", "the answer holds no commit");
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
        throw SheafException.cancelled();
      } catch (StatusException error) {
        throw failed(error);
      }
    }

    private SheafException failed(Exception error) {
      return Context.current().isCancelled()
          ? SheafException.cancelled()
          : SheafException.of(error, client.address());
    }

    /** When the server has answered already, its answer says why. */
    private void write(ModifyFilesRequest.Builder step) {
      try {
        if (call.write(step.build())) return;
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
        throw SheafException.cancelled();
      } catch (StatusException | StatusRuntimeException error) {
        throw failed(error);
      }
      answer();
      throw new SheafException(Status.Code.INTERNAL, "ANSWERED_EARLY", "the server answered before all was sent");
    }

    private void add(LocalFile file) {
      var path = prefix + (file.path().startsWith("/") ? file.path().substring(1) : file.path());
      var found = LocalFiles.attributes(file.source());
      if (!found.isRegularFile()) throw LocalFiles.unreadable(file.source(), "it is not a regular file");
      var executable =
          found.permissions().stream()
              .anyMatch(
                  each ->
                      each == PosixFilePermission.OWNER_EXECUTE
                          || each == PosixFilePermission.GROUP_EXECUTE
                          || each == PosixFilePermission.OTHERS_EXECUTE);
      LocalFiles.look(
          file.source(),
          () -> {
            try (var content = Files.newInputStream(file.source(), LinkOption.NOFOLLOW_LINKS)) {
              var isSmall = found.size() <= SMALL_BYTES_MAX && !(found.size() == 0 && hasBytes(file.source()));
              if (isSmall) small(path, executable, content.readNBytes((int) found.size()));
              else big(path, executable, content);
            }
            return null;
          });
      files++;
    }

    /** Files that are made as they are read, like those of /proc, say that their size is 0. Some give all in the first read, or nothing. */
    private boolean hasBytes(Path source) throws IOException {
      try (var content = Files.newInputStream(source, LinkOption.NOFOLLOW_LINKS)) {
        return content.read() >= 0;
      }
    }

    private void small(String path, boolean executable, byte[] content) {
      var more = content.length + path.length() * 3 + ENTRY_BYTES;
      if (weight + more > MESSAGE_BYTES_MAX) flush();
      batch.addFiles(
          WholeFile.newBuilder()
              .setPath(path)
              .setContent(UnsafeByteOperations.unsafeWrap(content))
              .setExecutable(executable));
      weight += more;
      bytes += content.length;
    }

    private void flush() {
      if (batch.getFilesCount() == 0) return;
      write(ModifyFilesRequest.newBuilder().setBatch(batch));
      batch = FileBatch.newBuilder();
      weight = 0;
      tell();
    }

    /** To its end as it is found, also when it grows meanwhile. */
    private void big(String path, boolean executable, InputStream content) throws IOException {
      flush();
      write(
          ModifyFilesRequest.newBuilder()
              .setBegin(FileBegin.newBuilder().setPath(path).setExecutable(executable)));
      var seen = Hashes.sha256();
      for (byte[] piece; (piece = content.readNBytes(MESSAGE_BYTES_MAX)).length > 0; ) {
        seen.update(piece);
        bytes += piece.length;
        write(ModifyFilesRequest.newBuilder().setChunk(UnsafeByteOperations.unsafeWrap(piece)));
        tell();
      }
      var end = FileEnd.newBuilder().setSha256(ByteString.copyFrom(seen.digest()));
      write(ModifyFilesRequest.newBuilder().setEnd(end));
    }

    private void tell() {
      options.onProgress.accept(new PutOptions.PutProgress(files, bytes));
    }
  }
}
