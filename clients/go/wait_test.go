package chord

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWait(t *testing.T) {
	client, id := connect(t, WithCallsInFlight(1), WithWatchesPerConnection(2))
	ctx := patient(t)
	until := []Check{AtLeast(Path{"n"}, 3), Equals(Path{"status"}, "ready")}
	type answer struct {
		result *WaitResult
		err    error
	}
	// More waits than calls in flight, and than a connection holds: none of them delays a call.
	const waits = 5
	answers := make(chan answer, waits)
	for range waits {
		go func() {
			result, err := client.Wait(ctx, id("a"), Position{}, until)
			answers <- answer{result, err}
		}()
	}
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 3, "rest": rest}))
	value := map[string]any{"n": 3, "status": "ready", "rest": rest}
	met := must[*WriteResult](t)(client.Set(ctx, id("a"), value))
	for range waits {
		got := <-answers
		check(t, got.err)
		full := got.result.Result.(*FullEvent)
		same(t, []any{got.result.HeldAt, full.Value, full.Position}, []any{2, value, met.Position})
	}

	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"n"}, 4))))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"n"}, 0))))
	since := must[*WaitResult](t)(client.Wait(ctx, id("a"), met.Position, until, IncludeOldValues()))
	delta := since.Result.(*DeltaEvent)
	same(t, []any{since.HeldAt, delta.From, delta.Changes[0].HasOld}, []any{3, met.Position, true})

	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := client.Wait(soon, id("a"), Position{}, until)
	if failed := reason(t, err, DeadlineExceeded); !errors.Is(failed, context.DeadlineExceeded) {
		t.Error(failed)
	}
	_, err = client.Wait(ctx, id("a"), Position{}, nil)
	reason(t, err, InvalidArgument)
	time.AfterFunc(10*time.Millisecond, func() { client.Close() })
	_, err = client.Wait(context.Background(), id("a"), Position{}, until)
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
}

// The server goes and comes back while a wait, of one attempt for a call, goes on.
func TestWaitOverARestart(t *testing.T) {
	if _, err := serverCommand(); err != nil {
		t.Skip(err)
	}
	args := []string{"--backend", "lmdb", "--data-dir", t.TempDir(), "--listen"}
	free := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	address := free.Addr().String()
	check(t, free.Close())
	client := dial(t, address, WithRetry(RetryPolicy{Attempts: 1, BackoffMax: time.Second}))
	ctx := patient(t)
	answer := make(chan error, 1)
	go func() {
		_, err := client.Wait(ctx, "a", Position{}, []Check{Exists(Path{"done"})})
		answer <- err
	}()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		running := must[*server](t)(start(append(args, address)...))
		other := dial(t, address)
		must[*WriteResult](t)(other.Set(ctx, "a", map[string]any{"n": 1}))
		running.stop(signal)
	}
	running := must[*server](t)(start(append(args, address)...))
	defer running.stop(syscall.SIGTERM)
	select {
	case err := <-answer:
		t.Fatal("it has ended:", err)
	default:
	}
	must[*WriteResult](t)(dial(t, address).Set(ctx, "a", map[string]any{"done": true}))
	check(t, <-answer)
}

func TestWhatAWaitTriesAgain(t *testing.T) {
	const doubtful = codes.Internal
	fails := []codes.Code{
		codes.Unavailable, codes.Unauthenticated, codes.DeadlineExceeded, doubtful, doubtful, doubtful, doubtful, doubtful,
	}
	failing := func(fails ...codes.Code) *faulty {
		return (&faulty{wait: func(call int) error {
			if call <= len(fails) {
				return status.Error(fails[call-1], "not now")
			}
			return nil
		}}).serve(t)
	}
	// However few attempts a call has. A try that lasts for BackoffMax would begin the count anew.
	once := WithRetry(RetryPolicy{Attempts: 1, BackoffMin: time.Millisecond, BackoffMax: time.Hour})
	source := WithTokenSource(func(context.Context) (string, error) { return "good", nil })
	peer := failing(fails...)
	met := must[*WaitResult](t)(dial(t, peer.address, once, source).Wait(patient(t), "a", Position{}, nil))
	same(t, []any{met.HeldAt, peer.waits.Load()}, []any{1, len(fails) + 1})

	for _, each := range []struct {
		calls int
		fails []codes.Code
	}{
		{6, []codes.Code{doubtful, doubtful, doubtful, doubtful, doubtful, doubtful}},
		{2, []codes.Code{codes.Unauthenticated, codes.Unauthenticated}},
		{1, []codes.Code{codes.PermissionDenied}},
	} {
		peer := failing(each.fails...)
		_, err := dial(t, peer.address, once, source).Wait(patient(t), "a", Position{}, nil)
		same(t, []any{err.(*Error).Code, peer.waits.Load()}, []any{each.fails[0], each.calls})
	}
	peer = failing(codes.Unauthenticated)
	_, err := dial(t, peer.address, once, WithToken("bad")).Wait(patient(t), "a", Position{}, nil)
	same(t, []any{reason(t, err, Unauthenticated).Code, peer.waits.Load()}, []any{codes.Unauthenticated, 1})
}
