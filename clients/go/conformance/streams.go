package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

// watch pulls one event at a time, and only when asked to.
type watch struct {
	cancel context.CancelFunc
	pull   func() (chord.Event, error, bool)
	stop   func()
	// The event that was asked for and did not come in time comes here; so does each other one.
	results chan pulled
	asked   bool
}

type pulled struct {
	event chord.Event
	err   error
	more  bool
}

func (d *driver) watch(args args) (form, error) {
	options := append(of[chord.WatchOption](args.historyOptions()), chord.Known(args.knownPositions()))
	ctx, cancel := context.WithCancel(background)
	pull, stop := iter.Pull2(d.client.Watch(ctx, args.targets(), options...))
	handle := d.newHandle()
	d.watches[handle] = &watch{cancel: cancel, pull: pull, stop: stop, results: make(chan pulled, 1)}
	return form{"handle": handle}, nil
}

func (d *driver) next(args args) (form, error) {
	watch, ok := d.watches[args.Handle]
	if !ok {
		return nil, fmt.Errorf("no watch %q", args.Handle)
	}
	count := 1
	if args.Count != nil {
		count = *args.Count
	}
	late := time.After(milliseconds(args.Timeout, time.Second))
	events := []form{}
	for len(events) < count {
		watch.ask()
		select {
		case result := <-watch.results:
			watch.asked = false
			if result.err != nil {
				return nil, result.err
			}
			if !result.more {
				return form{"events": events}, nil
			}
			events = append(events, eventForm(result.event))
		case <-late:
			return form{"events": events}, nil
		}
	}
	return form{"events": events}, nil
}

func (w *watch) ask() {
	if w.asked {
		return
	}
	w.asked = true
	go func() {
		event, err, more := w.pull()
		w.results <- pulled{event, err, more}
	}()
}

func (w *watch) close() {
	w.cancel()
	if w.asked {
		<-w.results
	}
	w.stop()
}

// replica keeps one token in the channel when it has changed: read waits for it.
type replica struct {
	*chord.Replica
	changed chan struct{}
	// Of the error callback.
	errors chan error
	mutex  sync.Mutex
	// What each callback saw, from ready on.
	noting bool
	noted  []form
}

func (r *replica) note(change chord.ReplicaChange) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.noting {
		versions := form{}
		for id, document := range r.State() {
			versions[id] = document.Position.Version
		}
		r.noted = append(r.noted, form{"contextId": change.ID, "versions": versions})
	}
	select {
	case r.changed <- struct{}{}:
	default: // a notification is pending
	}
}

func (r *replica) seen() []form {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.noted)
}

func (d *driver) seen(args args) (form, error) {
	replica, ok := d.replicas[args.Handle]
	if !ok {
		return nil, fmt.Errorf("no replica %q", args.Handle)
	}
	late := time.After(milliseconds(args.Timeout, 10*time.Second))
	for len(replica.seen()) < *args.Count {
		select {
		case <-replica.changed:
		case <-late:
			return nil, errTimeout
		}
	}
	return form{"seen": replica.seen()}, nil
}

func (d *driver) ended(args args) (form, error) {
	replica, ok := d.replicas[args.Handle]
	if !ok {
		return nil, fmt.Errorf("no replica %q", args.Handle)
	}
	select {
	case err := <-replica.errors:
		return form{"error": errorForm(err)}, nil
	case <-time.After(milliseconds(args.Timeout, 10*time.Second)):
		return nil, errTimeout
	}
}

func (d *driver) replica(args args) (form, error) {
	made := &replica{changed: make(chan struct{}, 1), errors: make(chan error, 1)}
	made.mutex.Lock() // until there is a Replica to note
	made.Replica = chord.NewReplica(background, d.client, args.targets(),
		chord.OnChange(made.note), chord.OnError(func(err error) { made.errors <- err }))
	made.mutex.Unlock()
	ctx, cancel := context.WithTimeout(background, milliseconds(args.Timeout, 10*time.Second))
	defer cancel()
	if err := made.Ready(ctx); err != nil {
		made.Close()
		if ctx.Err() != nil {
			return nil, errTimeout
		}
		return nil, err
	}
	made.mutex.Lock()
	made.noting = true
	made.mutex.Unlock()
	handle := d.newHandle()
	d.replicas[handle] = made
	return form{"handle": handle}, nil
}

func (d *driver) read(args args) (form, error) {
	replica, ok := d.replicas[args.Handle]
	if !ok {
		return nil, fmt.Errorf("no replica %q", args.Handle)
	}
	late := time.After(milliseconds(args.Timeout, 10*time.Second))
	for !replica.holds(args) {
		select {
		case <-replica.changed:
		case <-late:
			return nil, errTimeout
		}
	}
	value, ok := replica.Get(args.ContextID)
	if !ok {
		return form{"value": nil, "position": nil}, nil
	}
	position, _ := replica.Position(args.ContextID)
	return form{"value": value, "position": positionForm(position)}, nil
}

func (r *replica) holds(args args) bool {
	position, _ := r.Position(args.ContextID)
	if args.Version == nil {
		return true
	}
	if *args.Version == 0 {
		return position.IsZero()
	}
	return position.Version >= *args.Version
}
