package chord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// copying is a replica that is ready, and a wait for what it shall come to hold.
func copying(t *testing.T, client *Client, targets Targets, options ...ReplicaOption) (*Replica, func(func() bool)) {
	t.Helper()
	changed := make(chan struct{}, 1)
	options = append(options, OnChange(func(ReplicaChange) {
		select {
		case changed <- struct{}{}:
		default: // one is there already
		}
	}))
	ctx := patient(t)
	replica := NewReplica(ctx, client, targets, options...)
	t.Cleanup(replica.Close)
	check(t, replica.Ready(ctx))
	return replica, func(condition func() bool) {
		t.Helper()
		for !condition() {
			select {
			case <-changed:
			case <-replica.Done():
				t.Fatal(replica.Err())
			case <-ctx.Done():
				t.Fatal("not in time")
			}
		}
	}
}

func TestReplica(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("p:1"), map[string]any{"__proto__": []any{1}, "rest": rest}))
	changes := make(chan ReplicaChange, 10)
	replica, wait := copying(t, client, append(Prefixes(id("p:")), IDs(id("a"))...), OnChange(func(c ReplicaChange) { changes <- c }))
	first, ok := replica.Get(id("p:1"))
	same(t, []any{first, ok, replica.Live(), replica.Len(), replica.IDs()},
		[]any{map[string]any{"__proto__": []any{1}, "rest": rest}, true, true, 1, []string{id("p:1")}})
	same(t, (<-changes).Changes == nil, true)
	missing, ok := replica.Get(id("a"))
	same(t, []any{missing, ok, missing.Exists()}, []any{nil, false, false})

	updated := must[*WriteResult](t)(client.Update(ctx, id("p:1"), Mutate(AppendAt(Path{"__proto__"}, 2))))
	change := <-changes
	same(t, []any{change.ID, change.Position, valueAt(change.Value, "__proto__"), len(change.Changes)}, []any{id("p:1"), updated.Position, []any{1, 2}, 1})
	same(t, valueAt(first, "__proto__"), []any{1})
	now, _ := replica.Get(id("p:1"))
	same(t, now, change.Value)

	must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	wait(func() bool { _, ok := replica.Get(id("a")); return ok })
	must[*DeleteResult](t)(client.Delete(ctx, id("p:1")))
	wait(func() bool { return replica.Len() == 1 })
	<-changes
	same(t, <-changes, ReplicaChange{ID: id("p:1")})

	replica.Close()
	replica.Close()
	same(t, []any{replica.Live(), replica.Len(), ReasonOf(replica.Err())}, []any{false, 1, Cancelled})
	check(t, replica.Ready(ctx))
}

func valueAt(view View, path ...string) any {
	value, _ := view.At(path...)
	return value
}

// What readers do to what they were handed stays with them.
func TestReadersCannotChangeAReplica(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	document := map[string]any{"o": map[string]any{"l": []any{map[string]any{"n": 1.0}}}, "rest": rest}
	must[*WriteResult](t)(client.Set(ctx, id("a"), document))
	spoil := func(change ReplicaChange) {
		for _, each := range change.Changes {
			if object, ok := each.Value.(map[string]any); ok {
				clear(object)
			}
			if each.Splice != nil {
				clear(each.Splice.Inserted[0].(map[string]any))
			}
		}
		clear(change.Value.Copy())
	}
	var broken int
	replica, wait := copying(t, client, IDs(id("a")), OnChange(spoil), OnDisconnect(func(*Error, time.Duration) { broken++ }))
	view, _ := replica.Get(id("a"))
	clear(valueAt(view, "o").(map[string]any))
	clear(valueAt(view, "o", "l").([]any)[0].(map[string]any))
	clear(replica.State()[id("a")].Value.Copy())
	edit := Mutate(AppendAt(Path{"o", "l"}, map[string]any{"n": 2}), SetAt(Path{"p"}, map[string]any{"n": 3}))
	must[*WriteResult](t)(client.Update(ctx, id("a"), edit))
	last := must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"p", "m"}, 4)))).Position
	wait(func() bool { position, _ := replica.Position(id("a")); return position == last })
	now, _ := replica.Get(id("a"))
	same(t, now, must[*Document](t)(client.Get(ctx, id("a"))).Value)
	same(t, view, document)
	same(t, broken, 0)
}

func TestViews(t *testing.T) {
	own := map[string]any{"a": map[string]any{"b": []any{1.0}}}
	view := ViewOf(own)
	clear(own)
	same(t, view, map[string]any{"a": map[string]any{"b": []any{1}}})
	same(t, []any{view.Keys(), view.Keys("a"), view.Keys("a", "b")}, []any{[]string{"a"}, []string{"b"}, nil})
	whole, ok := view.At()
	same(t, []any{whole, ok}, []any{view, true})
	for _, path := range [][]string{{"b"}, {"a", "c"}, {"a", "b", "c"}} {
		value, ok := view.At(path...)
		same(t, []any{value, ok}, []any{nil, false})
	}
	none, ok := View{}.At()
	same(t, []any{none, ok, View{}, View{}.Copy(), ViewOf(nil)}, []any{nil, false, nil, nil, map[string]any{}})
	var kept map[string]ReplicaDocument
	check(t, json.Unmarshal([]byte(text(map[string]ReplicaDocument{"a": {view, Position{"e", 1, "d"}}})), &kept))
	same(t, []any{kept["a"].Value, kept["a"].Position}, []any{view, Position{"e", 1, "d"}})
	other := view
	check(t, json.Unmarshal([]byte(`{"a":1,"c":2}`), &other))
	same(t, []any{view, other}, []any{map[string]any{"a": map[string]any{"b": []any{1}}}, map[string]any{"a": 1, "c": 2}})
}

