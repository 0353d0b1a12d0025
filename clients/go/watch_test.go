package chord

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 1, "rest": rest}))
	events := read(t, client.Watch(ctx, IDs(id("a"), id("b")), IncludeOldValues()))
	for range 2 {
		switch event := events.take().(type) {
		case *FullEvent:
			same(t, []any{event.ID, event.Reason, event.Value["n"]}, []any{id("a"), "INITIAL", 1})
		case *AbsentEvent:
			same(t, event.ID, id("b"))
		default:
			t.Fatalf("%T", event)
		}
	}
	expect[*CaughtUpEvent](events)
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(map[string]any{"n": 2})))
	delta := expect[*DeltaEvent](events)
	same(t, delta.Changes, []Change{{Action: Modified, Path: []string{"n"}, Value: 2.0, Old: 1.0, HasOld: true}})
	must[*WriteResult](t)(client.Set(ctx, id("b"), nil))
	same(t, expect[*FullEvent](events).Value, map[string]any{})
}

func TestWatchOfAPrefix(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	events := read(t, client.Watch(ctx, Prefixes(id("p:"))))
	expect[*CaughtUpEvent](events)
	must[*WriteResult](t)(client.Set(ctx, id("other"), nil))
	first := must[*WriteResult](t)(client.Set(ctx, id("p:1"), map[string]any{"life": 1}))
	same(t, expect[*FullEvent](events).Position, first.Position)
	must[*DeleteResult](t)(client.Delete(ctx, id("p:1")))
	same(t, expect[*DeletedEvent](events), DeletedEvent{ID: id("p:1"), Position: first.Position, Reason: "DELETED"})
	second := must[*WriteResult](t)(client.Set(ctx, id("p:1"), map[string]any{"life": 2}))
	same(t, expect[*FullEvent](events).Position, second.Position)
	same(t, first.Position.Epoch == second.Position.Epoch, false)
}

func TestWatchFromAKnownPosition(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	first := must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 0, "rest": rest}))
	for range 5 {
		must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(IncrementAt(Path{"n"}, 1))))
	}
	known := map[string]Position{id("a"): first.Position, id("gone"): {"e", 1, "d"}}
	events := read(t, client.Watch(ctx, IDs(id("a"), id("gone")), Known(known)))
	for range 2 {
		switch event := events.take().(type) {
		case *DeltaEvent:
			same(t, []any{event.From, event.To.Version}, []any{first.Position, 6})
			same(t, event.Changes, []Change{{Action: Modified, Path: []string{"n"}, Value: 5.0}})
		case *DeletedEvent:
			same(t, event, DeletedEvent{ID: id("gone"), Position: known[id("gone")], Reason: "UNKNOWN"})
		default:
			t.Fatalf("%T", event)
		}
	}
	expect[*CaughtUpEvent](events)
}

func TestWatchOfASlowReader(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	const writes = 150
	must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	events := read(t, client.Watch(ctx, IDs(id("a"))))
	copied := expect[*FullEvent](events).Value
	expect[*CaughtUpEvent](events)
	for i := range writes {
		value := map[string]any{"n": i, "blob": strings.Repeat(fmt.Sprint(i%10), 16<<10)}
		must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(value)))
	}
	taken := 0
	for copied["n"] != float64(writes-1) {
		switch event := events.take().(type) {
		case *FullEvent:
			copied = event.Value
		case *DeltaEvent:
			copied = must[map[string]any](t)(Apply(copied, event.Changes))
		}
		taken++
	}
	same(t, copied, must[*Document](t)(client.Get(ctx, id("a"))).Value)
	if taken > writes/2 {
		t.Errorf("%d events for %d writes: nothing was merged", taken, writes)
	}
}

