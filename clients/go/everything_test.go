package chord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestBatch(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	for _, name := range []string{"update", "revert", "delete", "touch"} {
		must[*WriteResult](t)(client.Set(ctx, id(name), map[string]any{"n": 1}, TTL(time.Hour)))
	}
	must[*WriteResult](t)(client.Set(ctx, id("revert"), map[string]any{"n": 2}))
	writes := []BatchedWrite{
		SetWrite(id("set"), map[string]any{"n": 1}, IfAbsent(), ReturnDocument()),
		UpdateWrite(id("update"), Mutate(IncrementAt(Path{"n"}, 1)), IfChecks(Equals(Path{"n"}, 1)), ReturnDelta()),
		RevertWrite(id("revert"), 1, ReturnDocument()),
		DeleteWrite(id("delete")),
		DeleteWrite(id("missing"), AllowMissing()),
		TouchWrite(id("touch"), TTL(0)),
	}
	results := must[[]WriteResult](t)(client.Batch(ctx, writes, RequestID("once")))
	var versions []uint64
	for _, result := range results {
		versions = append(versions, result.Position.Version)
	}
	same(t, versions, []int{1, 2, 3, 1, 0, 1})
	same(t, []any{results[0].Document.Value, results[1].Delta.Changes[0].Value, results[2].Document.Value, results[4].Changed},
		[]any{map[string]any{"n": 1}, 2, map[string]any{"n": 1}, false})
	if touched := results[5].Document; touched == nil || touched.Value != nil || !touched.ExpiresAt.IsZero() {
		t.Error(touched)
	}
	// A repeat answers what the first one did, and touches nothing.
	results[5].Document = nil
	same(t, must[[]WriteResult](t)(client.Batch(ctx, writes, RequestID("once"))), results)
	_, err := client.Get(ctx, id("delete"))
	reason(t, err, NotFound)

	// A delete that guards: nothing is written where the context exists.
	guarded := func(name string) []BatchedWrite {
		return []BatchedWrite{DeleteWrite(id(name), AllowMissing(), IfAbsent()), SetWrite(id("guarded"), nil)}
	}
	_, err = client.Batch(ctx, guarded("set"))
	same(t, reason(t, err, Aborted).ContextID, id("set"))
	must[[]WriteResult](t)(client.Batch(ctx, guarded("missing")))
}

func TestABatchIsDoneWholeOrNot(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	set := SetWrite(id("a"), map[string]any{"n": 1})
	_, err := client.Batch(ctx, []BatchedWrite{set, UpdateWrite(id("b"), Merge(map[string]any{"n": 1}))})
	same(t, reason(t, err, NotFound).ContextID, id("b"))
	_, err = client.Get(ctx, id("a"))
	reason(t, err, NotFound)

	for _, each := range []struct {
		write BatchedWrite
		field string
	}{
		{SetWrite(id("b"), map[string]any{"n": []any{struct{}{}}}), "writes[1].set.value.n[0]"},
		{UpdateWrite(id("b"), Mutate(AppendAt(Path{"l"}, "\xff"))), "writes[1].update.mutations[0].append[0]"},
		{DeleteWrite(id("b"), IfChecks(AtLeast(Path{"n"}, math.NaN()))), "writes[1].delete.expected.checks[0].at_least"},
		{TouchWrite(id("b"), Paths(Path{"\xff"})), "writes[1].touch.paths[0].keys[0]"},
		{BatchedWrite{}, "writes[1]"},
	} {
		_, err := client.Batch(ctx, []BatchedWrite{set, each.write})
		same(t, reason(t, err, InvalidArgument).Violations[0].Field, each.field)
	}
}

func TestThePast(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	first := must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 1}, ReturnDocument()))
	must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 2}))
	was := must[*Document](t)(client.Get(ctx, id("a"), AtVersion(1)))
	same(t, []any{was.Value, was.Position}, []any{map[string]any{"n": 1}, first.Position})
	now := must[*Document](t)(client.Get(ctx, id("a"), AtTime(time.Now().Add(time.Hour))))
	same(t, now.Value, map[string]any{"n": 2})
	_, err := client.Get(ctx, id("a"), AtTime(first.Document.CreatedAt.Add(-time.Second)))
	reason(t, err, NotFound)

	reverted := must[*WriteResult](t)(client.Revert(ctx, id("a"), 1, ReturnDocument(), ReturnOldValues(), RequestID("once")))
	same(t, []any{reverted.Position.Version, reverted.Document.Value, reverted.Delta.Changes[0].Old}, []any{3, map[string]any{"n": 1}, 2})
	same(t, must[*WriteResult](t)(client.Revert(ctx, id("a"), 1, ReturnDocument(), ReturnOldValues(), RequestID("once"))), reverted)
	_, err = client.Revert(ctx, id("a"), 2, IfPosition(first.Position))
	same(t, reason(t, err, Aborted).Mismatch.Current, reverted.Position)
}

