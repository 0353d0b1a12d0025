package chord

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// listening is a peer that notes the headers of its calls, and whose watches end at once.
func listening(t *testing.T) (peer *faulty, headers func() metadata.MD) {
	came := make(chan metadata.MD, 100)
	note := func(ctx context.Context) {
		header, _ := metadata.FromIncomingContext(ctx)
		came <- header
	}
	peer = (&faulty{
		set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error {
			note(ctx)
			return nil
		},
		watch: func(_ int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
			note(stream.Context())
			return status.Error(codes.PermissionDenied, "no")
		},
	}).serve(t)
	return peer, func() metadata.MD { return <-came }
}

func watchOnce(ctx context.Context, client *Client) {
	for range client.Watch(ctx, IDs("a")) {
	}
}

func TestHeadersOfTheClientAndOfACall(t *testing.T) {
	peer, headers := listening(t)
	client := dial(t, peer.address, WithMetadata(map[string]string{"X-Tenant": "a"}), WithUserAgent("shop/1.2"))
	ctx := metadata.AppendToOutgoingContext(patient(t), "x-request", "7")
	must[*WriteResult](t)(client.Set(ctx, "a", nil))
	watchOnce(ctx, client)
	for range 2 {
		header := headers()
		same(t, []any{header["x-tenant"], header["x-request"]}, []any{[]string{"a"}, []string{"7"}})
		if agent := header["user-agent"][0]; !strings.HasPrefix(agent, "shop/1.2 chordstate-go/"+Version+" grpc-go/") {
			t.Error(agent)
		}
	}
}

func TestInterceptorsSeeEachTry(t *testing.T) {
	peer, _ := listening(t)
	set := peer.set
	peer.set = func(ctx context.Context, call int, request *chordv1.SetContextRequest) error {
		set(ctx, call, request)
		if call == 1 {
			return status.Error(codes.Unavailable, "not yet")
		}
		same(t, request.ContextId, "b")
		return nil
	}
	var methods []string
	unary := func(
		ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		methods = append(methods, method)
		request.(*chordv1.SetContextRequest).ContextId = "b"
		return next(ctx, method, request, answer, connection, options...)
	}
	stream := func(
		ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, next grpc.Streamer,
		options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		methods = append(methods, method)
		return next(ctx, description, connection, method, options...)
	}
	client := dial(t, peer.address, fast, WithDialOptions(grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream)))
	must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	watchOnce(patient(t), client)
	setting := chordv1.ContextService_SetContext_FullMethodName
	same(t, methods, []string{setting, setting, chordv1.SyncService_WatchContexts_FullMethodName})
}

// tracing does what OpenTelemetry's handler does: a header that continues the caller's trace, and an end of each call.
type tracing struct{ began, ended, messages atomic.Int32 }

func (h *tracing) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "traceparent", "00-"+info.FullMethodName)
}

func (h *tracing) HandleRPC(_ context.Context, event stats.RPCStats) {
	switch event := event.(type) {
	case *stats.Begin:
		h.began.Add(1)
	case *stats.OutPayload:
		if _, ok := event.Payload.(*chordv1.SetContextRequest); ok {
			h.messages.Add(1)
		}
	case *stats.End:
		h.ended.Add(1)
	}
}

func (*tracing) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*tracing) HandleConn(context.Context, stats.ConnStats)                       {}

func TestAStatsHandlerTracesCallsAndWatches(t *testing.T) {
	peer, headers := listening(t)
	handler := &tracing{}
	client := dial(t, peer.address, WithDialOptions(grpc.WithStatsHandler(handler)))
	must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	watchOnce(patient(t), client)
	same(t, headers()["traceparent"], []string{"00-" + chordv1.ContextService_SetContext_FullMethodName})
	same(t, headers()["traceparent"], []string{"00-" + chordv1.SyncService_WatchContexts_FullMethodName})
	same(t, []int32{handler.began.Load(), handler.ended.Load(), handler.messages.Load()}, []int32{2, 2, 1})
}

