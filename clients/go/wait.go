package chord

import (
	"context"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc/codes"
)

// Wait answers what a copy at the known position lacks, as Sync does, as soon as the document meets all checks: 1 to 100.
// With a known position, a version after it that met them counts too, even where a later one does not. A context that does
// not exist yet can be waited for: it meets none. DEADLINE_EXCEEDED at the deadline of ctx; without one there is no end.
//
// It goes on across broken connections and restarts of the server, costs the server a watcher, and takes the place of a watch
// on its connection, not one of the calls in flight.
func (c *Client) Wait(
	ctx context.Context, id string, known Position, until []Check, options ...WaitOption,
) (*WaitResult, error) {
	config := applied(options, WaitOption.wait)
	if config.err != nil {
		return nil, config.err
	}
	request := &chordv1.WaitContextRequest{
		ContextId: id, IncludeOldValues: config.oldValues, Format: config.format, Paths: config.paths,
	}
	if !known.IsZero() {
		request.Known = toPosition(known)
	}
	var err error
	if request.Until, err = toChecks("until", until); err != nil {
		return nil, err
	}
	bytes, err := encode(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	answer := &chordv1.WaitContextResponse{}
	if failed := c.wait(ctx, c.payload(request, bytes), answer); failed != nil {
		if c.lifetime.Err() != nil {
			return nil, closed("client", failed)
		}
		return nil, failed
	}
	return &WaitResult{fromSync(answer), answer.GetHeldAt()}, nil
}

// wait tries until success, a final error, or the end of ctx.
func (c *Client) wait(ctx context.Context, request any, answer *chordv1.WaitContextResponse) *Error {
	policy := c.settings.retry
	failures, doubts, refused := 0, 0, false
	for {
		begun := time.Now()
		err := oneTry(ctx, timeoutMax, func(ctx context.Context) error {
			return c.connections.invoke(ctx, chordv1.SyncService_WaitContext_FullMethodName, request, answer)
		})
		if err == nil {
			return nil
		}
		failed := failure(ctx, err)
		// A connection that lived was healthy, and its token good.
		if time.Since(begun) >= policy.BackoffMax {
			failures, doubts, refused = 0, 0, false
		}
		again := failed.certain
		switch failed.Code {
		case codes.DeadlineExceeded: // of this try alone: servers end a wait after an hour
			again = true
		case codes.Unauthenticated:
			again, refused = c.settings.renews && !refused, true
		default:
			if !failed.certain {
				doubts++
				again = failed.transient && doubts <= doubtfulFailuresMax
			}
		}
		wait := max(policy.backoff(failures), failed.RetryAfter)
		end, bounded := ctx.Deadline()
		if ctx.Err() == context.Canceled && failed.transient {
			return cancelled("cancelled during a try that failed: "+failed.Message, ctx.Err())
		}
		if !again || ctx.Err() != nil || bounded && time.Until(end) <= wait {
			return failed
		}
		c.pause(ctx, wait)
		failures++
		if ctx.Err() == context.Canceled {
			return cancelled("cancelled while waiting to try again after: "+failed.Message, ctx.Err())
		}
	}
}
