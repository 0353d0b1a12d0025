package chord

import (
	"testing"
	"time"
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