func TestReplicaSurvivesPanickingCallbacks(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	problems := make(chan error, 10)
	replica, wait := copying(t, client, IDs(id("a")),
		OnChange(func(ReplicaChange) { panic("on purpose") }), OnError(func(err error) { problems <- err }))
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 1, "rest": rest}))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(map[string]any{"n": 2})))
	wait(func() bool { value, _ := replica.Get(id("a")); return valueAt(value, "n") == 2.0 })
	if err := <-problems; !strings.Contains(err.Error(), "on purpose") {
		t.Error(err)
	}
}

func TestReplicaThatCannotBegin(t *testing.T) {
	client, id := connect(t)
	problems := make(chan error, 1)
	replica := NewReplica(patient(t), client, IDs(""), OnError(func(err error) { problems <- err }))
	reason(t, replica.Ready(patient(t)), InvalidArgument)
	reason(t, <-problems, InvalidArgument)
	<-replica.Done()
	same(t, ReasonOf(replica.Err()), InvalidArgument)

	unreachable := dial(t, "127.0.0.1:1")
	replica = NewReplica(patient(t), unreachable, IDs(id("a")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := replica.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	reason(t, replica.Ready(late), DeadlineExceeded)
	_, err := replica.WaitFor(late, id("a"), Position{})
	reason(t, err, DeadlineExceeded)
	replica.Close()
	reason(t, replica.Ready(patient(t)), Cancelled)
}

// select would choose between what is ready, and the replica's own end between two that mean the same.
func TestWhereTheReplicaAndTheContextOfAWaitHaveBothEnded(t *testing.T) {
	client, id := connect(t)
	ready, _ := copying(t, client, IDs(id("a")))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	ended := NewReplica(late, client, IDs(id("a")))
	<-ended.Done()
	for range 100 {
		check(t, ready.Ready(gone))
		reason(t, ended.Ready(late), DeadlineExceeded)
		_, err := ended.WaitFor(late, id("a"), Position{})
		reason(t, err, DeadlineExceeded)
		reason(t, ended.Ready(patient(t)), Cancelled)
	}
}

// The replica's own watch has the right positions but its copy is spoilt: the next delta does not fit.
func TestReplicaHealsItself(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"o": map[string]any{"n": 1}, "rest": rest}))
	var broken []string
	replica, wait := copying(t, client, IDs(id("a")), OnDisconnect(func(err *Error, _ time.Duration) {
		broken = append(broken, err.Message)
	}))
	spoilt := map[string]any{}
	position, _ := replica.Position(id("a"))
	replica.update(func() { replica.documents[id("a")] = ReplicaDocument{View{spoilt}, position} })
	last := must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"o", "n"}, 2)))).Position
	wait(func() bool { position, _ := replica.Position(id("a")); return position == last })
	value, _ := replica.Get(id("a"))
	same(t, value, map[string]any{"o": map[string]any{"n": 2}, "rest": rest})
	replica.Close()
	same(t, broken, []string{"an event does not fit what came before"})
}

func TestReplicaOfManyWrites(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	replica, wait := copying(t, client, Prefixes(id("")))
	latest := map[string]Position{}
	for i := range 300 {
		name := id(fmt.Sprint(i % 7))
		edit := Mutate(
			SetAt(Path{"o", fmt.Sprint(i % 5), "i"}, i), AppendAt(Path{"l"}, i), SpliceAt(Path{"l"}, 0, uint32(i%2)),
			RemoveAt(Path{"o", fmt.Sprint((i + 2) % 5)}),
		)
		latest[name] = must[*WriteResult](t)(client.Update(ctx, name, edit, AllowMissing())).Position
	}
	for name, last := range latest {
		wait(func() bool { position, _ := replica.Position(name); return position == last })
		value, _ := replica.Get(name)
		same(t, value, must[*Document](t)(client.Get(ctx, name)).Value)
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	_, id := connect(t)
	before := goleak.IgnoreCurrent()
	ctx := patient(t)
	client := must[*Client](t)(NewClient(shared.server.address))
	closed := NewReplica(ctx, client, IDs(id("a")))
	check(t, closed.Ready(ctx))
	closed.Close()
	abandoned := NewReplica(ctx, client, IDs(id("a")))
	check(t, abandoned.Ready(ctx))
	for event, err := range client.Watch(ctx, IDs(id("a"))) {
		check(t, err)
		same(t, event, AbsentEvent{ID: id("a")})
		break
	}
	check(t, client.Close())
	<-abandoned.Done()
	goleak.VerifyNone(t, before)
}
