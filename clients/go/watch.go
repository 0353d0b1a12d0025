package chord

import (
	"context"
	"errors"
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
// yields. Events are read from the network as they are taken: a slow reader gets merged deltas.
func (c *Client) Watch(ctx context.Context, targets Targets, options ...WatchOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		newWatch(c, targets, options).run(ctx, yield)
	}
}

// watch is one range over a Watch. All of it happens in the reader's goroutine.
type watch struct {
	client  *Client
	config  watchConfig
	tracker *tracker
	// Failures since the last message came.
	failures int
	// What the server asked for when it closed the stream.
	retryAfter time.Duration
	// Whether this connection has brought an event or a heartbeat.
	heard bool
	// The reader asks for a new connection: see resync.
	misfit bool
}

func newWatch(client *Client, targets Targets, options []WatchOption) *watch {
	w := &watch{client: client}
	for _, option := range options {
		option.watch(&w.config)
	}
	w.tracker = newTracker(targets, w.config.known, knownBytesMax)
	return w
}

// resync: this context's last event did not fit the reader's copy. Connects again for the document, after yield.
func (w *watch) resync(id string) {
	w.tracker.doubt(id)
	w.misfit = true
}

// errStopped: the reader has left the loop.
var errStopped = errors.New("stopped")

func (w *watch) run(ctx context.Context, yield func(Event, error) bool) {
	ctx, cancel := w.client.within(ctx)
	defer cancel()
	for ctx.Err() == nil {
		err := w.stream(ctx, yield)
		if ctx.Err() != nil || err == errStopped {
			return
		}
		failed := failure(ctx, err)
		if _, limited := ctx.Deadline(); limited && failed.Code == codes.DeadlineExceeded {
			return // the server, which knows the deadline, was first to see it pass
		}
		// The token has expired under way: there may be a new one.
		expired := w.heard && failed.Code == codes.Unauthenticated
		doubtful := failed.Code != codes.Unavailable && failed.Code != codes.ResourceExhausted
		if !(failed.transient || expired) || (doubtful && w.failures >= doubtfulFailuresMax) {
			yield(nil, failed)
			return
		}
		delay := max(w.client.settings.retry.backoff(w.failures), w.retryAfter, failed.RetryAfter)
		w.failures++
		if w.config.onDisconnect != nil {
			w.config.onDisconnect(failed, delay)
		}
		sleep(ctx, delay)
	}
}

// stream is one connection: it delivers until that breaks, and answers why.
func (w *watch) stream(ctx context.Context, yield func(Event, error) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.retryAfter, w.heard, w.misfit = 0, false, false
	stream, err := w.open(ctx)
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

func (w *watch) open(ctx context.Context) (grpc.ClientStream, error) {
	request := &chordv1.WatchContextsRequest{
		Subscriptions:    w.tracker.connect(),
		IncludeOldValues: w.config.oldValues,
	}
	if w.config.heartbeat != 0 {
		request.HeartbeatInterval = durationpb.New(w.config.heartbeat)
	}
	bytes, err := encode(request)
	if err != nil {
		return nil, err
	}
	description := &grpc.StreamDesc{ServerStreams: true}
	stream, err := w.client.connection.NewStream(ctx, description, chordv1.SyncService_WatchContexts_FullMethodName)
	if err != nil {
		return nil, err
	}
	// io.EOF: the stream is broken already, and RecvMsg knows why.
	if err := stream.SendMsg(bytes); err != nil && err != io.EOF {
		return nil, err
	}
	return stream, stream.CloseSend()
}

func (w *watch) deliver(message *chordv1.WatchContextsResponse, yield func(Event, error) bool) error {
	w.failures = 0
	if closing := message.GetClosing(); closing != nil {
		w.retryAfter = closing.GetRetryAfter().AsDuration()
	} else {
		w.heard = true
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
