package chord

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Replica is a live local copy of contexts. Reading it never waits for the network. Documents are read-only: what
// does not change is shared by all readers. Close it when done.
type Replica struct {
	config  replicaConfig
	cancel  context.CancelFunc
	ready   chan struct{}
	stopped chan struct{}

	mutex sync.RWMutex
	// The following are guarded by it. Documents are replaced, never written to.
	documents map[string]replicated
	live      bool
	caughtUp  bool
	err       error
}

type replicated struct {
	value    map[string]any
	position Position
}

// ReplicaChange is one change of a Replica.
type ReplicaChange struct {
	ID string
	// Value is nil where the context is gone.
	Value map[string]any
	// Position is zero where the context is gone.
	Position Position
	// Changes lead from the former value to this one. nil where the whole document came, or went.
	Changes []Change
}

// ReplicaOption sets up a Replica: OnChange, OnCaughtUp, OnDisconnect, OnError. Callbacks are called one at a time, in
// the order of what happened, by the replica's goroutine: they must not block for long, nor Close it (cancel its
// context instead).
type ReplicaOption interface{ replica(*replicaConfig) }

type replicaConfig struct {
	onChange     []func(ReplicaChange)
	onCaughtUp   []func()
	onDisconnect []func(err *Error, delay time.Duration)
	onError      func(error)
}

type replicaOption func(*replicaConfig)

func (option replicaOption) replica(config *replicaConfig) { option(config) }

// OnChange is called after the replica has changed. May be given more than once.
func OnChange(call func(ReplicaChange)) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onChange = append(config.onChange, call) })
}

// OnCaughtUp is called when everything that existed has come: at first, and after each new connection.
func OnCaughtUp(call func()) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onCaughtUp = append(config.onCaughtUp, call) })
}

// OnError is called when the replica cannot go on, and with the panics of callbacks, which end nothing. Without it
// both are logged.
func OnError(call func(error)) ReplicaOption {
	return replicaOption(func(config *replicaConfig) { config.onError = call })
}

// NewReplica begins to copy at once, and ends with ctx, with the client, or by Close. Between connections the copy
// stays as it was.
func NewReplica(ctx context.Context, client *Client, targets Targets, options ...ReplicaOption) *Replica {
	ctx, cancel := context.WithCancel(ctx)
	r := &Replica{
		cancel: cancel, ready: make(chan struct{}), stopped: make(chan struct{}),
		documents: map[string]replicated{},
	}
	r.config.onError = func(err error) { slog.Error("chord: replica", "error", err) }
	for _, option := range options {
		option.replica(&r.config)
	}
	go r.run(ctx, client, slices.Clone(targets))
	return r
}

// Ready waits until everything that existed has come. An error where the replica or ctx ended before.
func (r *Replica) Ready(ctx context.Context) error {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return cancelled("cancelled while waiting for the replica", ctx.Err())
	}
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	if r.caughtUp {
		return nil
	}
	return r.err
}

// Get is the document now; false where there is none.
func (r *Replica) Get(id string) (map[string]any, bool) {
	document, ok := r.find(id)
	return document.value, ok
}

// Position is where the document stands; false where there is none.
func (r *Replica) Position(id string) (Position, bool) {
	document, ok := r.find(id)
	return document.position, ok
}

func (r *Replica) find(id string) (replicated, bool) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	document, ok := r.documents[id]
	return document, ok
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
	onDisconnect := OnDisconnect(func(err *Error, delay time.Duration) {
		r.update(func() { r.live = false })
		tell(r, func(call func(*Error, time.Duration)) { call(err, delay) }, r.config.onDisconnect)
	})
	watch := newWatch(client, targets, []WatchOption{onDisconnect})
	var end error = cancelled("the replica was closed", nil)
	watch.run(ctx, func(event Event, err error) bool {
		if err != nil {
			end = err
			tell(r, func(call func(error)) { call(err) }, []func(error){r.config.onError})
			return false
		}
		r.take(watch, event)
		return ctx.Err() == nil
	})
	r.update(func() { r.live, r.err = false, end })
	if !r.caughtUp {
		close(r.ready)
	}
}

func (r *Replica) take(watch *watch, event Event) {
	switch event := event.(type) {
	case *FullEvent:
		r.store(ReplicaChange{event.ID, event.Value, event.Position, nil})
	case *DeltaEvent:
		document, _ := r.find(event.ID)
		value, err := Apply(document.value, event.Changes)
		if err != nil {
			watch.resync(event.ID)
			return
		}
		r.store(ReplicaChange{event.ID, value, event.To, event.Changes})
	case *DeletedEvent:
		r.store(ReplicaChange{ID: event.ID})
	case *CaughtUpEvent:
		first := false
		r.update(func() { first, r.live, r.caughtUp = !r.caughtUp, true, true })
		if first {
			close(r.ready)
		}
		tell(r, func(call func()) { call() }, r.config.onCaughtUp)
	}
}

func (r *Replica) store(change ReplicaChange) {
	r.update(func() {
		if change.Value == nil {
			delete(r.documents, change.ID)
		} else {
			r.documents[change.ID] = replicated{change.Value, change.Position}
		}
	})
	tell(r, func(call func(ReplicaChange)) { call(change) }, r.config.onChange)
}

func (r *Replica) update(change func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	change()
}

// tell calls callbacks; one that panics must not end the replica.
func tell[F any](r *Replica, with func(F), callbacks []F) {
	for _, callback := range callbacks {
		func() {
			defer func() {
				if problem := recover(); problem != nil {
					r.config.onError(fmt.Errorf("chord: a callback panicked: %v\n%s", problem, debug.Stack()))
				}
			}()
			with(callback)
		}()
	}
}
