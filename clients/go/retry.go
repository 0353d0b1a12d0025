package chord

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

// RetryPolicy says how calls are tried again, and how watches connect again. Zero fields take the default.
type RetryPolicy struct {
	// Attempts of one call; 1: none is repeated. Default 10.
	Attempts int
	// AttemptTimeout is for one try. Default 3 s.
	AttemptTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait, which doubles with each failure in a row. Default 100 ms and 10 s.
	BackoffMin time.Duration
	BackoffMax time.Duration
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	orDefault(&p.Attempts, 10)
	orDefault(&p.AttemptTimeout, 3*time.Second)
	orDefault(&p.BackoffMin, 100*time.Millisecond)
	orDefault(&p.BackoffMax, 10*time.Second)
	return p
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// backoff is the wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once.
func (p RetryPolicy) backoff(failures int) time.Duration {
	wait := p.BackoffMin
	for ; failures > 0 && wait < p.BackoffMax; failures-- {
		wait *= 2
	}
	wait = min(wait, p.BackoffMax)
	return wait/2 + rand.N(wait/2+1)
}

// Servers on Node count the milliseconds of a deadline in 31 bits; longer ones end at once.
const timeoutMax = 24 * 24 * time.Hour

// waits says how long a watch waits after each of its failures. A message alone is no health: a stream that lived is.
type waits struct {
	policy   RetryPolicy
	failures int
	since    time.Time
}

// heard: a message has come.
func (w *waits) heard(now time.Time) {
	if w.since.IsZero() {
		w.since = now
	}
}

// next: the stream has ended.
func (w *waits) next(now time.Time) time.Duration {
	if !w.since.IsZero() && now.Sub(w.since) >= w.policy.BackoffMax {
		w.failures = 0
	}
	w.since = time.Time{}
	w.failures++
	return w.policy.backoff(w.failures - 1)
}

// retrying tries until success, a final error, or the end of attempts or time; then it answers the last try's error,
// or, in place of one that its time cut off, the first of another kind: the cause. Each try takes one of the turns.
// ctx has a deadline.
func retrying(ctx context.Context, policy RetryPolicy, turns chan struct{}, attempt func(context.Context) error) error {
	end, _ := ctx.Deadline()
	var cause *Error
	for failures := 0; ; failures++ {
		if !takeTurn(ctx, turns) {
			return causing(cause, notInTime(ctx, cap(turns)))
		}
		if ctx.Err() != nil {
			<-turns
			return causing(cause, ended(ctx, "the call had yet to be sent"))
		}
		err := oneTry(ctx, min(policy.AttemptTimeout, timeoutMax), attempt)
		<-turns
		if err == nil {
			return nil
		}
		failed := failure(ctx, err)
		if failed.Code != codes.DeadlineExceeded && cause == nil {
			cause = failed
		}
		again := failed.transient || failed.Code == codes.DeadlineExceeded
		left := time.Until(end)
		// A backoff that would outlast the call gives way: there is time left, and the server may be back by then.
		wait := max(min(policy.backoff(failures), left/2), failed.RetryAfter)
		if !again || failures+1 >= policy.Attempts || left <= wait {
			return causing(cause, failed)
		}
		if !sleep(ctx, wait) {
			return causing(cause, ended(ctx, "waiting to try again after: "+failed.Message))
		}
	}
}

// takeTurn is false where ctx ends before it is this call's turn. A turn that is free is taken: select alone would choose.
func takeTurn(ctx context.Context, turns chan struct{}) bool {
	select {
	case turns <- struct{}{}:
		return true
	default:
	}
	select {
	case turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// causing is the last failure, or what had it.
func causing(cause, failed *Error) *Error {
	if cause == nil || failed.Code != codes.DeadlineExceeded {
		return failed
	}
	told := *cause
	told.cause = failed.cause
	return &told
}

// notInTime: ctx ended before it was this call's turn.
func notInTime(ctx context.Context, calls int) *Error {
	if ctx.Err() == context.Canceled {
		return ended(ctx, "waiting for its turn")
	}
	message := fmt.Sprintf("%d calls of this client were in flight all the time", calls)
	return &Error{Reason: DeadlineExceeded, Message: message, Code: codes.DeadlineExceeded, cause: ctx.Err()}
}

func oneTry(ctx context.Context, timeout time.Duration, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return attempt(ctx)
}

// sleep is false where ctx ends first.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
