package chord

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

func at(version uint64) *chordv1.Position {
	return &chordv1.Position{Epoch: "e", Version: version, Digest: "d"}
}

func fullOf(id string, version uint64, n float64) *chordv1.WatchContextsResponse {
	value := &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(n)}}
	full := &chordv1.Full{Context: &chordv1.Context{ContextId: id, Value: value, Position: at(version)}, Reason: 1}
	return &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Full{Full: full}}
}

// deltaOf sets n, and leads from a version to the next.
func deltaOf(id string, from uint64, n float64, more bool, path ...string) *chordv1.WatchContextsResponse {
	if len(path) == 0 {
		path = []string{"n"}
	}
	change := &chordv1.Change{Path: path, Action: chordv1.ChangeAction_CHANGE_ACTION_MODIFIED, Value: structpb.NewNumberValue(n)}
	delta := &chordv1.Delta{ContextId: id, From: at(from), To: at(from + 1), Changes: []*chordv1.Change{change}}
	return &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Delta{Delta: delta}, More: more}
}

func caughtUpOf() *chordv1.WatchContextsResponse {
	return &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_CaughtUp{CaughtUp: &chordv1.CaughtUp{}}}
}

func send(stream watchStream, messages ...*chordv1.WatchContextsResponse) error {
	for _, message := range messages {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	return nil
}

// scripted sends on each connection what is in the slice, and ends it; the last one stays open.
func scripted(t *testing.T, known *[]int, connections ...[]*chordv1.WatchContextsResponse) *faulty {
	return (&faulty{watch: func(call int, request *chordv1.WatchContextsRequest, stream watchStream) error {
		if known != nil {
			for _, subscription := range request.GetSubscriptions() {
				for _, position := range subscription.GetKnown() {
					*known = append(*known, int(position.GetVersion()))
				}
			}
		}
		if err := send(stream, connections[min(call, len(connections))-1]...); err != nil {
			return err
		}
		if call < len(connections) {
			return status.Error(codes.Unavailable, "away")
		}
		<-stream.Context().Done()
		return nil
	}}).serve(t)
}

var begun = []*chordv1.WatchContextsResponse{fullOf("a", 1, 50), fullOf("b", 1, 50), caughtUpOf()}

func TestABatchIsDeliveredWhole(t *testing.T) {
	var known []int
	peer := scripted(t, &known, append(begun[:3:3], deltaOf("a", 1, 45, true)),
		[]*chordv1.WatchContextsResponse{caughtUpOf(), deltaOf("a", 1, 45, true), deltaOf("b", 1, 55, false)})
	events := read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a", "b")))
	for range 3 {
		events.take()
	}
	expect[*CaughtUpEvent](events)
	same(t, expect[*DeltaEvent](events).More, true)
	same(t, expect[*DeltaEvent](events).More, false)
	same(t, known, []int{1, 1})
}

func TestNoReaderOfAReplicaSeesHalfOfABatch(t *testing.T) {
	streams := make(chan watchStream, 1)
	peer := (&faulty{watch: func(_ int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
		streams <- stream
		<-stream.Context().Done()
		return nil
	}}).serve(t)
	ctx := patient(t)
	sums := make(chan float64, 2)
	var replica *Replica
	made := make(chan struct{})
	replica = NewReplica(ctx, dial(t, peer.address, fast), IDs("a", "b"), OnChange(func(change ReplicaChange) {
		<-made
		if change.Changes != nil {
			sums <- total(replica)
		}
	}))
	close(made)
	defer replica.Close()
	stream := <-streams
	check(t, send(stream, begun...))
	check(t, replica.Ready(ctx))
	done := make(chan struct{})
	go func() { // a reader beside
		defer close(done)
		for replica.State()["b"].Position.Version == 1 {
			if sum := total(replica); sum != 100 {
				t.Errorf("saw %v", sum)
				return
			}
		}
	}()
	check(t, send(stream, deltaOf("a", 1, 10, true)))
	check(t, send(stream, deltaOf("b", 1, 90, false)))
	document := must[ReplicaDocument](t)(replica.WaitFor(ctx, "b", fromPosition(at(2))))
	same(t, document.Value, map[string]any{"n": 90})
	<-done
	same(t, []float64{<-sums, <-sums}, []float64{100, 100})
}

func total(replica *Replica) (sum float64) {
	for _, document := range replica.State() {
		sum += valueAt(document.Value, "n").(float64)
	}
	return sum
}

func TestABatchOfWhichADeltaDoesNotApplyIsNotAppliedAtAll(t *testing.T) {
	gone := &chordv1.Deleted{ContextId: "a", Position: at(1), Reason: 1}
	deleted := &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Deleted{Deleted: gone}, More: true}
	peer := scripted(t, nil, append(begun[:3:3], deleted, deltaOf("b", 1, 1, false, "missing", "n")),
		[]*chordv1.WatchContextsResponse{fullOf("b", 2, 100), caughtUpOf()})
	ctx := patient(t)
	lost := make(chan map[string]ReplicaDocument, 1)
	made := make(chan struct{})
	var replica *Replica
	replica = NewReplica(ctx, dial(t, peer.address, fast), Prefixes(""), OnDisconnect(func(*Error, time.Duration) {
		<-made
		select {
		case lost <- replica.State():
		default:
		}
	}))
	close(made)
	defer replica.Close()
	same(t, len(<-lost), 2)
	must[ReplicaDocument](t)(replica.WaitUntil(ctx, "a", func(_ ReplicaDocument, exists bool) bool { return !exists }))
	same(t, must[ReplicaDocument](t)(replica.WaitFor(ctx, "b", fromPosition(at(2)))).Value, map[string]any{"n": 100})
}

