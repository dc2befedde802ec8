package sheaf

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// waits between tries: random between the base and three times the one before, so that many do not come back together.
type waits struct{ base, cap, last time.Duration }

func newWaits(base, cap time.Duration) *waits { return &waits{base, cap, base} }

func (w *waits) next() time.Duration {
	w.last = min(w.cap, w.base+time.Duration(rand.Float64()*float64(max(0, w.last*3-w.base))))
	return w.last
}

func (w *waits) reset() { w.last = w.base }

// outage is how long nobody has answered: from when the connection broke, not from what came last, over which the caller may take minutes.
type outage struct {
	limit time.Duration
	begun time.Time
}

func newOutage(options WatchOptions) *outage {
	return &outage{limit: orElse(options.Unreachable, unreachableTime)}
}

func (o *outage) over() { o.begun = time.Time{} }

// isBearable: whether to go on after this error, because nobody was there, and not for too long.
func (o *outage) isBearable(err error) bool {
	if !isUnreachable(err) {
		return false
	}
	if o.begun.IsZero() {
		o.begun = time.Now()
	}
	return time.Since(o.begun) < o.limit
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fromContext(ctx)
	case <-timer.C:
		return nil
	}
}

// sendAgain is for what is sent with a request id, so that sending it again does nothing twice: for 10 s.
func sendAgain[T any](ctx context.Context, transient func(error) bool, once func() (T, error)) (T, error) {
	pause, end := newWaits(100*time.Millisecond, 2*time.Second), time.Now().Add(10*time.Second)
	for {
		result, err := once()
		if err == nil || !transient(err) {
			return result, err
		}
		wait := pause.next()
		var ours *Error
		if errors.As(err, &ours) {
			wait = max(wait, ours.RetryDelay)
		}
		if time.Now().Add(wait).After(end) {
			return result, err
		}
		if called := sleep(ctx, wait); called != nil {
			return result, called
		}
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }
