package chord

import (
	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"github.com/chord-state/chord/clients/go/internal/bridge"
	"google.golang.org/grpc/status"
)

func init() {
	bridge.ToStruct, bridge.FromStruct = toStruct, fromStruct
	bridge.Apply = func(document map[string]any, delta *chordv1.Delta) (map[string]any, error) {
		read := fromDelta(delta)
		return read.ApplyTo(document)
	}
	bridge.DecodeError = func(st *status.Status) (error, bool) {
		failed := fromStatus(st)
		return failed, failed.transient
	}
	bridge.NewTracker = bridgeTracker
}

func bridgeTracker(subscriptions []*chordv1.Subscription, known map[string]*chordv1.Position, bytesMax int) bridge.Tracker {
	var targets Targets
	for _, subscription := range subscriptions {
		_, prefix := subscription.GetTarget().(*chordv1.Subscription_Prefix)
		targets = append(targets, Target{ID: subscription.GetContextId() + subscription.GetPrefix(), Prefix: prefix})
	}
	positions := map[string]Position{}
	for id, position := range known {
		positions[id] = fromPosition(position)
	}
	if bytesMax < 0 {
		bytesMax = knownBytesMax
	}
	return bridged{newTracker(targets, positions, bytesMax)}
}

type bridged struct{ tracker *tracker }

func (b bridged) Connect() []*chordv1.Subscription { return b.tracker.connect() }

func (b bridged) Take(message *chordv1.WatchContextsResponse) ([]any, bool) {
	events, fits := b.tracker.take(message)
	taken := make([]any, len(events))
	for i, event := range events {
		taken[i] = event
	}
	return taken, fits
}
