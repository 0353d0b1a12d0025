package chord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Errors other than UNAVAILABLE may be the network's, or be there to stay.
const doubtfulFailuresMax = 5

// Watch ranges over what happens to contexts, without gaps or duplicates, across broken connections and restarts of
// the server:
//
//	for event, err := range client.Watch(ctx, chord.IDs("room:1")) { ... }
//
// It connects when the range begins; each range is a watch of its own. The end of ctx, of the client or of the loop
// ends it without an error; ctx's deadline is the watch's. An *Error that cannot be got over is the last that it
// yields; a closed client's is CANCELLED. Events are read from the network as they are taken: a slow reader gets merged
// deltas. A batch comes when it is complete, its events back to back, each but the last with More.
func (c *Client) Watch(ctx context.Context, targets Targets, options ...WatchOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if c.lifetime.Err() != nil {
			yield(nil, closed("client", nil))
			return
		}
		newWatch(c, targets, applied(options, WatchOption.watch)).run(ctx, yield)
	}
}

// watch is one range over a Watch. All of it happens in the reader's goroutine.
type watch struct {
	client  *Client
	config  watchConfig
	tracker *tracker
	waits   waits
	// Doubtful failures in a row, without a message between.
	doubts int
	// Refusals of the token in a row, each at the beginning of a connection.
	refusals int
	// What the server asked for when it closed the stream.
	retryAfter time.Duration
	// Whether this connection has brought an event or a heartbeat.
	heard bool
	// The reader asks for a new connection: see resync.
	misfit bool
}

func newWatch(client *Client, targets Targets, config watchConfig) *watch {
	return &watch{
		client: client, config: config, waits: waits{policy: client.settings.retry},
		tracker: newTracker(targets, config.known, knownBytesMax),
	}
}

// resync: these, the last events, did not fit the reader's copy. Connects again for the documents, after yield.
func (w *watch) resync(events []Event) {
	w.tracker.refuse(events)
	w.misfit = true
}

// errStopped: the reader has left the loop.
var errStopped = errors.New("stopped")

func (w *watch) run(ctx context.Context, yield func(Event, error) bool) {
	for i, target := range w.tracker.targets {
		if err := wellFormed(target.ID); err != nil {
			yield(nil, refused(fmt.Sprintf("targets[%d]", i), err))
			return
		}
		if _, err := toPaths(fmt.Sprintf("targets[%d].paths", i), target.Paths); err != nil {
			yield(nil, err)
			return
		}
	}
	ctx, cancel := w.client.within(ctx)
	defer cancel()
	for ctx.Err() == nil {
		err := w.stream(ctx, yield)
		if ctx.Err() != nil || err == errStopped {
			return
		}
		failed := failure(ctx, err)
		if !(failed.transient || w.expired(failed)) || w.tooDoubtful(failed) {
			yield(nil, failed)
			return
		}
		delay := max(w.waits.next(time.Now()), w.retryAfter, failed.RetryAfter)
		w.client.settings.warn("chord: a watch was disconnected, and connects again", "error", failed, "delay", delay)
		if w.config.onDisconnect != nil {
			w.config.onDisconnect(failed, delay)
		}
		w.client.pause(ctx, delay)
	}
}

// expired: the token was good, or there may be another one.
func (w *watch) expired(failed *Error) bool {
	if failed.Code != codes.Unauthenticated || w.heard {
		return failed.Code == codes.Unauthenticated
	}
	w.refusals++
	return w.client.settings.renews && w.refusals == 1
}

func (w *watch) tooDoubtful(failed *Error) bool {
	if !failed.certain {
		w.doubts++
	}
	return w.doubts > doubtfulFailuresMax
}

// stream is one connection: it delivers until that breaks, and answers why.
func (w *watch) stream(ctx context.Context, yield func(Event, error) bool) error {
	// Without ctx's deadline: a server on Node would end the stream at once for one beyond 24.8 days.
	open, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	defer cancel()
	w.retryAfter, w.heard, w.misfit = 0, false, false
	stream, leave, err := w.open(open)
	defer leave()
	for err == nil {
		message := &chordv1.WatchContextsResponse{}
		if err = stream.RecvMsg(message); err != nil {
			break
		}
		err = w.deliver(message, yield)
	}
	if err == io.EOF {
		return unavailable("the server ended the stream")
	}
	return err
}

func (w *watch) open(ctx context.Context) (stream grpc.ClientStream, leave func(), err error) {
	request := &chordv1.WatchContextsRequest{
		Subscriptions:    w.tracker.connect(),
		IncludeOldValues: w.config.oldValues,
		Format:           w.config.format,
	}
	if w.config.heartbeat != 0 {
		request.HeartbeatInterval = durationpb.New(w.config.heartbeat)
	}
	bytes, err := encode(request)
	if err != nil {
		return nil, func() {}, err
	}
	description := &grpc.StreamDesc{ServerStreams: true}
	stream, leave, err = w.client.connections.open(ctx, description, chordv1.SyncService_WatchContexts_FullMethodName)
	if err != nil {
		return nil, leave, err
	}
	// io.EOF: the stream is broken already, and RecvMsg knows why.
	if err := stream.SendMsg(w.client.payload(request, bytes)); err != nil && err != io.EOF {
		return nil, leave, err
	}
	return stream, leave, stream.CloseSend()
}

func (w *watch) deliver(message *chordv1.WatchContextsResponse, yield func(Event, error) bool) error {
	w.waits.heard(time.Now())
	w.doubts = 0
	if closing := message.GetClosing(); closing != nil {
		w.retryAfter = closing.GetRetryAfter().AsDuration()
	} else {
		w.heard, w.refusals = true, 0
	}
	events, fits := w.tracker.take(message)
	for _, event := range events {
		if !yield(event, nil) {
			return errStopped
		}
	}
	if !fits || w.misfit {
		return unavailable("an event does not fit what came before")
	}
	return nil
}
