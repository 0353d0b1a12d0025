package chord

import (
	"context"
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

// retrying tries until success, a final error, or the end of attempts or time; then it answers the last try's error.
// ctx has a deadline.
func retrying(ctx context.Context, policy RetryPolicy, attempt func(context.Context) error) error {
	end, _ := ctx.Deadline()
	for failures := 0; ; failures++ {
		err := oneTry(ctx, policy.AttemptTimeout, attempt)
		if err == nil {
			return nil
		}
		failed := failure(ctx, err)
		again := failed.transient || failed.Code == codes.DeadlineExceeded
		left := time.Until(end)
		// A backoff that would outlast the call gives way: there is time left, and the server may be back by then.
		wait := max(min(policy.backoff(failures), left/2), failed.RetryAfter)
		if !again || failures+1 >= policy.Attempts || left <= wait {
			return failed
		}
		if !sleep(ctx, wait) {
			return cancelled("cancelled while waiting to try again after: "+failed.Message, ctx.Err())
		}
	}
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
