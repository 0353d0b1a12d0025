package chord

import (
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/grpc"
)

// connections are those of a client. The first is that of the calls; each has at most streamsMax streams of watches,
// and those after the first go with their last one.
type connections struct {
	first      *grpc.ClientConn
	connect    func() (*grpc.ClientConn, error)
	streamsMax int

	mutex  sync.Mutex
	all    []*connection
	closed bool
}

type connection struct {
	*grpc.ClientConn
	streams int
}

func newConnections(streamsMax int, connect func() (*grpc.ClientConn, error)) (*connections, error) {
	channel, err := connect()
	all := []*connection{{channel, 0}}
	return &connections{first: channel, connect: connect, streamsMax: streamsMax, all: all}, err
}

// open opens a stream where there is room for one; leave gives its place back.
func (c *connections) open(
	ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (stream grpc.ClientStream, leave func(), err error) {
	taken, err := c.take()
	if err != nil {
		return nil, func() {}, err
	}
	leave = func() { c.giveBack(taken) }
	stream, err = taken.NewStream(ctx, description, method, options...)
	return stream, leave, err
}

// invoke does a call that lasts as a stream does, and counts as one.
func (c *connections) invoke(ctx context.Context, method string, request, answer any) error {
	taken, err := c.take()
	if err != nil {
		return err
	}
	defer c.giveBack(taken)
	return taken.Invoke(ctx, method, request, answer)
}

func (c *connections) take() (*connection, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed { // a further connection would not be closed any more
		return nil, closed("client", nil)
	}
	at := slices.IndexFunc(c.all, func(each *connection) bool { return each.streams < c.streamsMax })
	if at == -1 {
		channel, err := c.connect()
		if err != nil {
			return nil, err
		}
		c.all = append(c.all, &connection{channel, 0})
		at = len(c.all) - 1
	}
	c.all[at].streams++
	return c.all[at], nil
}

func (c *connections) giveBack(taken *connection) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	taken.streams--
	if taken.streams > 0 || taken == c.all[0] || c.closed {
		return
	}
	c.all = slices.DeleteFunc(c.all, func(each *connection) bool { return each == taken })
	taken.Close()
}

func (c *connections) close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	var failed []error
	for _, each := range c.all {
		failed = append(failed, each.Close())
	}
	return errors.Join(failed...)
}