func TestAReplicaStartsFromKeptState(t *testing.T) {
	var known []int
	peer := scripted(t, &known, []*chordv1.WatchContextsResponse{caughtUpOf(), deltaOf("a", 1, 51, false)})
	ctx := patient(t)
	state := map[string]ReplicaDocument{"a": {ViewOf(map[string]any{"n": 50.0}), fromPosition(at(1))}}
	replica := NewReplica(ctx, dial(t, peer.address, fast), IDs("a"), StartFrom(state))
	same(t, must[ReplicaDocument](t)(replica.WaitFor(ctx, "a", fromPosition(at(2)))).Value, map[string]any{"n": 51})
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := replica.WaitFor(short, "a", fromPosition(at(9)))
	same(t, errors.Is(err, context.DeadlineExceeded) && errors.Is(err, DeadlineExceeded), true)
	replica.Close()
	_, err = replica.WaitFor(ctx, "a", fromPosition(at(9)))
	same(t, reason(t, err, Cancelled).Message, "the replica is closed")
	same(t, known, []int{1})
}

func TestAMessageAloneDoesNotBeginTheBackoffAnew(t *testing.T) {
	waits := waits{policy: RetryPolicy{}.withDefaults()}
	now := time.Unix(1, 0)
	wait := func(lived time.Duration) time.Duration {
		waits.heard(now)
		now = now.Add(lived)
		waits.heard(now)
		return waits.next(now)
	}
	for n := range 7 {
		if delay := wait(time.Second); delay < 100*time.Millisecond<<n/2 {
			t.Errorf("%v after %d failures", delay, n)
		}
	}
	same(t, wait(9*time.Second) >= 5*time.Second, true)
	same(t, wait(10*time.Second) <= 100*time.Millisecond, true)
}

func TestAWatchGoesOnWhenItsConnectionDiesOfOtherResets(t *testing.T) {
	peer := (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
		if call < 9 {
			return status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR")
		}
		return stream.Send(caughtUpOf())
	}}).serve(t)
	expect[*CaughtUpEvent](read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a"))))
}

