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
	// Held, but not in the request of this connection: a context without an event until the stream has caught up is gone.
	omitted idSet
	// Did not fit: the next request asks for the document.
	doubted idSet
	// Messages of a batch that is not complete.
	kept []*chordv1.WatchContextsResponse
}

type idSet map[string]struct{}

func (s idSet) add(id string)      { s[id] = struct{}{} }
func (s idSet) has(id string) bool { _, ok := s[id]; return ok }

func newTracker(targets Targets, known map[string]Position, knownBytesMax int) *tracker {
	t := &tracker{targets, knownBytesMax, map[string]Position{}, idSet{}, idSet{}, idSet{}, nil}
	for _, target := range targets {
		maps.Insert(t.positions, maps.All(covered(target, known)))
	}
	maps.DeleteFunc(t.positions, func(_ string, position Position) bool { return position.IsZero() })
	return t
}

// connect begins a connection: it answers the subscriptions to ask for.
func (t *tracker) connect() []*chordv1.Subscription {
	t.kept = nil
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

// take takes a message and answers the events to deliver, those of a batch with its last message. fits is false where
// it leaves a gap: nothing of it, or of its batch, is delivered, and the watch must connect again.
func (t *tracker) take(message *chordv1.WatchContextsResponse) (events []Event, fits bool) {
	if message.GetHeartbeat() != nil || message.GetClosing() != nil {
		return nil, true
	}
	if message.GetMore() {
		t.kept = append(t.kept, message)
		return nil, true
	}
	if len(t.kept) == 0 {
		return t.takeOne(message)
	}
	batch := append(t.kept, message)
	t.kept = nil
	return t.takeBatch(batch)
}

func (t *tracker) takeBatch(messages []*chordv1.WatchContextsResponse) ([]Event, bool) {
	var before []func()
	for _, message := range messages {
		before = append(before, t.standing(idOf(message)))
	}
	var events []Event
	for _, message := range messages {
		taken, fits := t.takeOne(message)
		if !fits {
			for _, restore := range before {
				restore()
			}
			t.doubt(idOf(message))
			return nil, false
		}
		events = append(events, taken...)
	}
	for i, event := range events {
		event.part(i < len(events)-1)
	}
	return events, true
}

// standing answers what brings the context back to where it stands now.
func (t *tracker) standing(id string) func() {
	position, held := t.positions[id]
	sets := []idSet{t.absent, t.omitted, t.doubted}
	marks := []bool{t.absent.has(id), t.omitted.has(id), t.doubted.has(id)}
	return func() {
		delete(t.positions, id)
		if held {
			t.positions[id] = position
		}
		for i, set := range sets {
			delete(set, id)
			if marks[i] {
				set.add(id)
			}
		}
	}
}

// idOf is empty for a message of no context.
func idOf(message *chordv1.WatchContextsResponse) string {
	switch event := message.GetEvent().(type) {
	case *chordv1.WatchContextsResponse_Full:
		return event.Full.GetContext().GetContextId()
	case *chordv1.WatchContextsResponse_Delta:
		return event.Delta.GetContextId()
	case *chordv1.WatchContextsResponse_Deleted:
		return event.Deleted.GetContextId()
	case *chordv1.WatchContextsResponse_Absent:
		return event.Absent.GetContextId()
	}
	return ""
}

// refuse: these events were delivered, and the reader's copy is as before them. The next connection brings the
// documents.
func (t *tracker) refuse(events []Event) {
	for _, event := range events {
		switch event := event.(type) {
		case *FullEvent:
			t.doubt(event.ID)
		case *DeltaEvent:
			t.doubt(event.ID)
		case *DeletedEvent:
			t.positions[event.ID] = event.Position
			delete(t.absent, event.ID)
			t.doubt(event.ID)
		}
	}
}

func (t *tracker) takeOne(message *chordv1.WatchContextsResponse) (events []Event, fits bool) {
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
	return []Event{&DeltaEvent{Delta: fromDelta(delta)}}, true
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
	return []Event{&DeletedEvent{ID: id, Position: position, Reason: reason}}
}

func (t *tracker) missing(id string) []Event {
	if held, ok := t.positions[id]; ok {
		return t.gone(id, held, "UNKNOWN")
	}
	if t.absent.has(id) {
		return nil
	}
	t.absent.add(id)
	return []Event{&AbsentEvent{ID: id}}
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
	subscription := &chordv1.Subscription{Known: known}
	for _, path := range target.Paths {
		subscription.Paths = append(subscription.Paths, &chordv1.Path{Keys: path})
	}
	if target.Prefix {
		subscription.Target = &chordv1.Subscription_Prefix{Prefix: target.ID}
	} else {
		subscription.Target = &chordv1.Subscription_ContextId{ContextId: target.ID}
	}
	return subscription
}

func fromFull(full *chordv1.Full) *FullEvent {
	return &FullEvent{Document: fromContext(full.GetContext()), Reason: fullReason(full.GetReason())}
}

func fullReason(reason chordv1.FullReason) string {
	return strings.TrimPrefix(reason.String(), "FULL_REASON_")
}

func deletedReason(reason chordv1.DeletedReason) string {
	if reason == chordv1.DeletedReason_DELETED_REASON_UNSPECIFIED {
		return "UNKNOWN"
	}
	return strings.TrimPrefix(reason.String(), "DELETED_REASON_")
}
