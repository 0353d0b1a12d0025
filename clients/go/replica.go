package chord

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Replica is a live local copy of contexts. Reading it never waits for the network. Its documents are handed out as a [View]: no
// reader can change them. Close it when done.
type Replica struct {
	config  replicaConfig
	log     func(error)
	cancel  context.CancelFunc
	ready   chan struct{}
	stopped chan struct{}

	mutex sync.RWMutex
	// The following are guarded by it. Documents are replaced, never written to.
	documents map[string]ReplicaDocument
	live      bool
	caughtUp  bool
	err       error
	// Closed, and replaced, with each change.
	changed chan struct{}
}

// ReplicaDocument is a document of a Replica, and where it stands.
type ReplicaDocument struct {
	Value    View
	Position Position
}

// ReplicaChange is one change of a Replica.
type ReplicaChange struct {
	ID string
	// Value is the zero View where the context is gone.
	Value View
	// Position is zero where the context is gone.
	Position Position
	// Changes lead from the former value to this one: a copy of them. nil where the whole document came, or went.
	Changes []Change
}

// ReplicaOption is an option of NewReplica: StartFrom, OnChange, OnCaughtUp, OnError, or a DisconnectOption. Callbacks are called
// one at a time, in the order of what happened, by the replica's goroutine: they must not block for long, nor Close it (cancel its
// context instead).
type ReplicaOption interface{ replica(*replicaConfig) }

type replicaConfig struct {
	onChange     []func(ReplicaChange)
	onCaughtUp   []func()
	onDisconnect []func(err *Error, delay time.Duration)
	onError      func(error)
	state        map[string]ReplicaDocument
}

type replicaOption func(*replicaConfig)

func (option replicaOption) replica(config *replicaConfig) { option(config) }

// StartFrom is what the replica starts with, by context id: what State of an earlier one answered. For NewReplica.
func StartFrom(state map[string]ReplicaDocument) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.state = state })
}

// OnChange is called after the replica has changed; of a batch, after all of it. May be given more than once. For
// NewReplica.
func OnChange(call func(ReplicaChange)) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onChange = append(config.onChange, call) })
}

// OnCaughtUp is called when everything that existed has come: at first, and after each new connection. For
// NewReplica.
func OnCaughtUp(call func()) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onCaughtUp = append(config.onCaughtUp, call) })
}

// OnError is called when the replica cannot go on, and with the panics of callbacks, which end nothing. Without it
// both are logged. For NewReplica.
func OnError(call func(error)) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onError = call })
}

// NewReplica begins to copy at once, and ends with ctx, with the client, or by Close. Between connections the copy
// stays as it was.
func NewReplica(ctx context.Context, client *Client, targets Targets, options ...ReplicaOption) *Replica {
	ctx, cancel := context.WithCancel(ctx)
	r := &Replica{
		cancel: cancel, ready: make(chan struct{}), stopped: make(chan struct{}),
		documents: map[string]ReplicaDocument{}, changed: make(chan struct{}),
		log: func(err error) { client.settings.error("chord: replica", err) },
	}
	for _, option := range options {
		option.replica(&r.config)
	}
	maps.Copy(r.documents, r.config.state)
	go r.run(ctx, client, slices.Clone(targets))
	return r
}

// Ready waits until everything that existed has come. An error where the replica or ctx ended before: that of ctx where both did.
func (r *Replica) Ready(ctx context.Context) error {
	select {
	case <-r.ready:
	case <-ctx.Done():
	}
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	if r.caughtUp {
		return nil
	}
	if ctx.Err() != nil { // perhaps the replica's, too, which has ended of it
		return ended(ctx, "waiting for the replica")
	}
	return r.err
}

// Get is the document now; false where there is none.
func (r *Replica) Get(id string) (View, bool) {
	document, ok := r.find(id)
	return document.Value, ok
}

// Position is where the document stands; false where there is none.
func (r *Replica) Position(id string) (Position, bool) {
	document, ok := r.find(id)
	return document.Position, ok
}

func (r *Replica) find(id string) (ReplicaDocument, bool) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	document, ok := r.documents[id]
	return document, ok
}

// State is all documents and where they stand, as of one moment: to be kept, and for another replica to StartFrom.
func (r *Replica) State() map[string]ReplicaDocument {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return maps.Clone(r.documents)
}

// WaitFor waits until the copy of a context has come to a position: the same epoch, at least the version. It answers
// the document then, or an error where the replica or ctx ended before.
func (r *Replica) WaitFor(ctx context.Context, id string, position Position) (ReplicaDocument, error) {
	return r.WaitUntil(ctx, id, func(document ReplicaDocument, exists bool) bool {
		sameLife := position.Epoch == "" || document.Position.Epoch == position.Epoch
		return exists && sameLife && document.Position.Version >= position.Version
	})
}

