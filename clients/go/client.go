package chord

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/proto"
)

// Client has the calls. It may be used by many goroutines; Close it when done.
type Client struct {
	connections *connections
	settings    settings
	// One token for each call in flight.
	turns chan struct{}
	// Ends with the client.
	lifetime  context.Context
	close     context.CancelFunc
	presences presences
}

// NewClient connects at the first call. The address is HOST:PORT.
func NewClient(address string, options ...Option) (*Client, error) {
	var settings settings
	for _, option := range options {
		option(&settings)
	}
	settings.retry = settings.retry.withDefaults()
	orDefault(&settings.deadline, 10*time.Second)
	orDefault(&settings.callsInFlight, 100)
	orDefault(&settings.watchesPerConnection, 90)
	connections, err := newConnections(settings.watchesPerConnection, func() (*grpc.ClientConn, error) {
		return newChannel(address, settings)
	})
	if err != nil {
		return nil, unsendable("address", err.Error())
	}
	lifetime, cancel := context.WithCancel(context.Background())
	return &Client{
		connections: connections, settings: settings, turns: make(chan struct{}, settings.callsInFlight),
		lifetime: lifetime, close: cancel,
	}, nil
}

// Close ends all presences, calls, watches and replicas, and the connections. A second one does nothing. Whatever the client is
// asked for afterwards is CANCELLED.
func (c *Client) Close() error {
	c.presences.close()
	c.close()
	return c.connections.close()
}