func TestDeadlinesThatNodeCannotCount(t *testing.T) {
	client, id := connect(t, WithDeadline(math.MaxInt64/2), WithRetry(RetryPolicy{AttemptTimeout: math.MaxInt64 / 2}))
	ctx, cancel := context.WithTimeout(context.Background(), 30*24*time.Hour)
	defer cancel()
	must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	events := read(t, client.Watch(ctx, IDs(id("a"))))
	expect[*FullEvent](events)
	expect[*CaughtUpEvent](events)
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 1}))
	events.take()
}

func TestWatchesShareConnectionsUpToTheirBound(t *testing.T) {
	peers := make(chan string, 4)
	note := func(ctx context.Context) {
		from, _ := peer.FromContext(ctx)
		peers <- from.Addr.String()
	}
	served := (&faulty{
		watch: func(_ int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
			note(stream.Context())
			check(t, stream.Send(caughtUpOf()))
			<-stream.Context().Done()
			return nil
		},
		set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error { note(ctx); return nil },
	}).serve(t, grpc.MaxConcurrentStreams(3))
	client := dial(t, served.address, WithWatchesPerConnection(2))
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	for range 3 {
		expect[*CaughtUpEvent](read(t, client.Watch(ctx, IDs("a"))))
	}
	must[*WriteResult](t)(client.Set(ctx, "a", nil))
	first, second, third, calls := <-peers, <-peers, <-peers, <-peers
	same(t, []bool{first == second, first == calls, first == third}, []bool{true, true, false})
}

