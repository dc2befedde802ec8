package sheaf;

import io.grpc.Status;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.function.Consumer;
import java.util.stream.Stream;
import sheaf.api.v1.CommitRef;
import sheaf.api.v1.FileServiceGrpc;
import sheaf.api.v1.GetFilesRequest;
import sheaf.api.v1.GetFilesResponse;

/** Files of a commit as files of this machine. */
final class Getting {
  private final Client client;
  private final GetOptions options;
  private final GetFilesRequest request;

  Getting(Client client, String repo, String ref, GetOptions options) {
    this.client = client;
    this.options = options;
    this.request =
        GetFilesRequest.newBuilder()
            .setCommit(CommitRef.newBuilder().setRepo(repo).setRef(ref))
            .setPath(options.path)
            .setGlob(options.glob)
            .build();
  }

  GotFolder folder(Path folder) {
    var inside = options.path.endsWith("/") ? options.path : options.path + "/";
    // A file comes under its own name, what is in a folder without its path.
    return receive(
        new FolderWriter(
            folder,
            path ->
                path.startsWith(inside)
                    ? path.substring(inside.length())
                    : path.substring(path.lastIndexOf('/') + 1)),
        this::each);
  }

  GotFolder file(Path target) {
    var whole = target.toAbsolutePath();
    if (whole.getFileName() == null) {
      var text = "cannot write " + LocalFiles.shown(target.toString()) + ": it is a folder";
      throw new SheafException(Status.Code.FAILED_PRECONDITION, "FILE_NOT_WRITABLE", text);
    }
    return receive(new FolderWriter(whole.getParent(), path -> whole.getFileName().toString()), this::oneFile);
  }

  private GotFolder receive(FolderWriter writer, Consumer<Consumer<GetFilesResponse>> steps) {
    var big = new FolderWriter.BigFile[1];
    try {
      steps.accept(
          answer -> {
            switch (answer.getMessageCase()) {
              case BATCH ->
                  answer
                      .getBatch()
                      .getFilesList()
                      .forEach(file -> writer.write(file.getPath(), file.getExecutable(), file.getContent()));
              case BEGIN -> big[0] = writer.begin(answer.getBegin().getPath(), answer.getBegin().getExecutable());
              case CHUNK -> big[0].write(answer.getChunk());
              case END -> {
                var ended = big[0];
                big[0] = null;
                ended.end(answer.getEnd().getSha256());
              }
              default -> {} // a step that this version does not know
            }
            options.onProgress.accept(writer.written());
          });
      if (big[0] != null) throw Hashes.brokenOff(big[0].path);
    } finally {
      if (big[0] != null) big[0].discard();
    }
    return writer.written();
  }

  void read(Consumer<byte[]> take) {
    var seen = new MessageDigest[1];
    oneFile(
        answer -> {
          switch (answer.getMessageCase()) {
            case BATCH -> answer.getBatch().getFilesList().forEach(file -> take.accept(file.getContent().toByteArray()));
            case BEGIN -> seen[0] = Hashes.sha256();
            case CHUNK -> {
              var chunk = answer.getChunk().toByteArray();
              seen[0].update(chunk);
              take.accept(chunk);
            }
            case END -> {
              var ended = seen[0];
              seen[0] = null;
              Hashes.require(options.path, ended, answer.getEnd().getSha256());
            }
            default -> {} // a step that this version does not know
          }
        });
    if (seen[0] != null) throw Hashes.brokenOff(options.path);
  }

  /** Refuses what is in a folder: it has another path than the folder. */
  private void oneFile(Consumer<GetFilesResponse> take) {
    var path = options.path.replaceAll("/+$", "");
    var hasCome = new boolean[1];
    each(
        answer -> {
          var found =
              answer.hasBegin()
                  ? Stream.of(answer.getBegin().getPath())
                  : answer.getBatch().getFilesList().stream().map(file -> file.getPath());
          found.forEach(
              each -> {
                if (!each.equals(path)) throw notOne();
                hasCome[0] = true;
              });
          take.accept(answer);
        });
    if (!hasCome[0]) throw notOne();
  }

  private SheafException notOne() {
    var text = LocalFiles.shown(options.path) + " is a folder of the commit: name a file, or get the folder";
    return new SheafException(Status.Code.INVALID_ARGUMENT, "NOT_A_FILE", text);
  }

  private void each(Consumer<GetFilesResponse> take) {
    Streams.each(client, FileServiceGrpc.getGetFilesMethod(), request, null, take);
  }
}
