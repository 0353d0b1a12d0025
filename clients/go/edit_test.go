package chord

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestEdit(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	value := map[string]any{"n": 1, "gone": true, "l": []any{1}, "o": map[string]any{"x": 1, "y": 1}, "to": map[string]any{}}
	must[*WriteResult](t)(client.Set(ctx, id("a"), value))
	calls := 0
	edited := must[*WriteResult](t)(client.Edit(ctx, id("a"), func(document map[string]any) error {
		calls++
		// Of other paths: no conflict.
		must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"o", "y"}, 2), SetAt(Path{"new"}, calls))))
		document["n"] = int8(2)
		document["l"] = []int{1, 2}
		document["to"] = "text"
		document["o"].(map[string]any)["x"] = math.Copysign(0, -1)
		delete(document, "gone")
		return nil
	}, ReturnDocument(), ReturnDelta()))
	same(t, []any{calls, edited.Position.Version, len(edited.Delta.Changes)}, []any{1, 3, 5})
	same(t, edited.Document.Value, map[string]any{
		"n": 2, "l": []any{1, 2}, "o": map[string]any{"x": math.Copysign(0, -1), "y": 2}, "to": "text", "new": 1,
	})

	same1 := must[*WriteResult](t)(client.Edit(ctx, id("a"), func(document map[string]any) error {
		document["n"] = 2
		return nil
	}))
	same(t, same1, WriteResult{Position: edited.Position})
	refusal := errors.New("not today")
	_, err := client.Edit(ctx, id("a"), func(document map[string]any) error {
		document["n"] = 3
		return refusal
	})
	same(t, []any{err == refusal, must[*Document](t)(client.Get(ctx, id("a"))).Position}, []any{true, edited.Position})
	_, err = client.Edit(ctx, id("a"), func(document map[string]any) error {
		document["n"] = []any{math.NaN()}
		return nil
	})
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "value.n[0]")
	_, err = client.Edit(ctx, id("a"), nil, Annotations(map[string]string{"k": "\xff"}))
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "annotations")
}

// meanwhile is a function of an edit that increments n, after others have written.
func meanwhile(seen *[]any, write func()) func(map[string]any) error {
	return func(document map[string]any) error {
		*seen = append(*seen, document["n"])
		write()
		n, _ := document["n"].(float64)
		document["n"] = n + 1
		return nil
	}
}

func TestEditIsMadeAgain(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 0}))
	increment := func(key string, times int) func() {
		return func() {
			if times--; times >= 0 {
				must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(IncrementAt(Path{key}, 10)), AllowMissing()))
			}
		}
	}
	var seen []any
	must[*WriteResult](t)(client.Edit(ctx, id("a"), meanwhile(&seen, increment("n", 2))))
	same(t, seen, []any{0, 10, 20})
	for _, option := range []EditOption{Reads(Path{"m"}), ReadsDocument()} {
		seen = nil
		must[*WriteResult](t)(client.Edit(ctx, id("a"), meanwhile(&seen, increment("m", 1)), option))
		same(t, len(seen), 2)
	}
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{"n": 23, "m": 20})

	seen = nil
	_, err := client.Edit(ctx, id("a"), meanwhile(&seen, increment("n", 9)), Attempts(2))
	same(t, []any{len(seen), unmetIn(t, err).Conditions}, []any{2, []UnmetCondition{{Path: Path{"n"}, TouchedAt: 10}}})
	// The deadline ends it after a conflict: the conflict is the error.
	err = inEnoughTime(ctx, 100*time.Millisecond, func(hasty context.Context) error {
		seen = nil
		once := increment("n", 1)
		_, err := client.Edit(hasty, id("a"), meanwhile(&seen, func() {
			once()
			if len(seen) == 2 {
				<-hasty.Done()
			}
		}))
		return err
	})
	same(t, unmetIn(t, err).Conditions[0].Path, Path{"n"})
	gone, leave := context.WithCancel(ctx)
	_, err = client.Edit(gone, id("a"), meanwhile(&seen, func() { increment("n", 1)(); leave() }))
	if failed := reason(t, err, Cancelled); !errors.Is(failed, context.Canceled) {
		t.Error(failed)
	}
}

// A write that the deadline cuts off may have happened. Before it, nothing has, and the conflict is the error.
func TestDeadlineOfAnEditAfterAConflict(t *testing.T) {
	retry := WithRetry(RetryPolicy{BackoffMin: 1, AttemptTimeout: time.Hour})
	for name, test := range map[string]struct {
		answeredReads int
		want          Reason
	}{"in a read": {1, Aborted}, "in a write": {2, DeadlineExceeded}} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			// Until the deadline comes after the second attempt has begun that call, also on a slow machine.
			for deadline := 100 * time.Millisecond; ctx.Err() == nil; deadline *= 2 {
				var begun atomic.Bool
				silent := func(ctx context.Context) error {
					begun.Store(true)
					<-ctx.Done()
					return ctx.Err()
				}
				peer := (&faulty{get: func(ctx context.Context, call int) error {
					if call > test.answeredReads {
						return silent(ctx)
					}
					return nil
				}, update: func(ctx context.Context, call int) error {
					if call > 1 {
						return silent(ctx)
					}
					return status.Error(codes.Aborted, "others have written")
				}}).serve(t)
				hasty, cancel := context.WithTimeout(ctx, deadline)
				_, err := dial(t, peer.address, retry).Edit(hasty, "a", meanwhile(new([]any), func() {}))
				cancel()
				if begun.Load() {
					reason(t, err, test.want)
					return
				}
			}
			t.Error("not in time")
		})
	}
}

func TestEditOfWhatIsMissing(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	var seen []any
	_, err := client.Edit(ctx, id("a"), meanwhile(&seen, func() {}))
	reason(t, err, NotFound)
	create := sync.OnceFunc(func() { must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 5})) })
	must[*WriteResult](t)(client.Edit(ctx, id("a"), meanwhile(&seen, create), AllowMissing()))
	same(t, seen, []any{nil, 5})
	remove := sync.OnceFunc(func() { must[*DeleteResult](t)(client.Delete(ctx, id("a"))) })
	must[*WriteResult](t)(client.Edit(ctx, id("a"), meanwhile(&seen, remove), AllowMissing(), TTL(time.Hour)))
	document := must[*Document](t)(client.Get(ctx, id("a")))
	same(t, []any{seen[2:], document.Value, document.ExpiresAt.IsZero()}, []any{[]any{6, nil}, map[string]any{"n": 1}, false})
	none := must[*WriteResult](t)(client.Edit(ctx, id("b"), func(map[string]any) error { return nil }, AllowMissing()))
	same(t, []any{none.Changed, none.Position.Version}, []any{true, 1})
}

func TestConcurrentEdits(t *testing.T) {
	client, id := connect(t, WithRetry(RetryPolicy{Attempts: 1000, BackoffMin: time.Millisecond}))
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			var seen []any
			if _, err := client.Edit(ctx, id("a"), meanwhile(&seen, func() {})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{"n": 20})
}