func TestFormatsAndPaths(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	value := map[string]any{"members": map[string]any{"ann": 1, "bob": 1}, "rest": rest}
	first := must[*WriteResult](t)(client.Set(ctx, id("a"), value))
	written := must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"members", "ann"}, 2)), ReturnFormat("json_patch")))
	patch := []any{map[string]any{"op": "replace", "path": "/members/ann", "value": 2}}
	same(t, []any{written.Delta.Formatted, len(written.Delta.Changes)}, []any{patch, 0})

	result := must[SyncResult](t)(client.Sync(ctx, id("a"), first.Position, Format("json_patch"), IncludeOldValues()))
	same(t, result.(*DeltaEvent).Formatted, append([]any{map[string]any{"op": "test", "path": "/members/ann", "value": 1}}, patch...))
	met := must[*WaitResult](t)(client.Wait(ctx, id("a"), first.Position, []Check{Exists(Path{"rest"})}, Format("merge_patch")))
	same(t, met.Result.(*DeltaEvent).Formatted, map[string]any{"members": map[string]any{"ann": 2}})
	for page, err := range client.Deltas(ctx, id("a"), 1, Format("merge_patch"), PageSize(1)) {
		check(t, err)
		same(t, page.Deltas[0].Formatted, map[string]any{"members": map[string]any{"ann": 2}})
	}
	must[*WriteResult](t)(client.Set(ctx, id("null"), map[string]any{"n": 1}))
	null := must[*WriteResult](t)(client.Update(ctx, id("null"), Merge(map[string]any{"n": nil}), ReturnFormat("merge_patch")))
	if null.Delta.Formatted != nil || null.Delta.Inexpressible == "" {
		t.Error(null.Delta)
	}
	for _, delta := range []*Delta{written.Delta, null.Delta} {
		if _, err := delta.ApplyTo(map[string]any{}); !errors.As(err, new(*DeltaMismatchError)) {
			t.Error(err)
		}
	}

	part := must[SyncResult](t)(client.Sync(ctx, id("a"), Position{}, OnlyPaths(Path{"members", "bob"})))
	same(t, part.(*FullEvent).Value, map[string]any{"members": map[string]any{"bob": 1}})
	met = must[*WaitResult](t)(client.Wait(ctx, id("a"), Position{}, []Check{Exists(Path{"rest"})}, OnlyPaths(Path{"members", "bob"})))
	same(t, met.Result.(*FullEvent).Value, map[string]any{"members": map[string]any{"bob": 1}})

	_, err := client.Sync(ctx, id("a"), Position{}, OnlyPaths(Path{"\xff"}))
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "paths[0].keys[0]")
}

func TestWatchesAndReplicasOfParts(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	value := map[string]any{"members": map[string]any{"ann": 1}, "rest": rest}
	first := must[*WriteResult](t)(client.Set(ctx, id("a"), value))
	targets := IDs(id("a")).Only(Path{"members"})

	events := read(t, client.Watch(ctx, targets, Format("merge_patch")))
	same(t, expect[*FullEvent](events).Value, map[string]any{"members": map[string]any{"ann": 1}})
	expect[*CaughtUpEvent](events)
	replica := NewReplica(ctx, client, targets)
	defer replica.Close()
	check(t, replica.Ready(ctx))

	edit := Mutate(SetAt(Path{"members", "bob"}, 2), SetAt(Path{"rest"}, "other"))
	second := must[*WriteResult](t)(client.Update(ctx, id("a"), edit))
	same(t, expect[*DeltaEvent](events).Formatted, map[string]any{"members": map[string]any{"bob": 2}})
	copied := must[ReplicaDocument](t)(replica.WaitFor(ctx, id("a"), second.Position))
	same(t, copied.Value, map[string]any{"members": map[string]any{"ann": 1, "bob": 2}})

	// One that resumes has the same parts.
	resumed := read(t, client.Watch(ctx, targets, Known(map[string]Position{id("a"): first.Position})))
	same(t, len(expect[*DeltaEvent](resumed).Changes), 1)
	for _, err := range client.Watch(ctx, IDs(id("a")).Only(Path{"\xff"})) {
		same(t, reason(t, err, InvalidArgument).Violations[0].Field, "targets[0].paths[0].keys[0]")
	}
}

func TestPages(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	for i := range 5 {
		must[*WriteResult](t)(client.Set(ctx, id(fmt.Sprint(i)), nil))
	}
	var ids []string
	for document, err := range client.List(ctx, id(""), PageSize(2)) {
		check(t, err)
		ids = append(ids, document.ID)
	}
	same(t, ids, []string{id("0"), id("1"), id("2"), id("3"), id("4")})
	for _, err := range client.List(ctx, id(""), PageSize(-1)) {
		reason(t, err, InvalidArgument)
	}
	// No size becomes another one, as in 32 bits.
	for _, err := range client.List(ctx, id(""), PageSize(1<<32+1)) {
		reason(t, err, InvalidArgument)
	}
}

