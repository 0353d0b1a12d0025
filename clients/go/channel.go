package chord

import (
	"context"
	"math"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What a stream receives before its reader takes it. Fixed: gRPC's own would grow with the bandwidth, and a slow
// reader would find there what the server could have merged.
const streamWindowBytes = 256 << 10

func newChannel(address string, settings settings) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if settings.tls != nil {
		transport = credentials.NewTLS(settings.tls)
	}
	target, options, err := settings.target(address)
	if err != nil {
		return nil, err
	}
	options = append(options, settings.options()...)
	options = append(options,
		grpc.WithTransportCredentials(transport),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(
			// A delta with its old values may be larger than a document.
			grpc.MaxCallRecvMsgSize(math.MaxInt32),
			grpc.ForceCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)}),
		),
		// A dead server must not look like a quiet one.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		// Waiting is our own business: the channel's only has to be no longer.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		}),
		grpc.WithStaticStreamWindowSize(streamWindowBytes),
	)
	if settings.token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer(settings.token)))
	}
	return grpc.NewClient(target, append(options, settings.dialOptions...)...)
}

// encoded is a request in bytes. It is encoded before the first try, and once: what cannot be encoded is the caller's
// mistake, but gRPC would report it as INTERNAL, like a broken connection.
type encoded []byte

func encode(request proto.Message) (encoded, error) {
	bytes, err := proto.Marshal(request)
	if err != nil {
		return nil, unsendable(textOf(request), err.Error())
	}
	return bytes, nil
}

// payload is what gRPC is given: bytes, which no try encodes again, or the message itself where hooks of the program may see it.
func (c *Client) payload(request proto.Message, bytes encoded) any {
	if len(c.settings.dialOptions) > 0 {
		return request
	}
	return bytes
}

// textOf names the field that is not valid UTF-8: the most likely reason why a request cannot be encoded.
func textOf(request proto.Message) string {
	fields := request.ProtoReflect().Descriptor().Fields()
	for _, name := range []protoreflect.Name{"context_id", "prefix", "request_id"} {
		field := fields.ByName(name)
		if field != nil && !utf8.ValidString(request.ProtoReflect().Get(field).String()) {
			return string(name)
		}
	}
	return "request"
}

// codec is protobuf's, but sends encoded requests as they are.
type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	if bytes, ok := message.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(bytes)}, nil
	}
	return c.CodecV2.Marshal(message)
}

// bearer asks for a token, and sends it, with every call.
type bearer func(context.Context) (string, error)

func (source bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := source(ctx)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "there is no token: "+err.Error())
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity is false for servers behind a proxy that does TLS.
func (bearer) RequireTransportSecurity() bool { return false }
