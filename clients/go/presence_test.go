package chord

import (
	"context"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
)

func TestPresence(t *testing.T) {
	client, id := connect(t)
	ctx, path := patient(t), Path{"members", "ann"}
	failures := make(chan error, 10)
	_, err := client.Presence(ctx, id("a"), path, nil, time.Millisecond)
	reason(t, err, InvalidArgument)
	presence := must[*Presence](t)(client.Presence(ctx, id("a"), path, 1.0, time.Second,
		OnPresenceError(func(err error) { failures <- err })))
	replica := NewReplica(ctx, client, IDs(id("a")))
	t.Cleanup(func() { replica.Close() })
	until := func(version uint64, members map[string]any) {
		t.Helper()
		document := must[ReplicaDocument](t)(replica.WaitFor(ctx, id("a"), Position{Version: version}))
		same(t, valueAt(document.Value, "members"), members)
	}
	until(1, map[string]any{"ann": 1.0})
	// Another member outlives two of its times to live: the presence is renewed meanwhile.
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetFor(Path{"timer"}, true, 2*time.Second))))
	until(3, map[string]any{"ann": 1.0})
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(RemoveAt(path))))
	until(5, map[string]any{"ann": 1.0})
	check(t, presence.Set(ctx, 2.0))
	until(6, map[string]any{"ann": 2.0})
	check(t, client.Close())
	check(t, presence.Close())
	other := dial(t, shared.server.address)
	same(t, must[*Document](t)(other.Get(ctx, id("a"))).Value["members"], map[string]any{})
	select {
	case err := <-failures:
		t.Error(err)
	default:
	}
}

func TestTheLastValueOfAPresenceIsTheOneThatIsThere(t *testing.T) {
	var presence *Presence
	var meanwhile error
	intercept := func(
		ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		update, ok := request.(*chordv1.UpdateContextRequest)
		if ok && update.Mutations[0].GetSet().GetNumberValue() == 2 {
			// While this value is on its way. That it is not its turn is seen when its time is over.
			hasty, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			meanwhile = presence.Set(hasty, 3.0)
		}
		return next(ctx, method, request, answer, connection, options...)
	}
	client, id := connect(t, WithDialOptions(grpc.WithChainUnaryInterceptor(intercept)))
	ctx := patient(t)
	presence = must[*Presence](t)(client.Presence(ctx, id("a"), Path{"m"}, 1.0, time.Hour))
	check(t, presence.Set(ctx, 2.0))
	reason(t, meanwhile, DeadlineExceeded)
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{"m": 2})
	check(t, presence.Set(ctx, 3.0))
	check(t, presence.Close())
	reason(t, presence.Set(ctx, 4.0), Cancelled)
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{})
}