func TestCallsInFlightAreBounded(t *testing.T) {
	var inFlight, most atomic.Int32
	peer := (&faulty{set: func(context.Context, int, *chordv1.SetContextRequest) error {
		now := inFlight.Add(1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		inFlight.Add(-1)
		return nil
	}}).serve(t)
	client := dial(t, peer.address, WithCallsInFlight(5))
	ctx := patient(t)
	failed := make(chan error, 1000)
	for range cap(failed) {
		go func() {
			_, err := client.Set(ctx, "a", nil)
			failed <- err
		}()
	}
	for range cap(failed) {
		check(t, <-failed)
	}
	same(t, most.Load() <= 5, true)
}

func TestACallThatWaitsForItsTurnEndsWithItsTime(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	peer := (&faulty{set: func(context.Context, int, *chordv1.SetContextRequest) error {
		close(held)
		<-release
		return nil
	}}).serve(t)
	client := dial(t, peer.address, WithCallsInFlight(1))
	first := make(chan error)
	go func() { _, err := client.Set(patient(t), "a", nil); first <- err }()
	<-held
	short, cancel := context.WithTimeout(patient(t), time.Millisecond)
	defer cancel()
	_, err := client.Set(short, "a", nil)
	same(t, strings.Contains(reason(t, err, DeadlineExceeded).Message, "in flight"), true)
	close(release)
	check(t, <-first)
}

// The hooks of a program see no call, and whether the turns are taken does not matter.
func TestAContextThatHasEndedKeepsACallFromBeingSent(t *testing.T) {
	var begun atomic.Int32
	count := func(
		ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		begun.Add(1)
		return next(ctx, method, request, answer, connection, options...)
	}
	client, id := connect(t, WithDialOptions(grpc.WithChainUnaryInterceptor(count)))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for range 100 {
		_, err := client.Set(gone, id("a"), nil)
		reason(t, err, Cancelled)
		_, err = client.Set(late, id("a"), nil)
		same(t, strings.Contains(reason(t, err, DeadlineExceeded).Message, "in flight"), false)
	}
	same(t, begun.Load(), 0)
}

// stalled has a deadline that is far, and comes when the channel is closed: as where a machine stops for a while.
type stalled struct {
	context.Context
	over chan struct{}
}

func (stalled) Deadline() (time.Time, bool) { return time.Now().Add(time.Hour), true }

func (s stalled) Done() <-chan struct{} { return s.over }

func (s stalled) Err() error {
	select {
	case <-s.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestTheCauseIsToldWhereverTheDeadlineComes(t *testing.T) {
	policy := RetryPolicy{BackoffMin: 1, BackoffMax: 1}.withDefaults()
	for range 100 {
		ctx := stalled{context.Background(), make(chan struct{})}
		err := retrying(ctx, policy, make(chan struct{}, 1), func(context.Context) error {
			close(ctx.over)
			return status.Error(codes.Unavailable, "connection refused")
		})
		reason(t, err, Unavailable)
	}
}

func TestTheCauseIsTold(t *testing.T) {
	var calls atomic.Int32
	peer := (&faulty{set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error {
		if calls.Add(1) == 1 {
			return status.Error(codes.Unavailable, "connection refused")
		}
		<-ctx.Done()
		return ctx.Err()
	}}).serve(t)
	err := inEnoughTime(patient(t), 100*time.Millisecond, func(hasty context.Context) error {
		calls.Store(0)
		_, err := dial(t, peer.address, WithRetry(RetryPolicy{BackoffMin: time.Millisecond})).Set(hasty, "a", nil)
		return err
	})
	same(t, reason(t, err, Unavailable).Message, "connection refused")
}

func TestErrorsAreThoseOfGoAndGRPC(t *testing.T) {
	client, id := connect(t)
	_, err := client.Get(patient(t), id("a"))
	same(t, []bool{errors.Is(err, NotFound), errors.Is(err, Aborted)}, []bool{true, false})
	same(t, []any{status.Code(err), len(status.Convert(err).Details()) > 0}, []any{codes.NotFound, true})
	_, err = client.Set(patient(t), id("a"), map[string]any{"n": math.NaN()})
	same(t, status.Code(err), codes.InvalidArgument)
}

func TestAClosedClientSaysSoEverywhere(t *testing.T) {
	client := dial(t, "127.0.0.1:1")
	check(t, client.Close())
	check(t, client.Close())
	ctx := patient(t)
	_, err := client.Get(ctx, "a")
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
	for _, err := range client.List(ctx, "") {
		same(t, reason(t, err, Cancelled).Message, "the client is closed")
	}
	count := 0
	for _, err := range client.Watch(ctx, IDs("a")) {
		count++
		same(t, reason(t, err, Cancelled).Message, "the client is closed")
	}
	same(t, count, 1)
	told := make(chan error, 1)
	replica := NewReplica(ctx, client, IDs("a"), OnError(func(err error) { told <- err }))
	same(t, reason(t, replica.Ready(ctx), Cancelled).Message, "the client is closed")
	reason(t, <-told, Cancelled)
}

func TestTheZeroPosition(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, id("a"), nil, IfPosition(Position{})))
	_, err := client.Set(ctx, id("a"), nil, IfPosition(Position{}))
	reason(t, err, Aborted)
	events := read(t, client.Watch(ctx, IDs(id("a")), Known(map[string]Position{id("a"): {}})))
	expect[*FullEvent](events)
}

func TestATokenIsAskedForOnceMore(t *testing.T) {
	peer := (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
		if call == 2 {
			return stream.Send(caughtUpOf())
		}
		return status.Error(codes.Unauthenticated, "expired")
	}}).serve(t)
	source := WithTokenSource(func(context.Context) (string, error) { return "t", nil })
	events := read(t, dial(t, peer.address, fast, source).Watch(patient(t), IDs("a")))
	expect[*CaughtUpEvent](events)
	_, err, _ := events.next()
	reason(t, err, Unauthenticated)
	same(t, peer.opens.Load(), 4)
}

