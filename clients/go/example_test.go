package chord_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

var (
	ctx    = context.Background()
	client *chord.Client
)

func ExampleNewClient() {
	client, err := chord.NewClient("chord.example.com:443",
		chord.WithTLS(&tls.Config{ServerName: "chord.example.com"}),
		chord.WithToken("secret"),
		chord.WithDeadline(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

// Read, change, and write only if no other write came in between.
func ExampleClient_Set() {
	for {
		document, err := client.Get(ctx, "room:1")
		if err != nil {
			log.Fatal(err)
		}
		document.Value["topic"] = fmt.Sprint(document.Value["topic"], "!")
		_, err = client.Set(ctx, "room:1", document.Value, chord.IfPosition(document.Position))
		if chord.ReasonOf(err) != chord.Aborted {
			break // written, or failed for another reason
		}
	}
}

// The current position comes with the error.
func ExampleError() {
	_, err := client.Set(ctx, "room:1", map[string]any{}, chord.IfAbsent())
	var failed *chord.Error
	if errors.As(err, &failed) && failed.Mismatch != nil {
		fmt.Println(failed.Reason, failed.ContextID, "stands at", failed.Mismatch.Current)
	}
}

func ExampleClient_Update() {
	_, err := client.Update(ctx, "room:1", chord.Edit{
		Changes: map[string]any{"topic": "Go", "settings": map[string]any{"color": nil}},
		Mutations: []chord.Mutation{
			chord.IncrementAt(chord.Path{"visits"}, 1),
			chord.AppendAt(chord.Path{"members"}, "Ada", "Grace"),
			chord.RemoveAt(chord.Path{"settings", "sound"}),
		},
	}, chord.AllowMissing(), chord.TTL(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Watch() {
	for event, err := range client.Watch(ctx, chord.Prefixes("room:")) {
		if err != nil {
			log.Fatal(err)
		}
		switch event := event.(type) {
		case *chord.FullEvent:
			fmt.Println(event.ID, "is", event.Value)
		case *chord.DeltaEvent:
			fmt.Println(event.ID, "changed in", len(event.Changes), "places")
		case *chord.DeletedEvent:
			fmt.Println(event.ID, "is gone:", event.Reason)
		case *chord.CaughtUpEvent:
			fmt.Println("that was all there is")
		}
	}
}

func ExampleNewReplica() {
	replica := chord.NewReplica(ctx, client, chord.Prefixes("room:"), chord.OnChange(func(change chord.ReplicaChange) {
		fmt.Println(change.ID, "is now", change.Value)
	}))
	defer replica.Close()
	if err := replica.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	room, ok := replica.Get("room:1") // never waits
	fmt.Println(room, ok)
}

// Take a seat if there is one, without a read before.
func ExampleIfChecks() {
	seats := chord.Path{"seats"}
	take := chord.Mutate(chord.IncrementAt(seats, -1))
	_, err := client.Update(ctx, "room:1", take, chord.IfChecks(chord.AtLeast(seats, 1), chord.Missing(chord.Path{"closed"})))
	var unmet *chord.UnmetConditions
	if errors.As(err, &unmet) {
		fmt.Println(unmet.Conditions[0], "at", unmet.Current)
	}
}

// Only what the write rests on must be as it was; changes of other members do not matter.
func ExampleIfUnchanged() {
	document, err := client.Get(ctx, "room:1")
	if err != nil {
		log.Fatal(err)
	}
	topic := chord.Path{"topic"}
	edit := chord.Mutate(chord.SetAt(topic, fmt.Sprint(document.Value["topic"], "!")))
	_, err = client.Update(ctx, "room:1", edit, chord.IfUnchanged(document.Position, topic))
	if errors.Is(err, chord.Aborted) {
		fmt.Println("another write was faster")
	}
}

// The same, again and again until no other write comes in between.
func ExampleClient_Edit() {
	_, err := client.Edit(ctx, "room:1", func(room map[string]any) error {
		if room["open"] != true {
			return errors.New("the room is closed")
		}
		room["topic"] = fmt.Sprint(room["topic"], "!")
		return nil
	}, chord.Reads(chord.Path{"open"}))
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Wait() {
	soon, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	met, err := client.Wait(soon, "room:1", chord.Position{}, []chord.Check{chord.Equals(chord.Path{"status"}, "ready")})
	if err != nil {
		log.Fatal(err) // DEADLINE_EXCEEDED
	}
	fmt.Println("ready in version", met.HeldAt)
}
