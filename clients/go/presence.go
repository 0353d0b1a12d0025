package chord

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Presence is a member of a context that is there as long as this process keeps it there: who is in a room, which worker
// holds a job. Close it when done.
type Presence struct {
	client  *Client
	id      string
	path    Path
	ttl     time.Duration
	onError func(error)

	// Holds a token while a value is written: the one that is set last is the one that is there.
	turn chan struct{}
	// Guarded by it.
	value any

	closing context.Context
	stop    context.CancelFunc
	stopped chan struct{}
	removal sync.Once
}

// PresenceOption is an option of Client.Presence: OnPresenceError.
type PresenceOption func(*Presence)

// OnPresenceError is called when a renewal or the removal failed; the presence goes on. Without it that is logged. The call must
// not Close the presence. For Presence.
func OnPresenceError(call func(error)) PresenceOption {
	return func(p *Presence) { p.onError = call }
}

// Presence sets a member with this time to live, now and wherever it has gone, and renews it in time. It goes when the
// presence or the client is closed, or at most ttl after this process has died. ctx is for the first write.
func (c *Client) Presence(
	ctx context.Context, id string, path Path, value any, ttl time.Duration, options ...PresenceOption,
) (*Presence, error) {
	closing, stop := context.WithCancel(c.lifetime)
	p := &Presence{
		client: c, id: id, path: path, ttl: ttl, value: value,
		turn: make(chan struct{}, 1), closing: closing, stop: stop, stopped: make(chan struct{}),
		onError: func(err error) { c.settings.error("chord: presence", err) },
	}
	for _, option := range options {
		option(p)
	}
	if err := p.Set(ctx, value); err != nil {
		stop()
		return nil, err
	}
	if !c.presences.add(p) {
		stop()
		return nil, closed("client", nil)
	}
	go p.run()
	return p, nil
}

// Set sets another value, which also renews the member. Of several at the same time, one waits for the other. CANCELLED after Close.
func (p *Presence) Set(ctx context.Context, value any) error {
	return p.inTurn(ctx, func() error {
		if p.closing.Err() != nil && p.client.lifetime.Err() == nil { // else the client says that it is closed
			return closed("presence", nil)
		}
		p.value = value
		return p.write(ctx)
	})
}

func (p *Presence) inTurn(ctx context.Context, do func() error) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
		if ctx.Err() != nil { // the value is not taken
			return ended(ctx, "the write had yet to begin")
		}
		return do()
	case <-ctx.Done():
		return ended(ctx, "waiting for another write of the presence")
	}
}

func (p *Presence) write(ctx context.Context) error {
	_, err := p.client.Update(ctx, p.id, Mutate(SetFor(p.path, p.value, p.ttl)), AllowMissing())
	return err
}

// Close ends the renewals and removes the member. Where the removal fails, the member expires. A second one does nothing.
func (p *Presence) Close() error {
	p.removal.Do(func() {
		p.stop()
		<-p.stopped
		p.client.presences.remove(p)
		ctx, cancel := context.WithTimeout(context.Background(), p.ttl)
		defer cancel()
		err := p.inTurn(ctx, func() error {
			_, err := p.client.Update(ctx, p.id, Mutate(RemoveAt(p.path)))
			return err
		})
		if err != nil && !hasGone(err) {
			p.onError(err)
		}
	})
	return nil
}

func (p *Presence) run() {
	defer close(p.stopped)
	for {
		// Random, so that those that began together do not stay together.
		wait := time.Duration(float64(p.ttl) / 3 * (0.8 + 0.4*rand.Float64()))
		select {
		case <-p.closing.Done():
			return
		case <-time.After(wait):
		}
		if err := p.renew(); err != nil && p.closing.Err() == nil {
			p.onError(err)
		}
	}
}

func (p *Presence) renew() error {
	ctx, cancel := context.WithTimeout(p.closing, p.ttl)
	defer cancel()
	_, err := p.client.Touch(ctx, p.id, Paths(p.path))
	if err == nil || !hasGone(err) {
		return err
	}
	return p.inTurn(p.closing, func() error { return p.write(p.closing) })
}

// hasGone is whether a member must be set again: it has expired, or its context is gone.
func hasGone(err error) bool {
	return errors.Is(err, FailedPrecondition) || errors.Is(err, NotFound)
}

// presences are those that the client closes.
type presences struct {
	mutex  sync.Mutex
	all    map[*Presence]struct{}
	closed bool
}

func (s *presences) add(p *Presence) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return false
	}
	if s.all == nil {
		s.all = map[*Presence]struct{}{}
	}
	s.all[p] = struct{}{}
	return true
}

func (s *presences) remove(p *Presence) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.all, p)
}

// close closes all, at the same time.
func (s *presences) close() {
	s.mutex.Lock()
	s.closed = true
	var open []*Presence
	for p := range s.all {
		open = append(open, p)
	}
	s.mutex.Unlock()
	var group sync.WaitGroup
	for _, p := range open {
		group.Add(1)
		go func() {
			defer group.Done()
			p.Close()
		}()
	}
	group.Wait()
}