func TestAfterAnOutageAWatchConnectsAsSoonAsTheChannelHas(t *testing.T) {
	away := scripted(t, nil, []*chordv1.WatchContextsResponse{caughtUpOf()})
	away.Stop()
	lost := make(chan struct{}, 1)
	client := dial(t, away.address, WithRetry(RetryPolicy{BackoffMin: time.Hour, BackoffMax: time.Hour}))
	events := read(t, client.Watch(patient(t), IDs("a"), OnDisconnect(func(*Error, time.Duration) { lost <- struct{}{} })))
	go func() {
		<-lost
		back := &faulty{watch: func(_ int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
			return stream.Send(caughtUpOf())
		}}
		back.serveAt(t, away.address)
	}()
	expect[*CaughtUpEvent](events)
}

func TestAMistakeIsNamedBeforeAnythingIsSent(t *testing.T) {
	client := dial(t, "127.0.0.1:1")
	ctx := patient(t)
	const half = "\xff"
	set := func(value any) func() error {
		return func() error { _, err := client.Set(ctx, "a", map[string]any{"v": value}); return err }
	}
	mutate := func(mutation Mutation) func() error {
		return func() error { _, err := client.Update(ctx, "a", Mutate(mutation)); return err }
	}
	deep := any(map[string]any{})
	for range 31 {
		deep = map[string]any{"a": deep}
	}
	for field, call := range map[string]func() error{
		`value.v[1]["a.b"]`:                  set([]any{1, map[string]any{"a.b": math.NaN()}}),
		"value.v.s":                          set(map[string]string{"s": half}),
		`value.v["\xff"]`:                    set(map[string]int{half: 1}),
		"value.v":                            set(int64(9007199254740993)),
		"value.v[0]":                         set([]uint64{math.MaxUint64}),
		"value.v.n":                          set(map[string]any{"n": json.Number("9007199254740993")}),
		"value.v.x":                          set(map[string]any{"x": struct{}{}}),
		"value.v" + strings.Repeat(".a", 31): set(deep),
		"changes.c[0]":                       func() error { _, err := client.Update(ctx, "a", Merge(map[string]any{"c": []any{half}})); return err },
		"mutations[0].set.n":                 mutate(SetAt(Path{"p"}, map[string]any{"n": math.Inf(1)})),
		"mutations[0].append[1]":             mutate(AppendAt(Path{"p"}, 0, []byte{})),
		"mutations[0].splice.insert[0]":      mutate(SpliceAt(Path{"p"}, 0, 0, math.NaN())),
		"mutations[0].increment":             mutate(IncrementAt(Path{"p"}, math.NaN())),
		"mutations[0].path[1]":               mutate(RemoveAt(Path{"p", half})),
		"context_id":                         func() error { _, err := client.Get(ctx, half); return err },
		"request_id":                         func() error { _, err := client.Set(ctx, "a", nil, RequestID(half)); return err },
		"targets[1]": func() error {
			for _, err := range client.Watch(ctx, IDs("a", half)) {
				return err
			}
			return nil
		},
	} {
		same(t, reason(t, call(), InvalidArgument).Violations[0].Field, field)
	}
	for _, exact := range []any{int64(math.MinInt64), int64(1) << 60, uint64(1) << 63, json.Number("1e300"), json.Number("0.1"), 0} {
		if _, err := toValue(exact, 1); err != nil {
			t.Errorf("%v: %v", exact, err)
		}
	}
}

func TestPositionsAsText(t *testing.T) {
	position := Position{"Xk29fQ1z", 7, "0aY7rB2c"}
	same(t, position.String(), "Xk29fQ1z:7:0aY7rB2c")
	same(t, must[Position](t)(ParsePosition(position.String())), position)
	same(t, must[Position](t)(ParsePosition("7")).String(), "7")
	for _, text := range []string{"", "a:7", "7:a", "a:b:c", "a:7:b:", ":7:", "-1", "1e3", "a: 7:b"} {
		_, err := ParsePosition(text)
		reason(t, err, InvalidArgument)
	}
}
