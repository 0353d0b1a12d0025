package chord

import (
	"context"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// Until waits until a predicate of a document holds, for what no Check says: it watches the context, and calls the predicate with
// the document, or with the zero View where there is none, when that has come and after each change. Where it holds, that is the
// answer. The predicate must not block. DEADLINE_EXCEEDED at the deadline of ctx; without one there is no end. It counts as a watch.
func (c *Client) Until(ctx context.Context, id string, holds func(View) bool) (ReplicaDocument, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	replica := NewReplica(watching, c, IDs(id), OnError(func(error) {})) // its Err is the answer
	defer replica.Close()
	document, err := ReplicaDocument{}, replica.Ready(ctx)
	if err == nil {
		document, err = replica.WaitUntil(ctx, id, func(document ReplicaDocument, _ bool) bool { return holds(document.Value) })
	}
	switch {
	case err == nil:
		return document, nil
	case ctx.Err() != nil:
		return ReplicaDocument{}, ended(ctx, "waiting for the document")
	case c.lifetime.Err() != nil:
		return ReplicaDocument{}, closed("client", err)
	}
	return ReplicaDocument{}, err
}

// Health asks for the status of a service as grpc.health.v1 has it: SERVING or NOT_SERVING; "" is the whole server. It needs no
// token, and is tried again as all reads. NOT_FOUND for a service that the server does not have.
func (c *Client) Health(ctx context.Context, service string) (HealthStatus, error) {
	answer := &healthv1.HealthCheckResponse{}
	request := &healthv1.HealthCheckRequest{Service: service}
	if err := c.call(ctx, healthv1.Health_Check_FullMethodName, request, answer); err != nil {
		return "", err
	}
	return HealthStatus(answer.GetStatus().String()), nil
}

// HealthStatus is the status of a service.
type HealthStatus string

// What Health answers.
const (
	Serving    HealthStatus = "SERVING"
	NotServing HealthStatus = "NOT_SERVING"
)
