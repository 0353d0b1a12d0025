package chord

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// Version is the client's own: a part of its user agent.
const Version = "0.1.0"

// hooks are what a program adds to the client.
type hooks struct {
	dialOptions []grpc.DialOption
	metadata    metadata.MD
	endpoints   []string
	userAgent   string
	logger      *slog.Logger
}

// WithDialOptions adds gRPC's own options to each connection: interceptors, a stats handler (OpenTelemetry's
// otelgrpc.NewClientHandler), a dialer, a resolver. They come after the client's, and win. Interceptors see each try of a call.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// WithMetadata sends these headers with each try of a call and each connection of a watch. Those of one call come with its ctx:
// metadata.AppendToOutgoingContext.
func WithMetadata(headers map[string]string) Option {
	return func(s *settings) { s.metadata = metadata.Join(s.metadata, metadata.New(headers)) }
}

// WithEndpoints are further addresses of the same service, HOST:PORT, beside that of NewClient. Calls and watches go to those that
// can be reached, in turn (round robin). An address dns:///NAME:PORT alone does the same with all addresses of the name.
func WithEndpoints(addresses ...string) Option {
	return func(s *settings) { s.endpoints = append(s.endpoints, addresses...) }
}

// WithUserAgent names the program in the header user-agent, before the client: shop/1.2 chordstate-go/0.1.0 grpc-go/1.85.0.
func WithUserAgent(program string) Option { return func(s *settings) { s.userAgent = program } }

// WithLogger is for what happens unseen: a watch or replica that connects again (warning), a replica without OnError that has
// ended, or whose callback panicked (error). Without it, errors go to slog.Default, and warnings nowhere.
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

const roundRobin = `{"loadBalancingConfig":[{"round_robin":{}}]}`

// target is what gRPC dials, and how it balances.
func (h *hooks) target(address string) (string, []grpc.DialOption, error) {
	balanced := []grpc.DialOption{grpc.WithDefaultServiceConfig(roundRobin)}
	if len(h.endpoints) == 0 {
		if strings.HasPrefix(address, "dns:") {
			return address, balanced, nil
		}
		return address, nil, nil
	}
	var state resolver.State
	for _, each := range append([]string{address}, h.endpoints...) {
		host, _, err := net.SplitHostPort(each)
		if err != nil {
			return "", nil, err
		}
		// The name that its certificate must have.
		one := resolver.Address{Addr: each, ServerName: host}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{one}})
	}
	list := manual.NewBuilderWithScheme("chord")
	list.InitialState(state)
	return "chord:///" + address, append(balanced, grpc.WithResolvers(list)), nil
}

// options of a connection, but for those of the program.
func (h *hooks) options() []grpc.DialOption {
	agent := "chordstate-go/" + Version
	if h.userAgent != "" {
		agent = h.userAgent + " " + agent
	}
	options := []grpc.DialOption{grpc.WithUserAgent(agent)}
	if len(h.metadata) == 0 {
		return options
	}
	var headers []string
	for name, values := range h.metadata {
		for _, value := range values {
			headers = append(headers, name, value)
		}
	}
	headers = slices.Clip(headers)
	unary := func(
		ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, next grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		return next(metadata.AppendToOutgoingContext(ctx, headers...), method, request, answer, connection, options...)
	}
	stream := func(
		ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, next grpc.Streamer,
		options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return next(metadata.AppendToOutgoingContext(ctx, headers...), description, connection, method, options...)
	}
	return append(options, grpc.WithChainUnaryInterceptor(unary), grpc.WithChainStreamInterceptor(stream))
}

// warn goes to the program's logger alone.
func (h *hooks) warn(message string, arguments ...any) {
	if h.logger != nil {
		h.logger.Warn(message, arguments...)
	}
}

func (h *hooks) error(message string, err error) {
	logger := h.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Error(message, "error", err)
}
