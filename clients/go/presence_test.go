package chord

import (
	"context"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
)

// Each fact comes to hold: on a busy machine a member may also expire before it is renewed, and is then set again.
func TestPresence(t *testing.T) {
	client, id := connect(t)
	ctx, path := patient(t), Path{"members", "ann"}
	failures := make(chan error, 1000)
	_, err := client.Presence(ctx, id("a"), path, nil, time.Millisecond)
	reason(t, err, InvalidArgument)
	presence := must[*Presence](t)(client.Presence(ctx, id("a"), path, 1.0, time.Second,
		OnPresenceError(func(err error) { failures <- err })))
	firstEnd := time.Now().Add(time.Second)
	other := dial(t, shared.server.address)
	becomes := func(members map[string]any) {
		t.Helper()
		must[ReplicaDocument](t)(other.Until(ctx, id("a"), func(view View) bool { return text(valueAt(view, "members")) == text(members) }))
	}
	for renewed := false; !renewed; {
		expiries := must[*Document](t)(client.Get(ctx, id("a"), IncludeExpiries())).Expiries
		renewed = len(expiries) > 0 && expiries[0].ExpiresAt.After(firstEnd)
	}
	becomes(map[string]any{"ann": 1.0})
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(RemoveAt(path))))
	becomes(map[string]any{"ann": 1.0})
	check(t, presence.Set(ctx, 2.0))
	becomes(map[string]any{"ann": 2.0})
	check(t, client.Close())
	check(t, presence.Close())
	becomes(map[string]any{})
	close(failures)
	for err := range failures {
		reason(t, err, DeadlineExceeded)
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
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for range 100 { // nothing is sent, and a renewal would not write it either
		reason(t, presence.Set(gone, 5.0), Cancelled)
		same(t, presence.value, 2.0)
	}
	check(t, presence.Set(ctx, 3.0))
	check(t, presence.Close())
	reason(t, presence.Set(ctx, 4.0), Cancelled)
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{})
}