// Set creates a context, or replaces its document.
func (c *Client) Set(ctx context.Context, id string, value map[string]any, options ...SetOption) (*WriteResult, error) {
	request, err := applied(options, SetOption.set).named().toSet(id, value)
	if err != nil {
		return nil, err
	}
	answer := &chordv1.SetContextResponse{}
	if err := c.call(ctx, chordv1.ContextService_SetContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	return fromWrite(answer), nil
}

// Update changes parts of a document. NOT_FOUND where the context is missing, without AllowMissing.
func (c *Client) Update(ctx context.Context, id string, edit Edit, options ...UpdateOption) (*WriteResult, error) {
	return c.update(ctx, id, edit, applied(options, UpdateOption.update))
}

func (c *Client) update(ctx context.Context, id string, edit Edit, asked write) (*WriteResult, error) {
	request, err := asked.named().toUpdate(id, edit)
	if err != nil {
		return nil, err
	}
	answer := &chordv1.UpdateContextResponse{}
	if err := c.call(ctx, chordv1.ContextService_UpdateContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	return fromWrite(answer), nil
}

// Revert writes the document of an earlier version: a new version, which undoes all changes since. NOT_FOUND above the
// present version, FAILED_PRECONDITION where the history of that version is no longer retained.
func (c *Client) Revert(ctx context.Context, id string, version uint64, options ...RevertOption) (*WriteResult, error) {
	request, err := applied(options, RevertOption.revert).named().toRevert(id, version)
	if err != nil {
		return nil, err
	}
	answer := &chordv1.RevertContextResponse{}
	if err := c.call(ctx, chordv1.ContextService_RevertContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	return fromWrite(answer), nil
}

// Get reads a document. The answer contains every write acknowledged before this call. With AtVersion or AtTime it is the
// document of then.
func (c *Client) Get(ctx context.Context, id string, options ...GetOption) (*Document, error) {
	answer := &chordv1.GetContextResponse{}
	request := &chordv1.GetContextRequest{ContextId: id}
	for _, option := range options {
		option.get(request)
	}
	if err := c.call(ctx, chordv1.ContextService_GetContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	document := fromContext(answer.GetContext())
	document.Expiries = fromExpiries(answer.GetExpiries())
	return &document, nil
}

// Delete removes a context with its history. NOT_FOUND where it is missing, without AllowMissing.
func (c *Client) Delete(ctx context.Context, id string, options ...DeleteOption) (*DeleteResult, error) {
	request, err := applied(options, DeleteOption.delete).named().toDelete(id)
	if err != nil {
		return nil, err
	}
	answer := &chordv1.DeleteContextResponse{}
	if err := c.call(ctx, chordv1.ContextService_DeleteContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	return &DeleteResult{fromPosition(answer.GetPosition()), answer.GetChanged()}, nil
}

// Touch renews the time to live, or sets another one with TTL: of the context, or with Paths of members of it alone.
// FAILED_PRECONDITION where one of these does not expire, or has expired. Answers without the value.
func (c *Client) Touch(ctx context.Context, id string, options ...TouchOption) (*Document, error) {
	request, err := applied(options, TouchOption.touch).toTouch(id)
	if err != nil {
		return nil, err
	}
	answer := &chordv1.TouchContextResponse{}
	if err := c.call(ctx, chordv1.ContextService_TouchContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	document := fromContextHead(answer.GetContext())
	return &document, nil
}

// Sync answers what a copy at the known position lacks; for the zero Position, the document.
func (c *Client) Sync(ctx context.Context, id string, known Position, options ...SyncOption) (SyncResult, error) {
	config := applied(options, SyncOption.sync)
	if config.err != nil {
		return nil, config.err
	}
	request := &chordv1.SyncContextRequest{
		ContextId: id, IncludeOldValues: config.oldValues, Format: config.format, Paths: config.paths,
	}
	if !known.IsZero() {
		request.Known = toPosition(known)
	}
	answer := &chordv1.SyncContextResponse{}
	if err := c.call(ctx, chordv1.SyncService_SyncContext_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	return fromSync(answer), nil
}

// List ranges over all contexts whose ids begin with the prefix, in the order of their ids, read page after page.
// ctx is for each page's call.
func (c *Client) List(ctx context.Context, prefix string, options ...ListOption) iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		request := &chordv1.ListContextsRequest{Prefix: prefix}
		for _, option := range options {
			option.list(request)
		}
		from := fromContextHead
		if request.IncludeValues {
			from = fromContext
		}
		for more := true; more; more = request.PageToken != "" {
			page := &chordv1.ListContextsResponse{}
			if err := c.call(ctx, chordv1.ContextService_ListContexts_FullMethodName, request, page); err != nil {
				yield(nil, err)
				return
			}
			for _, message := range page.GetContexts() {
				if document := from(message); !yield(&document, nil) {
					return
				}
			}
			request.PageToken = page.GetNextPageToken()
		}
	}
}

// Deltas ranges over the retained history after a version, page after page.
func (c *Client) Deltas(ctx context.Context, id string, fromVersion uint64, options ...DeltasOption) iter.Seq2[*DeltaPage, error] {
	return func(yield func(*DeltaPage, error) bool) {
		config := applied(options, DeltasOption.deltas)
		request := &chordv1.ListDeltasRequest{
			ContextId: id, FromVersion: fromVersion,
			IncludeOldValues: config.oldValues, Format: config.format, PageSize: config.pageSize,
		}
		for more := true; more; more = request.PageToken != "" {
			page := &chordv1.ListDeltasResponse{}
			if err := c.call(ctx, chordv1.SyncService_ListDeltas_FullMethodName, request, page); err != nil {
				yield(nil, err)
				return
			}
			deltas := &DeltaPage{fromDeltas(page.GetDeltas()), fromPosition(page.GetHead()), page.GetTruncated()}
			if !yield(deltas, nil) {
				return
			}
			request.PageToken = page.GetNextPageToken()
		}
	}
}

// call is one call with all its tries.
func (c *Client) call(ctx context.Context, method string, request, answer proto.Message) error {
	bytes, err := encode(request)
	if err != nil {
		return err
	}
	payload := c.payload(request, bytes)
	return c.tried(ctx, c.settings.retry, func(ctx context.Context) error {
		return c.connections.first.Invoke(ctx, method, payload, answer)
	})
}

// tried tries while the policy and the deadline allow, and the client is not closed.
func (c *Client) tried(ctx context.Context, policy RetryPolicy, attempt func(context.Context) error) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := retrying(ctx, policy, c.turns, attempt)
	if err != nil && c.lifetime.Err() != nil {
		return closed("client", err)
	}
	return err
}

// pause is over with ctx, after delay, or as soon as a connection is made that could not be made.
func (c *Client) pause(ctx context.Context, delay time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	channel := c.connections.first
	state := channel.GetState()
	// A connection that was made, and then lost, is IDLE.
	if state != connectivity.Connecting && state != connectivity.TransientFailure {
		<-ctx.Done()
		return
	}
	for state != connectivity.Ready && channel.WaitForStateChange(ctx, state) {
		state = channel.GetState()
	}
}

// bounded ends ctx with the client, and at the client's deadline where it has none.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := c.within(ctx)
	if _, ok := ctx.Deadline(); ok {
		return ctx, cancel
	}
	ctx, cancelTimer := context.WithTimeout(ctx, c.settings.deadline)
	return ctx, func() {
		cancelTimer()
		cancel()
	}
}

// within ends ctx with the client.
func (c *Client) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.lifetime, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// written is the answer to a Set or an Update.
type written interface {
	GetPosition() *chordv1.Position
	GetChanged() bool
	GetContext() *chordv1.Context
	GetDelta() *chordv1.Delta
}

func fromWrite(answer written) *WriteResult {
	result := &WriteResult{Position: fromPosition(answer.GetPosition()), Changed: answer.GetChanged()}
	if answer.GetContext() != nil {
		document := fromContext(answer.GetContext())
		result.Document = &document
	}
	if answer.GetDelta() != nil {
		delta := fromDelta(answer.GetDelta())
		result.Delta = &delta
	}
	return result
}

// synced is the answer to a Sync or a Wait.
type synced interface {
	GetFull() *chordv1.Full
	GetDelta() *chordv1.Delta
	GetNoChange() *chordv1.NoChange
}

func fromSync(answer synced) SyncResult {
	if full := answer.GetFull(); full != nil {
		return fromFull(full)
	}
	if delta := answer.GetDelta(); delta != nil {
		return &DeltaEvent{Delta: fromDelta(delta)}
	}
	return &NoChange{fromPosition(answer.GetNoChange().GetPosition())}
}

// newRequestID is a random UUID.
func newRequestID() string {
	var bytes [16]byte
	rand.Read(bytes[:])
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
}