func TestEndpointsTakeTurns(t *testing.T) {
	var peers [2]*faulty
	for i := range peers {
		peers[i] = (&faulty{set: func(context.Context, int, *chordv1.SetContextRequest) error { return nil }}).serve(t)
	}
	client := dial(t, peers[0].address, WithEndpoints(peers[1].address), fast)
	sets := func(i int) int { return int(peers[i].sets.Load()) }
	// The second one may come up after the first calls.
	for sets(0) < 3 || sets(1) < 3 {
		must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	}
	peers[0].Stop()
	before := sets(1)
	for range 10 {
		must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	}
	same(t, sets(1)-before, 10)
	_, err := NewClient("127.0.0.1:1", WithEndpoints("no port"))
	reason(t, err, InvalidArgument)
}

// refusing is a peer whose first watch breaks, and whose others are refused once the channel is closed.
func refusing(t *testing.T, refuses chan struct{}) *faulty {
	return (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, _ watchStream) error {
		if call == 1 {
			return status.Error(codes.Unavailable, "a moment")
		}
		<-refuses
		return status.Error(codes.PermissionDenied, "no entry")
	}}).serve(t)
}

func TestALoggerGetsTheEndOfAReplicaBeforeItCanBeSeen(t *testing.T) {
	refuses := make(chan struct{})
	var replica *Replica
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(writer(func(line []byte) (int, error) {
		if strings.Contains(string(line), "level=ERROR") {
			check(t, replica.Err())
		}
		return log.Write(line)
	}), nil))
	replica = NewReplica(patient(t), dial(t, refusing(t, refuses).address, fast, WithLogger(logger)), IDs("a"))
	close(refuses)
	reason(t, replica.Ready(patient(t)), PermissionDenied)
	for _, told := range []string{"level=WARN", "a moment", "level=ERROR", "no entry"} {
		if !strings.Contains(log.String(), told) {
			t.Errorf("no %q in %s", told, log.String())
		}
	}
}

func TestOnErrorFindsTheReplicaEnded(t *testing.T) {
	refuses := make(chan struct{})
	var replica *Replica
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	ends := []error{}
	replica = NewReplica(patient(t), dial(t, refusing(t, refuses).address, fast, WithLogger(logger)), IDs("a"), OnError(func(err error) {
		ends = append(ends, err, replica.Err(), replica.Ready(patient(t)))
		panic("on purpose")
	}))
	close(refuses)
	<-replica.Done()
	same(t, len(ends), 3)
	for _, end := range ends {
		reason(t, end, PermissionDenied)
	}
	if !strings.Contains(log.String(), "on purpose") {
		t.Error(log.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(line []byte) (int, error) { return w(line) }

func TestUntil(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	seen := make(chan View, 10)
	go func() {
		<-seen
		client.Set(ctx, id("a"), map[string]any{"n": 1, "rest": rest})
		<-seen
		client.Update(ctx, id("a"), Merge(map[string]any{"n": 2}))
	}()
	document := must[ReplicaDocument](t)(client.Until(ctx, id("a"), func(view View) bool {
		seen <- view
		return valueAt(view, "n") == 2.0
	}))
	same(t, []any{document.Value, document.Position.Version}, []any{map[string]any{"n": 2, "rest": rest}, 2})
	gone := must[ReplicaDocument](t)(client.Until(ctx, id("b"), func(view View) bool { return !view.Exists() }))
	same(t, gone.Position.IsZero(), true)

	short, cancel := context.WithTimeout(ctx, 1)
	defer cancel()
	never := func(View) bool { return false }
	_, err := client.Until(short, id("a"), never)
	reason(t, err, DeadlineExceeded)
	_, err = client.Until(ctx, "", never)
	reason(t, err, InvalidArgument)
	waits := make(chan bool, 1)
	go func() {
		<-waits
		client.Close()
	}()
	_, err = client.Until(ctx, id("a"), func(View) bool {
		select {
		case waits <- true:
		default:
		}
		return false
	})
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
}

func TestHealth(t *testing.T) {
	client, _ := connect(t)
	same(t, must[HealthStatus](t)(client.Health(patient(t), "")), Serving)
	_, err := client.Health(patient(t), "none")
	reason(t, err, NotFound)
}