func TestWatchEndsWithoutError(t *testing.T) {
	client, id := connect(t)
	short := dial(t, shared.server.address)
	cancellable, cancel := context.WithCancel(patient(t))
	expiring, stop := context.WithTimeout(patient(t), 300*time.Millisecond)
	defer stop()
	for name, test := range map[string]struct {
		client *Client
		ctx    context.Context
		end    func()
	}{
		"cancel":   {client, cancellable, cancel},
		"deadline": {client, expiring, func() {}},
		"close":    {short, patient(t), func() { short.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			count := 0
			for event, err := range test.client.Watch(test.ctx, IDs(id("a"))) {
				check(t, err)
				if count++; count == 2 {
					_ = event.(*CaughtUpEvent)
					time.AfterFunc(10*time.Millisecond, test.end) // while the watch waits
				}
			}
			if count != 2 && name != "deadline" { // which a slow machine may meet before
				t.Errorf("%d events", count)
			}
		})
	}
}

func TestWatchOfNothing(t *testing.T) {
	client, _ := connect(t)
	for event, err := range client.Watch(patient(t), IDs("")) {
		same(t, event, nil)
		reason(t, err, InvalidArgument)
	}
}

// One server on LMDB goes and comes back on the same port; a watch, a replica and a call go on.
func TestRestart(t *testing.T) {
	if _, err := serverCommand(); err != nil {
		t.Skip(err)
	}
	args := []string{"--backend", "lmdb", "--data-dir", t.TempDir(), "--listen"}
	running := must[*server](t)(start(append(args, "127.0.0.1:0")...))
	defer func() { running.stop(syscall.SIGTERM) }()
	client, ctx := dial(t, running.address), patient(t)
	for _, id := range []string{"a", "p:1", "p:2"} {
		must[*WriteResult](t)(client.Set(ctx, id, map[string]any{"n": 1, "rest": rest}))
	}
	broken := make(chan *Error, 100)
	events := read(t, client.Watch(ctx, append(IDs("a"), Prefixes("p:")...), OnDisconnect(func(err *Error, _ time.Duration) {
		broken <- err
	})))
	for range 3 {
		expect[*FullEvent](events)
	}
	expect[*CaughtUpEvent](events)
	replica, wait := copying(t, client, Prefixes(""))

	for round, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		running.stop(signal)
		running = must[*server](t)(start(append(args, running.address)...))
		n := round + 2
		must[*WriteResult](t)(client.Update(ctx, "a", Merge(map[string]any{"n": n})))
		must[*DeleteResult](t)(client.Delete(ctx, fmt.Sprintf("p:%d", n-1)))
		created := must[*WriteResult](t)(client.Set(ctx, fmt.Sprintf("p:%d", n+1), map[string]any{"n": n}))
		seen := map[string]int{}
		for range 4 {
			switch event := events.take().(type) {
			case *DeltaEvent:
				same(t, event.Changes, []Change{{Action: Modified, Path: []string{"n"}, Value: float64(n)}})
				seen["delta "+event.ID]++
			case *DeletedEvent:
				seen["deleted "+event.ID]++
			case *FullEvent:
				same(t, event.Position, created.Position)
				seen["full "+event.ID]++
			case *CaughtUpEvent:
				seen["caught up"]++
			}
		}
		same(t, seen, map[string]int{
			"delta a": 1, fmt.Sprintf("deleted p:%d", n-1): 1, fmt.Sprintf("full p:%d", n+1): 1, "caught up": 1,
		})
		same(t, (<-broken).Reason, Unavailable)
	}
	// In the order of its watch, this comes last.
	last := must[*WriteResult](t)(client.Set(ctx, "a", map[string]any{"last": true}))
	same(t, expectPosition(t, events, last.Position), "a")
	wait(func() bool { position, _ := replica.Position("a"); return position == last.Position })
	wait(func() bool {
		return slices.Equal(slices.Sorted(slices.Values(replica.IDs())), []string{"a", "p:3", "p:4"})
	})
	for _, id := range replica.IDs() {
		value, _ := replica.Get(id)
		same(t, value, must[*Document](t)(client.Get(ctx, id)).Value)
	}
}

// expectPosition takes one event, and answers the context that it brought there.
func expectPosition(t *testing.T, events reader, position Position) string {
	switch event := events.take().(type) {
	case *DeltaEvent:
		same(t, event.To, position)
		return event.ID
	case *FullEvent:
		same(t, event.Position, position)
		return event.ID
	}
	return "neither a delta nor a full"
}
