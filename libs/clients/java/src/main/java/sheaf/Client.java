package sheaf;

import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import sheaf.api.v1.ClusterServiceGrpc;
import sheaf.api.v1.Commit;
import sheaf.api.v1.CreatePipelineRequest;
import sheaf.api.v1.Datum;
import sheaf.api.v1.DatumServiceGrpc;
import sheaf.api.v1.File;
import sheaf.api.v1.FileServiceGrpc;
import sheaf.api.v1.GetLogsRequest;
import sheaf.api.v1.GlobFilesRequest;
import sheaf.api.v1.Job;
import sheaf.api.v1.JobLogLine;
import sheaf.api.v1.JobServiceGrpc;
import sheaf.api.v1.ListCommitsRequest;
import sheaf.api.v1.ListDatumsRequest;
import sheaf.api.v1.ListFilesRequest;
import sheaf.api.v1.ListJobsRequest;
import sheaf.api.v1.ListPipelinesRequest;
import sheaf.api.v1.ListReposRequest;
import sheaf.api.v1.ListWorkersRequest;
import sheaf.api.v1.Pipeline;
import sheaf.api.v1.PipelineServiceGrpc;
import sheaf.api.v1.PipelineSpec;
import sheaf.api.v1.Repo;
import sheaf.api.v1.RepoServiceGrpc;
import sheaf.api.v1.RunPipelineRequest;
import sheaf.api.v1.Worker;

/**
 * A cluster as its users see it. It may be used by many threads. Everything throws {@link SheafException} only; UNAVAILABLE, with the
 * address, when the cluster cannot be reached. Calls end with CANCELLED when the current {@link io.grpc.Context} is cancelled.
 */
public final class Client implements AutoCloseable {
  private final String address;
  private final ManagedChannel channel;

  Client(String address, ManagedChannel channel) {
    this.address = address;
    this.channel = channel;
  }

  /** "host:port". */
  public String address() {
    return address;
  }

  /** For stubs of one's own. */
  public Channel channel() {
    return channel;
  }

  /** Open calls, and all that come after, end with CANCELLED. Twice is harmless. */
  @Override
  public void close() {
    channel.shutdownNow();
  }

  // The services of the contract, call by call. A unary call without a deadline gets 30 s.

  /** {@code client.call(() -> client.repo().inspectRepo(request))}: what gRPC throws becomes a {@link SheafException}. */
  public <T> T call(Supplier<T> made) {
    try {
      return made.get();
    } catch (RuntimeException error) {
      throw SheafException.of(error, address);
    }
  }

  public RepoServiceGrpc.RepoServiceBlockingStub repo() {
    return RepoServiceGrpc.newBlockingStub(channel);
  }

  public FileServiceGrpc.FileServiceBlockingStub file() {
    return FileServiceGrpc.newBlockingStub(channel);
  }

  public PipelineServiceGrpc.PipelineServiceBlockingStub pipeline() {
    return PipelineServiceGrpc.newBlockingStub(channel);
  }

  public JobServiceGrpc.JobServiceBlockingStub job() {
    return JobServiceGrpc.newBlockingStub(channel);
  }

  public DatumServiceGrpc.DatumServiceBlockingStub datum() {
    return DatumServiceGrpc.newBlockingStub(channel);
  }

  public ClusterServiceGrpc.ClusterServiceBlockingStub cluster() {
    return ClusterServiceGrpc.newBlockingStub(channel);
  }

  // Files

  /**
   * Puts the regular files under a folder as one commit on repo@branch, at the same paths. Links are not followed. A file that cannot be
   * read is named by the error, and nothing is committed.
   */
  public PutResult putFolder(String repo, String branch, Path folder, PutOptions options) {
    return new Putting(this, repo, branch, options).folder(folder);
  }

  /** The same for files that are named one by one. */
  public PutResult putFiles(String repo, String branch, List<LocalFile> files, PutOptions options) {
    return new Putting(this, repo, branch, options).files(files);
  }

  /**
   * Writes the files of a commit (a branch, or the id of a commit) under a folder, and nowhere else. The folder is made when it is missing;
   * files that are there are replaced. DATA_LOSS when bytes came that are not what was stored.
   */
  public GotFolder getFolder(String repo, String ref, Path folder, GetOptions options) {
    return new Getting(this, repo, ref, options).folder(folder);
  }

  /** Writes one file of a commit as the local file `target`. INVALID_ARGUMENT when the path is a folder. */
  public GotFolder getFile(String repo, String ref, String path, Path target, GetOptions options) {
    return new Getting(this, repo, ref, options.path(path)).file(target);
  }

  /** Gives the bytes of one file, in pieces. INVALID_ARGUMENT when the path is a folder, DATA_LOSS when they are not what was stored. */
  public void readFile(String repo, String ref, String path, Consumer<byte[]> take) {
    new Getting(this, repo, ref, new GetOptions().path(path)).read(take);
  }

