package chord

import "slices"

// Event is what a watch delivers: *FullEvent, *DeltaEvent, *DeletedEvent, *AbsentEvent or *CaughtUpEvent.
type Event interface {
	// HasMore tells whether the next event belongs to the same batch; then it is there already.
	HasMore() bool
	part(more bool)
}

// Part is what the events of a batch have in common.
type Part struct {
	// More: the next event belongs to the same batch.
	More bool
}

// HasMore is More.
func (p *Part) HasMore() bool  { return p.More }
func (p *Part) part(more bool) { p.More = more }

// SyncResult is what Sync answers: *FullEvent, *DeltaEvent or *NoChange.
type SyncResult interface{ syncResult() }

// FullEvent brings the whole document: the first time, or because a delta would not be exactly right.
type FullEvent struct {
	Document
	// Reason is INITIAL, EPOCH_CHANGED, AHEAD, DIVERGED, HISTORY_TRUNCATED or DELTA_LARGER.
	Reason string
	Part
}

// DeltaEvent brings the changes since the last event of this context.
type DeltaEvent struct {
	Delta
	Part
}

// DeletedEvent says that a context is gone. Should it come back, it comes as a FullEvent.
type DeletedEvent struct {
	ID string
	// Position is where the watch had it last.
	Position Position
	// Reason is DELETED, EXPIRED, or UNKNOWN where it went while the connection was away.
	Reason string
	Part
}

// AbsentEvent says that a context that was asked for does not exist. Its creation comes as a FullEvent.
type AbsentEvent struct {
	ID string
	Part
}

// CaughtUpEvent says that everything that existed when the stream was opened has come. Once for each connection.
type CaughtUpEvent struct{ Part }

// NoChange says that the copy is current.
type NoChange struct{ Position Position }

func (*FullEvent) syncResult()  {}
func (*DeltaEvent) syncResult() {}
func (*NoChange) syncResult()   {}

// Target is what to watch: one context, or all whose ids begin with a prefix, those still to be created included.
type Target struct {
	// ID is the context's id, or the prefix.
	ID string
	// Prefix: all contexts whose ids begin with ID.
	Prefix bool
	// Paths are the parts of the documents that come; without them, all. Where several targets cover a context, the union comes.
	Paths []Path
}

// Targets are 1 to 1000, and may overlap.
type Targets []Target

// Only are the same targets, of these parts of the documents alone. A watch that begins at Known positions must have had the
// same paths before: no delta has what was left out.
func (t Targets) Only(paths ...Path) Targets {
	only := slices.Clone(t)
	for i := range only {
		only[i].Paths = paths
	}
	return only
}

// IDs are targets of one context each.
func IDs(ids ...string) Targets { return targetsOf(ids, false) }

// Prefixes are targets of all contexts whose ids begin with one of the prefixes; "" is every context.
func Prefixes(prefixes ...string) Targets { return targetsOf(prefixes, true) }

func targetsOf(ids []string, prefix bool) Targets {
	targets := make(Targets, len(ids))
	for i, id := range ids {
		targets[i] = Target{ID: id, Prefix: prefix}
	}
	return targets
}
