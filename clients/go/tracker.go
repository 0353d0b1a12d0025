package chord

import (
	"maps"
	"strings"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

// Of a request's 4 MiB; a position with its framing takes 40.
const (
	knownBytesMax = 3 << 20
	positionBytes = 40
)

// tracker decides what a watch makes of each message of its streams, and what it asks for when it connects again.
// Pure: it knows no network. The clients' README has its rules, for all languages.
type tracker struct {
	targets       Targets
	knownBytesMax int
	// Where the reader's copy of each context stands.
	positions map[string]Position
	// Known to be missing.
	absent idSet
	// Held, but not in the request of this connection: whoever is not heard of until the stream has caught up is gone.
	omitted idSet
	// Did not fit: the next request asks for the document.
	doubted idSet
}

type idSet map[string]struct{}

func (s idSet) add(id string)      { s[id] = struct{}{} }
func (s idSet) has(id string) bool { _, ok := s[id]; return ok }

func newTracker(targets Targets, known map[string]Position, knownBytesMax int) *tracker {
	t := &tracker{targets, knownBytesMax, map[string]Position{}, idSet{}, idSet{}, idSet{}}
	for _, target := range targets {
		maps.Insert(t.positions, maps.All(covered(target, known)))
	}
	return t
}

// connect begins a connection: it answers the subscriptions to ask for.
func (t *tracker) connect() []*chordv1.Subscription {
	room := t.knownBytesMax
	t.omitted = idSet{}
	for id := range t.positions {
		t.omitted.add(id)
	}
	subscriptions := make([]*chordv1.Subscription, len(t.targets))
	for i, target := range t.targets {
		known := map[string]*chordv1.Position{}
		for id, position := range covered(target, t.positions) {
			bytes := len(id) + positionBytes
			if t.doubted.has(id) || bytes > room {
				continue
			}
			room -= bytes
			known[id] = toPosition(position)
			delete(t.omitted, id)
		}
		subscriptions[i] = toSubscription(target, known)
	}
	return subscriptions
}

// take takes a message and answers the events to deliver. fits is false where it leaves a gap: nothing of it is
// delivered, and the watch must connect again.
func (t *tracker) take(message *chordv1.WatchContextsResponse) (events []Event, fits bool) {
	switch event := message.GetEvent().(type) {
	case *chordv1.WatchContextsResponse_Full:
		return t.full(event.Full), true
	case *chordv1.WatchContextsResponse_Delta:
		return t.delta(event.Delta)
	case *chordv1.WatchContextsResponse_Deleted:
		gone := event.Deleted
		return t.gone(gone.GetContextId(), fromPosition(gone.GetPosition()), deletedReason(gone.GetReason())), true
	case *chordv1.WatchContextsResponse_Absent:
		return t.missing(event.Absent.GetContextId()), true
	case *chordv1.WatchContextsResponse_CaughtUp:
		for id := range t.omitted {
			events = append(events, t.missing(id)...)
		}
		return append(events, &CaughtUpEvent{}), true
	}
	return nil, true
}

// doubt: what was delivered of this context turned out not to fit. The next connection brings the document.
func (t *tracker) doubt(id string) {
	if _, held := t.positions[id]; held {
		t.doubted.add(id)
	}
}

func (t *tracker) full(full *chordv1.Full) []Event {
	id, position := full.GetContext().GetContextId(), fromPosition(full.GetContext().GetPosition())
	held, ok := t.positions[id]
	delete(t.omitted, id)
	if ok && held == position && !t.doubted.has(id) {
		return nil
	}
	delete(t.doubted, id)
	delete(t.absent, id)
	t.positions[id] = position
	return []Event{fromFull(full)}
}

func (t *tracker) delta(delta *chordv1.Delta) ([]Event, bool) {
	id := delta.GetContextId()
	held, ok := t.positions[id]
	if !ok || t.doubted.has(id) || !fits(held, fromPosition(delta.GetFrom())) {
		t.doubt(id)
		return nil, false
	}
	delete(t.omitted, id)
	t.positions[id] = fromPosition(delta.GetTo())
	return []Event{&DeltaEvent{fromDelta(delta)}}, true
}

func (t *tracker) gone(id string, position Position, reason string) []Event {
	_, held := t.positions[id]
	delete(t.omitted, id)
	delete(t.doubted, id)
	if !held {
		return nil
	}
	delete(t.positions, id)
	t.absent.add(id)
	return []Event{&DeletedEvent{id, position, reason}}
}

func (t *tracker) missing(id string) []Event {
	if held, ok := t.positions[id]; ok {
		return t.gone(id, held, "UNKNOWN")
	}
	if t.absent.has(id) {
		return nil
	}
	t.absent.add(id)
	return []Event{&AbsentEvent{id}}
}

// fits: the caller may have named only a version.
func fits(held, from Position) bool {
	return held.Version == from.Version &&
		(held.Epoch == "" || held.Epoch == from.Epoch) &&
		(held.Digest == "" || held.Digest == from.Digest)
}

func covered(target Target, positions map[string]Position) map[string]Position {
	found := map[string]Position{}
	if !target.Prefix {
		if position, ok := positions[target.ID]; ok {
			found[target.ID] = position
		}
		return found
	}
	for id, position := range positions {
		if strings.HasPrefix(id, target.ID) {
			found[id] = position
		}
	}
	return found
}

func toSubscription(target Target, known map[string]*chordv1.Position) *chordv1.Subscription {
	if target.Prefix {
		return &chordv1.Subscription{Target: &chordv1.Subscription_Prefix{Prefix: target.ID}, Known: known}
	}
	return &chordv1.Subscription{Target: &chordv1.Subscription_ContextId{ContextId: target.ID}, Known: known}
}

func fromFull(full *chordv1.Full) *FullEvent {
	return &FullEvent{fromContext(full.GetContext()), strings.TrimPrefix(full.GetReason().String(), "FULL_REASON_")}
}

func deletedReason(reason chordv1.DeletedReason) string {
	if reason == chordv1.DeletedReason_DELETED_REASON_UNSPECIFIED {
		return "UNKNOWN"
	}
	return strings.TrimPrefix(reason.String(), "DELETED_REASON_")
}