  // Pipelines and jobs

  /** Creates a pipeline (see readSpec); sent again when the answer is lost, which is safe. Errors: as CreatePipeline. */
  public Pipeline submit(PipelineSpec spec) {
    var request = CreatePipelineRequest.newBuilder().setSpec(spec).setRequestId(Retries.newId()).build();
    return Retries.sendAgain(
            SheafException::isUnreachable, () -> call(() -> pipeline().createPipeline(request)))
        .getPipeline();
  }

  /** Makes a job of the inputs as they are now; sent again when the answer is lost. Errors: as RunPipeline. */
  public Job run(String pipeline) {
    return run(pipeline, Retries.newId());
  }

  /** The same with a request id of the caller's own: a caller that died and runs again gets the job that it made before. */
  public Job run(String pipeline, String requestId) {
    var request = RunPipelineRequest.newBuilder().setName(pipeline).setRequestId(requestId).build();
    return Retries.sendAgain(SheafException::isUnreachable, () -> call(() -> pipeline().runPipeline(request)))
        .getJob();
  }

  /** Gives a job ("": the newest) now, and then whenever it changes, until it is over. Goes on when the connection breaks. */
  public void watchJob(String pipeline, String job, WatchOptions options, Consumer<Job> each) {
    new Watching(this, options).job(pipeline, job, each);
  }

  /** The job when it is over, however it ended. DEADLINE_EXCEEDED after the timeout: the job goes on. */
  public Job waitJob(String pipeline, String job, WatchOptions options) {
    return new Watching(this, options).wait(pipeline, job);
  }

  /**
   * Gives the newest commit of a branch, then each that is made after it, in order and each once, until the current context is cancelled.
   * Goes on when the connection breaks. Of a program that starts again: give it the resume of the last that was dealt with; "" begins with
   * the newest.
   */
  public void watchCommits(String repo, String branch, String resume, WatchOptions options, Consumer<WatchedCommit> each) {
    new Watching(this, options).commits(repo, branch, resume, each);
  }

  /**
   * Gives lines that the commands of a job write, until it is over; goes on where it was when the connection breaks. The request names the
   * job; its follow and resume are set here.
   */
  public void followLogs(GetLogsRequest request, WatchOptions options, Consumer<JobLogLine> each) {
    new Watching(this, options).logs(request, each);
  }

  /** Gives lines that commands wrote, as far as their datums are committed. */
  public void logs(GetLogsRequest request, Consumer<JobLogLine> each) {
    Streams.each(
        this, DatumServiceGrpc.getGetLogsMethod(), request, null, answer -> answer.getLinesList().forEach(each));
  }

  // Lists, row by row, whatever the number of pages; a request's page is set by them.

  public Iterable<Repo> repos(ListReposRequest request) {
    return Rows.of(
        page -> call(() -> repo().listRepos(request.toBuilder().setPage(page).build())),
        answer -> answer.getReposList(),
        answer -> answer.getNextPageToken());
  }

  public Iterable<Commit> commits(ListCommitsRequest request) {
    return Rows.of(
        page -> call(() -> repo().listCommits(request.toBuilder().setPage(page).build())),
        answer -> answer.getCommitsList(),
        answer -> answer.getNextPageToken());
  }

  /** What a folder holds. */
  public Iterable<File> files(ListFilesRequest request) {
    return Rows.of(
        page -> call(() -> file().listFiles(request.toBuilder().setPage(page).build())),
        answer -> answer.getFilesList(),
        answer -> answer.getNextPageToken());
  }

  /** What a glob matches: the paths that would be datums. */
  public Iterable<File> globFiles(GlobFilesRequest request) {
    return Rows.of(
        page -> call(() -> file().globFiles(request.toBuilder().setPage(page).build())),
        answer -> answer.getFilesList(),
        answer -> answer.getNextPageToken());
  }

  public Iterable<Pipeline> pipelines(ListPipelinesRequest request) {
    return Rows.of(
        page -> call(() -> pipeline().listPipelines(request.toBuilder().setPage(page).build())),
        answer -> answer.getPipelinesList(),
        answer -> answer.getNextPageToken());
  }

  public Iterable<Job> jobs(ListJobsRequest request) {
    return Rows.of(
        page -> call(() -> job().listJobs(request.toBuilder().setPage(page).build())),
        answer -> answer.getJobsList(),
        answer -> answer.getNextPageToken());
  }

  public Iterable<Datum> datums(ListDatumsRequest request) {
    return Rows.of(
        page -> call(() -> datum().listDatums(request.toBuilder().setPage(page).build())),
        answer -> answer.getDatumsList(),
        answer -> answer.getNextPageToken());
  }

  public Iterable<Worker> workers(ListWorkersRequest request) {
    return Rows.of(
        page -> call(() -> cluster().listWorkers(request.toBuilder().setPage(page).build())),
        answer -> answer.getWorkersList(),
        answer -> answer.getNextPageToken());
  }
}
