// Package bridge lets the conformance driver reach the unexported parts of package chord: the same
// code that the client runs, not a copy of it. Package chord sets these when it is initialized.
package bridge

import (
	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

var (
	// ToStruct and FromStruct are the way of documents to and from messages.
	ToStruct   func(map[string]any) (*structpb.Struct, error)
	FromStruct func(*structpb.Struct) map[string]any
	// Apply is what a replica makes of a delta.
	Apply func(document map[string]any, delta *chordv1.Delta) (map[string]any, error)
	// DecodeError answers a *chord.Error, and whether a watch would go on.
	DecodeError func(*status.Status) (err error, transient bool)
	// NewTracker makes a tracker of the subscriptions. bytesMax below 0: as a watch has it.
	NewTracker func(subscriptions []*chordv1.Subscription, known map[string]*chordv1.Position, bytesMax int) Tracker
)

// Tracker is what a watch asks for and makes of the answers.
type Tracker interface {
	Connect() []*chordv1.Subscription
	// Take answers chord.Events; fits is false for a gap.
	Take(*chordv1.WatchContextsResponse) (events []any, fits bool)
}
