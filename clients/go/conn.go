package chord

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Conn is for the stubs of package chordv1, gen/chord/v1, and of gRPC's health checking: calls that have no method of Client
// (cleanup, export and restore, statistics, backup), with its connections, token, deadline and errors.
//
//	cleanup := chordv1.NewCleanupServiceClient(client.Conn())
//	answer, err := cleanup.RunCleanup(ctx, &chordv1.RunCleanupRequest{DryRun: true}, chord.Repeatable())
//
// A call takes one of the calls in flight, and has one try unless it is Repeatable. A stream counts as a watch, has no deadline but
// that of its ctx, and ends with ctx, with the client, or when it is read to its end. Both fail with *Error.
func (c *Client) Conn() grpc.ClientConnInterface { return conn{c} }

// Repeatable is an option for calls by Conn: they are tried again as those of Client, since a repeat does no harm. It does none
// to reads, and to writes with a request_id.
func Repeatable() grpc.CallOption { return repeatable{} }

type repeatable struct{ grpc.EmptyCallOption }

type conn struct{ client *Client }

var errNoMessage = errors.New("is no message of protobuf")

func (c conn) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	message, ok := request.(proto.Message)
	if !ok {
		return unsendable("request", errNoMessage.Error())
	}
	bytes, err := encode(message)
	if err != nil {
		return err
	}
	payload := c.client.payload(message, bytes)
	policy := c.client.settings.retry
	if !isRepeatable(options) {
		policy.Attempts, policy.AttemptTimeout = 1, timeoutMax
	}
	return c.client.tried(ctx, policy, func(ctx context.Context) error {
		return c.client.connections.first.Invoke(ctx, method, payload, answer, options...)
	})
}

func isRepeatable(options []grpc.CallOption) bool {
	for _, option := range options {
		if _, ok := option.(repeatable); ok {
			return true
		}
	}
	return false
}

func (c conn) NewStream(
	ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if c.client.lifetime.Err() != nil {
		return nil, closed("client", nil)
	}
	within, cancel := c.client.within(ctx)
	opened, leave, err := c.client.connections.open(within, description, method, options...)
	end := sync.OnceFunc(func() {
		leave()
		cancel()
	})
	if err != nil {
		end()
		return nil, c.client.streamFailure(ctx, err)
	}
	context.AfterFunc(opened.Context(), end)
	return stream{opened, c.client, ctx}, nil
}

// stream has the client's errors.
type stream struct {
	grpc.ClientStream
	client *Client
	// The caller's.
	ctx context.Context
}

func (s stream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.failure(err)
}

func (s stream) SendMsg(message any) error { return s.failure(s.ClientStream.SendMsg(message)) }

func (s stream) RecvMsg(message any) error { return s.failure(s.ClientStream.RecvMsg(message)) }

func (s stream) CloseSend() error { return s.failure(s.ClientStream.CloseSend()) }

// failure is nil for nil, and io.EOF as it is: it is no error, or RecvMsg says which.
func (s stream) failure(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return s.client.streamFailure(s.ctx, err)
}

func (c *Client) streamFailure(ctx context.Context, err error) error {
	failed := failure(ctx, err)
	if c.lifetime.Err() != nil {
		return closed("client", failed)
	}
	return failed
}