// WaitUntil is WaitFor with a condition, which must not block.
func (r *Replica) WaitUntil(ctx context.Context, id string, holds func(document ReplicaDocument, exists bool) bool) (ReplicaDocument, error) {
	for {
		r.mutex.RLock()
		document, exists := r.documents[id]
		changed, end := r.changed, r.err
		r.mutex.RUnlock()
		if holds(document, exists) {
			return document, nil
		}
		if ctx.Err() != nil { // perhaps the replica's, too, which has ended of it
			return ReplicaDocument{}, ended(ctx, "waiting for the replica")
		}
		if end != nil {
			return ReplicaDocument{}, end
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// IDs are those of all documents, in no order.
func (r *Replica) IDs() []string {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return slices.Collect(maps.Keys(r.documents))
}

// Len is the number of documents.
func (r *Replica) Len() int {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return len(r.documents)
}

// Live tells whether it is connected, and caught up since.
func (r *Replica) Live() bool {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.live
}

// Done is closed when the replica has ended; Err then says why.
func (r *Replica) Done() <-chan struct{} { return r.stopped }

// Err is what ended the replica: nil while it runs, CANCELLED after Close.
func (r *Replica) Err() error {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.err
}

// Close ends it, and returns when no callback will come any more. Reading goes on answering the last state.
func (r *Replica) Close() {
	r.cancel()
	<-r.stopped
}

func (r *Replica) run(ctx context.Context, client *Client, targets Targets) {
	defer close(r.stopped)
	defer r.cancel()
	onDisconnect := func(err *Error, delay time.Duration) {
		r.update(func() { r.live = false })
		tell(r, func(call func(*Error, time.Duration)) { call(err, delay) }, r.config.onDisconnect)
	}
	known := map[string]Position{}
	for id, document := range r.config.state {
		known[id] = document.Position
	}
	watch := newWatch(client, targets, watchConfig{known: known, onDisconnect: onDisconnect})
	var end error = closed("replica", nil)
	failed := false
	var batch []Event
	follow := func(event Event, err error) bool {
		if err != nil {
			end, failed = err, true
			return false
		}
		batch = append(batch, event)
		if !event.HasMore() {
			r.take(watch, batch)
			batch = nil
		}
		return ctx.Err() == nil
	}
	if client.lifetime.Err() != nil {
		follow(nil, closed("client", nil))
	} else {
		watch.run(ctx, follow)
	}
	// Logged before the end can be seen. The callback finds the replica ended.
	if failed && r.config.onError == nil {
		r.log(end)
	}
	r.update(func() { r.live, r.err = false, end })
	if !r.caughtUp {
		close(r.ready)
	}
	if failed && r.config.onError != nil {
		r.report(end)
	}
}

// take takes all of the events, or none.
func (r *Replica) take(watch *watch, events []Event) {
	changes, fit := r.staged(events)
	if !fit {
		watch.resync(events)
		return
	}
	_, caughtUp := events[len(events)-1].(*CaughtUpEvent)
	first := caughtUp && !r.caughtUp
	r.update(func() {
		for _, change := range changes {
			if !change.Value.Exists() {
				delete(r.documents, change.ID)
			} else {
				r.documents[change.ID] = ReplicaDocument{change.Value, change.Position}
			}
		}
		r.live, r.caughtUp = r.live || caughtUp, r.caughtUp || caughtUp
	})
	if first {
		close(r.ready)
	}
	for _, change := range changes {
		tell(r, func(call func(ReplicaChange)) { call(change) }, r.config.onChange)
	}
	if caughtUp {
		tell(r, func(call func()) { call() }, r.config.onCaughtUp)
	}
}

// staged is what events change; false where a delta does not fit.
func (r *Replica) staged(events []Event) ([]ReplicaChange, bool) {
	values := map[string]View{}
	var changes []ReplicaChange
	for _, event := range events {
		var change ReplicaChange
		switch event := event.(type) {
		case *FullEvent:
			change = ReplicaChange{event.ID, View{event.Value}, event.Position, nil}
		case *DeltaEvent:
			before, staged := values[event.ID]
			if !staged {
				document, _ := r.find(event.ID)
				before = document.Value
			}
			value, err := Apply(before.object, event.Changes)
			if err != nil || !before.Exists() {
				return nil, false
			}
			change = ReplicaChange{event.ID, View{value}, event.To, nil}
			if len(r.config.onChange) > 0 {
				// The document has the values of the changes.
				change.Changes = copyOfChanges(event.Changes)
			}
		case *DeletedEvent:
			change = ReplicaChange{ID: event.ID}
		default:
			continue
		}
		values[change.ID] = change.Value
		changes = append(changes, change)
	}
	return changes, true
}

func (r *Replica) update(change func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// tell calls callbacks; one that panics must not end the replica.
func tell[F any](r *Replica, with func(F), callbacks []F) {
	for _, callback := range callbacks {
		func() {
			defer recovered(r.report)
			with(callback)
		}()
	}
}

func (r *Replica) report(err error) {
	defer recovered(r.log)
	if r.config.onError != nil {
		r.config.onError(err)
	} else {
		r.log(err)
	}
}

// recovered is deferred: it passes a panic on as an error.
func recovered(report func(error)) {
	if problem := recover(); problem != nil {
		report(fmt.Errorf("chord: a callback panicked: %v\n%s", problem, debug.Stack()))
	}
}
