package chord

import (
	"testing"
	"time"
)

type room struct {
	Topic   string            `json:"topic"`
	Members map[string]member `json:"members"`
	Tags    []string          `json:"tags,omitempty"`
	Since   time.Time         `json:"since"`
	hidden  int
}

type member struct {
	Age int `json:"age"`
}

func TestTypedDocuments(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	sent := room{Topic: "\\ufffd \ufffd", Members: map[string]member{"ann": {40}}, Since: time.Unix(1, 0).UTC(), hidden: 1}
	must[*WriteResult](t)(Set(ctx, client, id("a"), sent))
	value, document, err := Get[room](ctx, client, id("a"))
	check(t, err)
	sent.hidden = 0
	same(t, []any{value, document.Position.Version, document.Value["members"]}, []any{sent, 1, map[string]any{"ann": map[string]any{"age": 40}}})

	replica := NewReplica(ctx, client, IDs(id("a")))
	defer replica.Close()
	check(t, replica.Ready(ctx))
	var copied room
	check(t, must[ReplicaDocument](t)(replica.WaitFor(ctx, id("a"), document.Position)).Value.DataTo(&copied))
	copied.Members["ann"] = member{1}
	same(t, replica.State()[id("a")].Value, document.Value)

	edit := must[map[string]any](t)(ToDocument(member{41}))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"members", "ann"}, edit))))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SetAt(Path{"members", "bob"}, map[string]any{"age": "old"}))))
	_, _, err = Get[room](ctx, client, id("a"))
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "value.members.age")
	_, _, err = Get[room](ctx, client, id("none"))
	reason(t, err, NotFound)
	for head, err := range client.List(ctx, id("a")) { // without IncludeValues
		check(t, err)
		reason(t, head.DataTo(&copied), InvalidArgument)
	}
	reason(t, View{}.DataTo(&copied), InvalidArgument)
}

func TestWhatIsNoDocument(t *testing.T) {
	client, id := connect(t)
	for _, value := range []any{1, []int{1}, (*room)(nil), make(chan int), room{Topic: "\xff"}, room{Topic: `\\` + "\xff"}} {
		_, err := ToDocument(value)
		reason(t, err, InvalidArgument)
	}
	_, err := Set(patient(t), client, id("a"), struct{ N int64 }{1<<53 + 1})
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "value.N")
	for _, value := range []room{{Topic: `\\ufffd`}, {Topic: `\ufffd`}, {Topic: "\ufffd"}} {
		same(t, must[map[string]any](t)(ToDocument(value))["topic"], value.Topic)
	}
}
