package sheaf

import (
	"context"
	"iter"
	"time"

	"google.golang.org/grpc/codes"

	apiv1 "sheaf.local/sheaf/api/v1"
)

// IsTerminal tells whether a job in this state never changes any more.
func IsTerminal(state apiv1.JobState) bool {
	switch state {
	case apiv1.JobState_JOB_STATE_SUCCEEDED, apiv1.JobState_JOB_STATE_FAILED, apiv1.JobState_JOB_STATE_STOPPED, apiv1.JobState_JOB_STATE_INCONSISTENT:
		return true
	}
	return false
}

// Submit creates a pipeline (see ReadSpec); sent again when the answer is lost, which is safe. Errors: as CreatePipeline.
func (c *Client) Submit(ctx context.Context, spec *apiv1.PipelineSpec) (*apiv1.Pipeline, error) {
	request := &apiv1.CreatePipelineRequest{Spec: spec, RequestId: newID()}
	answer, err := sendAgain(ctx, isUnreachable, func() (*apiv1.CreatePipelineResponse, error) {
		return c.Pipeline.CreatePipeline(ctx, request)
	})
	return answer.GetPipeline(), err
}

// Run makes a job of the inputs as they are now; sent again when the answer is lost. Errors: as RunPipeline. With a request id of the
// caller's own ("": a new one), a caller that died and runs again gets the job that it made before.
func (c *Client) Run(ctx context.Context, pipeline, requestID string) (*apiv1.Job, error) {
	request := &apiv1.RunPipelineRequest{Name: pipeline, RequestId: first(requestID, newID())}
	answer, err := sendAgain(ctx, isUnreachable, func() (*apiv1.RunPipelineResponse, error) {
		return c.Pipeline.RunPipeline(ctx, request)
	})
	return answer.GetJob(), err
}

// WatchOptions of WatchJob, WaitJob and FollowLogs.
type WatchOptions struct {
	// FirstJob is how long to wait for a pipeline's first job. Default 0: NOT_FOUND at once.
	FirstJob time.Duration
	// Timeout of WaitJob. Default: none.
	Timeout time.Duration
	// Unreachable is how long nobody may answer before UNAVAILABLE. Default: a minute.
	Unreachable time.Duration
	// OnBroken is told that the connection broke; it goes on by itself.
	OnBroken func(error)
	// OnChange is told each state that WaitJob sees.
	OnChange func(*apiv1.Job)
}