// Every call that has no method of its own, on a server of its own.
func TestStubs(t *testing.T) {
	if _, err := serverCommand(); err != nil {
		t.Skip(err)
	}
	running := must[*server](t)(start("--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--export-url", "file:"+t.TempDir()))
	defer running.stop(syscall.SIGTERM)
	client := dial(t, running.address)
	ctx := patient(t)
	must[*WriteResult](t)(client.Set(ctx, "room:1", map[string]any{"n": 1}))

	cleanup := chordv1.NewCleanupServiceClient(client.Conn())
	swept := must[*chordv1.RunCleanupResponse](t)(cleanup.RunCleanup(ctx, &chordv1.RunCleanupRequest{DryRun: true}, Repeatable()))
	same(t, []any{swept.Result.DryRun, swept.Result.More}, []any{true, false})
	_, err := cleanup.RunCleanup(ctx, &chordv1.RunCleanupRequest{Prefix: "\xff"})
	reason(t, err, InvalidArgument)

	transfer := chordv1.NewTransferServiceClient(client.Conn())
	exports := must[grpc.ServerStreamingClient[chordv1.ExportContextsResponse]](t)(transfer.ExportContexts(ctx, &chordv1.ExportContextsRequest{History: true}))
	var done []uint64
	for {
		message, err := exports.Recv()
		if err == io.EOF {
			break
		}
		check(t, err)
		done = append(done, message.Progress.Done)
	}
	same(t, done, []int{0, 1})
	_, err = transfer.RestoreContext(ctx, &chordv1.RestoreContextRequest{ContextId: "room:1"})
	reason(t, err, AlreadyExists)
	missing := must[grpc.ServerStreamingClient[chordv1.RestoreContextsResponse]](t)(transfer.RestoreContexts(ctx, &chordv1.RestoreContextsRequest{Prefix: "none:"}))
	must[*chordv1.RestoreContextsResponse](t)(missing.Recv())

	admin := chordv1.NewAdminServiceClient(client.Conn())
	stats := must[grpc.ServerStreamingClient[chordv1.WatchStatsResponse]](t)(
		admin.WatchStats(ctx, &chordv1.WatchStatsRequest{Interval: durationpb.New(100 * time.Millisecond)}))
	same(t, must[*chordv1.WatchStatsResponse](t)(stats.Recv()).Stats.Server.Backend, "lmdb")
	backup := must[grpc.ServerStreamingClient[chordv1.BackupResponse]](t)(admin.Backup(ctx, &chordv1.BackupRequest{}))
	if began := must[*chordv1.BackupResponse](t)(backup.Recv()).GetStart(); began.GetFormat() == 0 {
		t.Error(began)
	}
	_, err = must[grpc.ServerStreamingClient[chordv1.WatchStatsResponse]](t)(
		admin.WatchStats(ctx, &chordv1.WatchStatsRequest{Interval: durationpb.New(time.Millisecond)})).Recv()
	reason(t, err, InvalidArgument)

	health := must[*healthv1.HealthCheckResponse](t)(healthv1.NewHealthClient(client.Conn()).Check(ctx, &healthv1.HealthCheckRequest{}))
	same(t, health.Status.String(), "SERVING")

	check(t, client.Close())
	for err = nil; err == nil; _, err = stats.Recv() { // what had come already comes first
	}
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
	_, err = cleanup.GetCleanup(ctx, &chordv1.GetCleanupRequest{})
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
	_, err = admin.WatchStats(ctx, &chordv1.WatchStatsRequest{})
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
}

func TestStubsTryAgainWhereTheyMay(t *testing.T) {
	var failures atomic.Int32
	peer := (&faulty{set: func(context.Context, int, *chordv1.SetContextRequest) error {
		if failures.Add(-1) >= 0 {
			return status.Error(codes.Unavailable, "not now")
		}
		return nil
	}}).serve(t)
	contexts := chordv1.NewContextServiceClient(dial(t, peer.address, fast).Conn())
	failures.Store(2)
	must[*chordv1.SetContextResponse](t)(contexts.SetContext(patient(t), &chordv1.SetContextRequest{}, Repeatable()))
	same(t, peer.sets.Load(), 3)
	failures.Store(1)
	_, err := contexts.SetContext(patient(t), &chordv1.SetContextRequest{})
	reason(t, err, Unavailable)
	same(t, peer.sets.Load(), 4)
}

// Streams give their places back: of one more than a connection holds, the second connection goes with its stream.
func TestStreamsOfStubsCountAsWatches(t *testing.T) {
	client, _ := connect(t, WithWatchesPerConnection(1))
	admin := chordv1.NewAdminServiceClient(client.Conn())
	ctx, cancel := context.WithCancel(patient(t))
	for range 2 {
		must[grpc.ServerStreamingClient[chordv1.WatchStatsResponse]](t)(admin.WatchStats(ctx, &chordv1.WatchStatsRequest{}))
	}
	open := func() int {
		client.connections.mutex.Lock()
		defer client.connections.mutex.Unlock()
		return len(client.connections.all)
	}
	same(t, open(), 2)
	cancel()
	for ctx := patient(t); open() > 1 && ctx.Err() == nil; time.Sleep(time.Millisecond) {
	}
	same(t, open(), 1)
}
