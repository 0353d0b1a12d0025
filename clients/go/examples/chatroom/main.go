// A guest in a chat room that guests in other languages share: joins, shows what happens, says a few lines, leaves.
// `make demo` in the root seats five together; alone: go run ./examples/chatroom [HOST:PORT].
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

const (
	roomID = "room:lobby"
	name   = "go"
)

var lines = []string{"Hello, Go here.", "To me the room is a map.", "My context is done. Bye!"}

type room struct {
	Seats        int // how many guests the talk waits for, if anybody set that
	Joined       int
	Participants map[string]struct{ Typing bool }
	Messages     []struct{ From, Text string }
}

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	client, err := chord.NewClient(append(os.Args, "127.0.0.1:50051")[1])
	check(err)
	defer client.Close()

	changed := make(chan struct{}, 1)
	show := newScreen()
	replica := chord.NewReplica(ctx, client, chord.IDs(roomID), chord.OnChange(func(change chord.ReplicaChange) {
		show(change.Position.Version, decode(change.Value))
		select {
		case changed <- struct{}{}:
		default: // a signal waits there already
		}
	}))
	defer replica.Close()
	check(replica.Ready(ctx))

	until := func(met func(room) bool) {
		for {
			value, _ := replica.Get(roomID) // the local copy as it is now: a read makes no call
			if met(decode(value)) {
				return
			}
			select {
			case <-changed:
			case <-replica.Done():
				check(replica.Err())
			}
		}
	}
	update := func(edit chord.Edit) {
		_, err := client.Update(ctx, roomID, edit, chord.AllowMissing())
		check(err)
	}

	// Goes when this guest leaves, or soon after it has died.
	here := map[string]any{"typing": false}
	presence, err := client.Presence(ctx, roomID, chord.Path{"participants", name}, here, 2*time.Second)
	check(err)
	update(chord.Mutate(chord.IncrementAt(chord.Path{"joined"}, 1)))
	until(func(r room) bool {
		_, seated := r.Participants[name]
		return seated && r.Joined >= r.Seats
	})

	for _, text := range lines {
		pause()
		update(chord.Merge(typing(true)))
		pause()
		message := map[string]any{"from": name, "text": text}
		update(chord.Edit{
			Changes:   typing(false),
			Mutations: []chord.Mutation{chord.AppendAt(chord.Path{"messages"}, message)},
		})
	}
	check(presence.Close())

	// The last one to leave made the last change.
	until(func(r room) bool { return len(r.Participants) == 0 })
	value, _ := replica.Get(roomID)
	position, _ := replica.Position(roomID)
	document, err := json.Marshal(value)
	check(err)
	fmt.Printf("final %s:%d:%s %s\n", position.Epoch, position.Version, position.Digest, document)
}

func typing(typing bool) map[string]any {
	return map[string]any{"participants": map[string]any{name: map[string]any{"typing": typing}}}
}

// newScreen prints what is new each time: several changes may have come as one.
func newScreen() func(version uint64, now room) {
	here, messages := "", 0
	return func(version uint64, now room) {
		names := slices.Sorted(maps.Keys(now.Participants))
		suffix := ""
		typing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !now.Participants[name].Typing })
		if len(typing) > 0 {
			suffix = fmt.Sprintf("  (typing: %s)", strings.Join(typing, ", "))
		}
		for _, message := range now.Messages[messages:] {
			fmt.Printf("v%-3d %s: %s%s\n", version, message.From, message.Text, suffix)
		}
		messages = len(now.Messages)
		before := here
		if here = strings.Join(names, ", "); here != before {
			fmt.Printf("v%-3d in the room: %s\n", version, cmp.Or(here, "no one"))
		}
	}
}

func decode(value chord.View) (now room) {
	if value.Exists() {
		check(value.DataTo(&now))
	}
	return now
}

func pause() { time.Sleep(time.Duration(200+rand.IntN(500)) * time.Millisecond) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