// WatchJob gives a job ("": the newest) now, and then whenever it changes, until it is over. It goes on when the connection breaks.
func (c *Client) WatchJob(ctx context.Context, pipeline, job string, options WatchOptions) iter.Seq2[*apiv1.Job, error] {
	return func(yield func(*apiv1.Job, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := watch{client: c, pipeline: pipeline, job: job, pause: newWaits(20*time.Millisecond, time.Second), outage: newOutage(options), yield: yield}
		begun := time.Now()
		for {
			err := w.once(ctx)
			if w.isOver {
				return
			}
			if err != nil {
				_, reason := codeOf(err)
				isFirst := w.job == "" && reason == "JOB_NOT_FOUND" && time.Since(begun) < options.FirstJob
				isBroken := w.outage.isBearable(err)
				if !isFirst && !isBroken && !isNotRead(err) {
					yield(nil, err)
					return
				}
				if isBroken && options.OnBroken != nil {
					options.OnBroken(err)
				}
			}
			// A stream that ends before the job does is a master that went away politely.
			if err := sleep(ctx, w.pause.next()); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

type watch struct {
	client                *Client
	pipeline, job, resume string
	pause                 *waits
	outage                *outage
	yield                 func(*apiv1.Job, error) bool
	isOver                bool
}

func (w *watch) once(ctx context.Context) error {
	stream, err := w.client.Job.WatchJob(ctx, &apiv1.WatchJobRequest{Pipeline: w.pipeline, Job: w.job, Resume: w.resume})
	if err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return err
		}
		w.resume = answer.Resume
		w.pause.reset()
		w.outage.over()
		if answer.Job == nil {
			continue
		}
		w.job = answer.Job.Id // from now on this one, whatever comes after it
		w.isOver = !w.yield(answer.Job, nil) || IsTerminal(answer.Job.State)
		if w.isOver {
			return nil
		}
	}
}

// WaitJob gives the job when it is over, however it ended. DEADLINE_EXCEEDED after the timeout: the job goes on.
func (c *Client) WaitJob(ctx context.Context, pipeline, job string, options WatchOptions) (*apiv1.Job, error) {
	limited := ctx
	if options.Timeout > 0 {
		with, cancel := context.WithTimeout(ctx, options.Timeout)
		defer cancel()
		limited = with
	}
	var last *apiv1.Job
	for job, err := range c.WatchJob(limited, pipeline, job, options) {
		if err != nil {
			// The master knows the deadline and may find it over before this clock does.
			code, _ := codeOf(err)
			if isLate := code == codes.DeadlineExceeded && options.Timeout > 0; isLate && ctx.Err() == nil {
				err = newError(codes.DeadlineExceeded, "JOB_NOT_OVER",
					"the job of pipeline %q was not over after %g s; it goes on", pipeline, options.Timeout.Seconds())
			}
			return last, err
		}
		last = job
		if options.OnChange != nil {
			options.OnChange(job)
		}
	}
	return last, nil
}

// FollowLogs gives lines that the commands of a job write, until it is over; it goes on where it was when the connection breaks. The
// request names the job; its Follow and Resume are set here.
func (c *Client) FollowLogs(ctx context.Context, request *apiv1.GetLogsRequest, options WatchOptions) iter.Seq2[*apiv1.JobLogLine, error] {
	return func(yield func(*apiv1.JobLogLine, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		asked := clone(request)
		asked.Follow, asked.Resume = true, ""
		pause, outage, isBroken := newWaits(20*time.Millisecond, time.Second), newOutage(options), false
		for {
			isOver, err := c.linesOf(ctx, asked, yield, func() { pause.reset(); isBroken = false; outage.over() })
			if isOver {
				return
			}
			// Who prints lines may wait for long, on a pager, and read nothing meanwhile.
			if isNotRead(err) {
				outage.over()
			} else if !outage.isBearable(err) {
				yield(nil, err)
				return
			} else if !isBroken && options.OnBroken != nil {
				options.OnBroken(err)
			}
			isBroken = true
			if err := sleep(ctx, pause.next()); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (c *Client) linesOf(ctx context.Context, asked *apiv1.GetLogsRequest, yield func(*apiv1.JobLogLine, error) bool, heard func()) (isOver bool, err error) {
	stream, err := c.Datum.GetLogs(ctx, asked)
	if err != nil {
		return false, err
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return isEnd(err), err
		}
		for _, line := range answer.Lines {
			if !yield(line, nil) {
				return true, nil
			}
		}
		asked.Resume = answer.Resume
		heard()
	}
}

func orElse(value, otherwise time.Duration) time.Duration {
	if value > 0 {
		return value
	}
	return otherwise
}

// WatchedCommit is a commit of a branch.
type WatchedCommit struct {
	Commit *apiv1.Commit
	// Resume is where another watch goes on behind it. To be kept with whatever the commit brought about.
	Resume string
	// Gap: it does not follow the one before, the branch was put elsewhere.
	Gap bool
}

// WatchCommits gives the newest commit of a branch ("": master), then each that is made after it, in order and each once, until the
// context ends or the loop is left. It goes on when the connection breaks. Of a program that starts again: give it the Resume of the
// last that was dealt with; "" begins with the newest.
func (c *Client) WatchCommits(ctx context.Context, repo, branch, resume string, options WatchOptions) iter.Seq2[*WatchedCommit, error] {
	return func(yield func(*WatchedCommit, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pause, outage := newWaits(20*time.Millisecond, time.Second), newOutage(options)
		for {
			stream, err := c.Repo.WatchCommits(ctx, &apiv1.WatchCommitsRequest{Repo: repo, Branch: branch, Resume: resume})
			for err == nil {
				var answer *apiv1.WatchCommitsResponse
				if answer, err = stream.Recv(); err != nil {
					break
				}
				resume = answer.Resume
				pause.reset()
				outage.over()
				if answer.Commit != nil && !yield(&WatchedCommit{answer.Commit, resume, answer.Gap}, nil) {
					return
				}
			}
			isBroken := outage.isBearable(err)
			if !isEnd(err) && !isBroken && !isNotRead(err) {
				yield(nil, err)
				return
			}
			if isBroken && options.OnBroken != nil {
				options.OnBroken(err)
			}
			if err := sleep(ctx, pause.next()); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
