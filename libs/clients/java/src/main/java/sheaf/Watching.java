package sheaf;

import io.grpc.Status;
import java.util.Set;
import java.util.function.Consumer;
import sheaf.api.v1.DatumServiceGrpc;
import sheaf.api.v1.GetLogsRequest;
import sheaf.api.v1.Job;
import sheaf.api.v1.JobLogLine;
import sheaf.api.v1.JobServiceGrpc;
import sheaf.api.v1.JobState;
import sheaf.api.v1.RepoServiceGrpc;
import sheaf.api.v1.WatchCommitsRequest;
import sheaf.api.v1.WatchJobRequest;

/** Following jobs, logs and branches: through connections that break and masters that restart. */
final class Watching {
  private static final Set<JobState> TERMINAL =
      Set.of(
          JobState.JOB_STATE_SUCCEEDED,
          JobState.JOB_STATE_FAILED,
          JobState.JOB_STATE_STOPPED,
          JobState.JOB_STATE_INCONSISTENT);

  private final Client client;
  private final WatchOptions options;
  private final Retries.Waits waits = new Retries.Waits(0.02, 1);
  private final Retries.Outage outage;
  private String resume = "";
  private Job last = Job.getDefaultInstance();

  Watching(Client client, WatchOptions options) {
    this.client = client;
    this.options = options;
    this.outage = new Retries.Outage(options.unreachable);
  }

  void job(String pipeline, String job, Consumer<Job> each) {
    watch(pipeline, job, null, each);
  }

  Job wait(String pipeline, String job) {
    var deadline = options.timeout == null ? null : (Double) (Retries.now() + options.timeout.toMillis() / 1000.0);
    try {
      watch(pipeline, job, deadline, options.onChange);
      return last;
    } catch (SheafException error) {
      // The master knows the deadline and may find it over before this clock does.
      var isLate =
          deadline != null
              && (error.code() == Status.Code.DEADLINE_EXCEEDED
                  || (error.code() == Status.Code.UNAVAILABLE && Retries.now() >= deadline));
      if (!isLate) throw error;
      var seconds = options.timeout.toMillis() / 1000.0;
      var text = "the job of pipeline \"%s\" was not over after %s s; it goes on".formatted(pipeline, seconds);
      throw new SheafException(Status.Code.DEADLINE_EXCEEDED, "JOB_NOT_OVER", text);
    }
  }

  private void watch(String pipeline, String job, Double deadline, Consumer<Job> each) {
    var begun = Retries.now();
    last = Job.newBuilder().setId(job).build();
    while (true) {
      var request =
          WatchJobRequest.newBuilder().setPipeline(pipeline).setJob(last.getId()).setResume(resume).build();
      try {
        Streams.until(
            client,
            JobServiceGrpc.getWatchJobMethod(),
            request,
            deadline,
            answer -> {
              hear(answer.getResume());
              if (!answer.hasJob()) return false;
              last = answer.getJob(); // from now on this one, whatever comes after it
              each.accept(last);
              return TERMINAL.contains(last.getState());
            });
        if (TERMINAL.contains(last.getState())) return;
      } catch (SheafException error) {
        var isFirst =
            last.getId().isEmpty()
                && error.reason().equals("JOB_NOT_FOUND")
                && Retries.now() - begun < options.firstJob.toMillis() / 1000.0;
        var isBroken = outage.isBearable(error);
        if (!isFirst && !isBroken && !error.isNotRead()) throw error;
        if (isBroken) options.onBroken.accept(error);
      }
      // A stream that ends before the job does is a master that went away politely.
      Retries.sleep(waits.next());
    }
  }

  void logs(GetLogsRequest asked, Consumer<JobLogLine> each) {
    var isBroken = new boolean[1];
    while (true) {
      var request = asked.toBuilder().setFollow(true).setResume(resume).build();
      try {
        Streams.each(
            client,
            DatumServiceGrpc.getGetLogsMethod(),
            request,
            null,
            answer -> {
              isBroken[0] = false;
              answer.getLinesList().forEach(each);
              hear(answer.getResume());
            });
        return;
      } catch (SheafException error) {
        // Who prints lines may wait for long, on a pager, and read nothing meanwhile.
        if (error.isNotRead()) outage.over();
        else if (!outage.isBearable(error)) throw error;
        else if (!isBroken[0]) options.onBroken.accept(error);
        isBroken[0] = true;
      }
      Retries.sleep(waits.next());
    }
  }

  void commits(String repo, String branch, String begin, Consumer<WatchedCommit> each) {
    resume = begin;
    while (true) {
      var request = WatchCommitsRequest.newBuilder().setRepo(repo).setBranch(branch).setResume(resume).build();
      try {
        Streams.each(
            client,
            RepoServiceGrpc.getWatchCommitsMethod(),
            request,
            null,
            answer -> {
              hear(answer.getResume());
              if (answer.hasCommit()) each.accept(new WatchedCommit(answer.getCommit(), resume, answer.getGap()));
            });
      } catch (SheafException error) {
        var isBroken = outage.isBearable(error);
        if (!isBroken && !error.isNotRead()) throw error;
        if (isBroken) options.onBroken.accept(error);
      }
      Retries.sleep(waits.next());
    }
  }

  private void hear(String token) {
    outage.over();
    resume = token;
    waits.reset();
  }
}
