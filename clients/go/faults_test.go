package chord

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// faulty is a peer that goes wrong as told: a real server does so only by accident.
type faulty struct {
	chordv1.UnimplementedContextServiceServer
	chordv1.UnimplementedSyncServiceServer
	*grpc.Server
	address string
	// What each call does; the number counts the calls of that kind, from 1.
	set   func(ctx context.Context, call int, request *chordv1.SetContextRequest) error
	watch func(call int, request *chordv1.WatchContextsRequest, stream watchStream) error
	wait  func(call int) error
	// Those of an edit.
	get     func(ctx context.Context, call int) error
	update  func(ctx context.Context, call int) error
	sets    atomic.Int32
	opens   atomic.Int32
	waits   atomic.Int32
	gets    atomic.Int32
	updates atomic.Int32
}

type watchStream = grpc.ServerStreamingServer[chordv1.WatchContextsResponse]

func (f *faulty) SetContext(ctx context.Context, request *chordv1.SetContextRequest) (*chordv1.SetContextResponse, error) {
	err := f.set(ctx, int(f.sets.Add(1)), request)
	return &chordv1.SetContextResponse{Position: &chordv1.Position{Version: 1}, Changed: true}, err
}

func (f *faulty) GetContext(ctx context.Context, _ *chordv1.GetContextRequest) (*chordv1.GetContextResponse, error) {
	found := &chordv1.Context{Position: &chordv1.Position{Version: 1}}
	return &chordv1.GetContextResponse{Context: found}, f.get(ctx, int(f.gets.Add(1)))
}

func (f *faulty) UpdateContext(ctx context.Context, _ *chordv1.UpdateContextRequest) (*chordv1.UpdateContextResponse, error) {
	err := f.update(ctx, int(f.updates.Add(1)))
	return &chordv1.UpdateContextResponse{Position: &chordv1.Position{Version: 2}, Changed: true}, err
}

func (f *faulty) WatchContexts(request *chordv1.WatchContextsRequest, stream watchStream) error {
	return f.watch(int(f.opens.Add(1)), request, stream)
}

func (f *faulty) WaitContext(context.Context, *chordv1.WaitContextRequest) (*chordv1.WaitContextResponse, error) {
	return &chordv1.WaitContextResponse{HeldAt: 1}, f.wait(int(f.waits.Add(1)))
}

func (f *faulty) serve(t *testing.T, options ...grpc.ServerOption) *faulty {
	t.Helper()
	return f.serveAt(t, "127.0.0.1:0", options...)
}

func (f *faulty) serveAt(t *testing.T, address string, options ...grpc.ServerOption) *faulty {
	t.Helper()
	f.Server = grpc.NewServer(options...)
	chordv1.RegisterContextServiceServer(f, f)
	chordv1.RegisterSyncServiceServer(f, f)
	listener := must[net.Listener](t)(net.Listen("tcp", address))
	f.address = listener.Addr().String()
	go f.Serve(listener)
	t.Cleanup(f.Stop)
	return f
}

// No try ends for lack of time, however slow the machine is: the tests count the tries.
var fast = WithRetry(RetryPolicy{BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond, AttemptTimeout: 10 * time.Second})

func TestTriesAgainWithTheSameRequestID(t *testing.T) {
	var mutex sync.Mutex
	ids := map[string]int{}
	peer := (&faulty{set: func(ctx context.Context, call int, request *chordv1.SetContextRequest) error {
		mutex.Lock()
		ids[request.GetRequestId()]++
		mutex.Unlock()
		switch call {
		case 1:
			return status.Error(codes.Unavailable, "away")
		case 2:
			<-ctx.Done() // this try's time is over, the call's is not
			return ctx.Err()
		case 3:
			return status.Error(codes.Internal, "the transport's word")
		}
		return nil
	}}).serve(t)
	impatient := RetryPolicy{Attempts: 40, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond, AttemptTimeout: 100 * time.Millisecond}
	// "" is no name: the tries have one nevertheless.
	result := must[*WriteResult](t)(dial(t, peer.address, WithRetry(impatient)).Set(patient(t), "a", nil, RequestID("")))
	mutex.Lock()
	defer mutex.Unlock()
	// A slow machine cuts off other tries, too.
	same(t, []any{result.Position.Version, len(ids), ids[""], peer.sets.Load() >= 4}, []any{1, 1, 0, true})
}

func TestFinalErrorsAreNotTriedAgain(t *testing.T) {
	said := func(code codes.Code) error {
		info := &errdetails.ErrorInfo{Domain: "chord", Reason: "INTERNAL"}
		return must[*status.Status](t)(status.New(code, "said").WithDetails(info)).Err()
	}
	for name, err := range map[string]error{
		"aborted": status.Error(codes.Aborted, "no"), "internal, by the server": said(codes.Internal),
		"unauthenticated": status.Error(codes.Unauthenticated, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			peer := (&faulty{set: func(context.Context, int, *chordv1.SetContextRequest) error { return err }}).serve(t)
			if _, err := dial(t, peer.address, fast).Set(patient(t), "a", nil); err == nil {
				t.Error("no error")
			}
			same(t, peer.sets.Load(), 1)
		})
	}
}

func TestTriesEnd(t *testing.T) {
	away := must[*status.Status](t)(status.New(codes.Unavailable, "away").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)}))
	slow := func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error { <-ctx.Done(); return ctx.Err() }
	for name, test := range map[string]struct {
		set     func(context.Context, int, *chordv1.SetContextRequest) error
		options []Option
		want    Reason
		sets    int
	}{
		"attempts": {
			func(context.Context, int, *chordv1.SetContextRequest) error {
				return status.Error(codes.Unavailable, "away")
			},
			[]Option{WithRetry(RetryPolicy{Attempts: 3, BackoffMin: 1})}, Unavailable, 3,
		},
		"no time for the wait that the server asks for": {
			func(context.Context, int, *chordv1.SetContextRequest) error { return away.Err() }, nil, Unavailable, 1,
		},
		// 0: a slow machine has not sent it by then.
		"deadline of the client": {slow, []Option{WithDeadline(50 * time.Millisecond)}, DeadlineExceeded, 0},
	} {
		t.Run(name, func(t *testing.T) {
			peer := (&faulty{set: test.set}).serve(t)
			_, err := dial(t, peer.address, test.options...).Set(context.Background(), "a", nil)
			reason(t, err, test.want)
			if sets := int(peer.sets.Load()); sets != test.sets && (test.sets > 0 || sets > 1) {
				t.Errorf("%d tries", sets)
			}
		})
	}
}

func TestBackoffGivesWayToTheDeadline(t *testing.T) {
	peer := (&faulty{set: func(_ context.Context, call int, _ *chordv1.SetContextRequest) error {
		if call == 1 {
			return status.Error(codes.Unavailable, "away")
		}
		return nil
	}}).serve(t)
	client := dial(t, peer.address, WithDeadline(2*time.Second), WithRetry(RetryPolicy{BackoffMin: time.Minute, BackoffMax: time.Minute}))
	must[*WriteResult](t)(client.Set(context.Background(), "a", nil))
	same(t, peer.sets.Load(), 2)
}

func TestCallerEndsTheCall(t *testing.T) {
	begun := make(chan struct{}, 1)
	peer := (&faulty{set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}).serve(t)
	client := dial(t, peer.address)

	ctx, cancel := context.WithCancel(patient(t))
	go func() { <-begun; cancel() }()
	_, err := client.Set(ctx, "a", nil)
	if reason(t, err, Cancelled); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for deadline := 20 * time.Millisecond; len(begun) == 0; deadline *= 2 { // until a slow machine has sent it by then
		ctx, cancel = context.WithTimeout(patient(t), deadline)
		_, err = client.Set(ctx, "a", nil)
		cancel()
		if reason(t, err, DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	<-begun
	go func() { <-begun; client.Close() }()
	_, err = client.Set(patient(t), "a", nil)
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
	_, err = client.Set(patient(t), "a", nil)
	same(t, reason(t, err, Cancelled).Message, "the client is closed")
}

func full(id string, version uint64) *chordv1.WatchContextsResponse {
	context := &chordv1.Context{ContextId: id, Position: &chordv1.Position{Epoch: "e", Version: version, Digest: "d"}}
	return &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Full{Full: &chordv1.Full{Context: context}}}
}

func delta(id string, from, to uint64) *chordv1.WatchContextsResponse {
	at := func(version uint64) *chordv1.Position {
		return &chordv1.Position{Epoch: "e", Version: version, Digest: "d"}
	}
	delta := &chordv1.Delta{ContextId: id, From: at(from), To: at(to)}
	return &chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Delta{Delta: delta}}
}

func TestWatchAfterAGap(t *testing.T) {
	peer := (&faulty{watch: func(call int, request *chordv1.WatchContextsRequest, stream watchStream) error {
		known := request.GetSubscriptions()[0].GetKnown()["a"].GetVersion()
		if call == 1 {
			stream.Send(full("a", 1))
			stream.Send(delta("a", 2, 3)) // version 2 was never sent
		} else if known == 0 {
			stream.Send(full("a", 3))
		}
		<-stream.Context().Done()
		return nil
	}}).serve(t)
	events := read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a")))
	same(t, expect[*FullEvent](events).Position.Version, 1)
	same(t, expect[*FullEvent](events).Position.Version, 3)
	same(t, peer.opens.Load(), 2)
}

func TestWatchAfterGoAwayAndAnEndWithoutError(t *testing.T) {
	away := make(chan struct{})
	peer := (&faulty{watch: func(call int, request *chordv1.WatchContextsRequest, stream watchStream) error {
		known := request.GetSubscriptions()[0].GetKnown()["a"].GetVersion()
		if known+1 != uint64(call) {
			return status.Errorf(codes.InvalidArgument, "call %d knows %d", call, known)
		}
		stream.Send(full("a", uint64(call)))
		if call == 2 {
			close(away)
			return nil
		}
		if call > 2 {
			<-stream.Context().Done()
		}
		return nil
	}}).serve(t)
	var delays []time.Duration
	events := read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a"), OnDisconnect(func(_ *Error, delay time.Duration) {
		delays = append(delays, delay)
	})))
	for version := range 3 {
		same(t, expect[*FullEvent](events).Position.Version, version+1)
	}
	<-away
	same(t, len(delays), 2)
}

func TestWatchWaitsAsClosingAsks(t *testing.T) {
	const asked = 120 * time.Millisecond
	peer := (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
		if call == 1 {
			closing := &chordv1.Closing{RetryAfter: durationpb.New(asked)}
			stream.Send(&chordv1.WatchContextsResponse{Event: &chordv1.WatchContextsResponse_Closing{Closing: closing}})
			return status.Error(codes.Unavailable, "closing")
		}
		stream.Send(full("a", 1))
		<-stream.Context().Done()
		return nil
	}}).serve(t)
	var waited time.Duration
	events := read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a"), OnDisconnect(func(_ *Error, delay time.Duration) {
		waited = delay
	})))
	expect[*FullEvent](events)
	same(t, waited, asked)
}

func TestWatchGivesUpOnDoubtfulErrorsOnly(t *testing.T) {
	for code, limit := range map[codes.Code]int{codes.Internal: 6, codes.Unavailable: 30, codes.PermissionDenied: 1} {
		t.Run(code.String(), func(t *testing.T) {
			peer := (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
				if call > limit {
					stream.Send(full("a", 1))
				}
				return status.Error(code, "broken")
			}}).serve(t)
			for event, err := range dial(t, peer.address, fast).Watch(patient(t), IDs("a")) {
				if code == codes.Unavailable {
					check(t, err)
					same(t, event.(*FullEvent).ID, "a")
					break
				}
				same(t, err.(*Error).Code, code)
				same(t, peer.opens.Load(), limit)
			}
		})
	}
}

func TestTLSAndToken(t *testing.T) {
	certificate, roots := selfSigned(t, "chord.test")
	peer := (&faulty{set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error {
		sent, _ := metadata.FromIncomingContext(ctx)
		same(t, sent.Get("authorization"), []string{"Bearer secret"})
		return nil
	}}).serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	})))
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, ServerName: "chord.test"}
	client := dial(t, peer.address, WithTLS(config), WithToken("secret"), fast)
	must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	for name, options := range map[string][]Option{"no TLS": nil, "other roots": {WithTLS(nil)}} {
		t.Run(name, func(t *testing.T) {
			once := append(options, WithRetry(RetryPolicy{Attempts: 1}))
			_, err := dial(t, peer.address, once...).Set(patient(t), "a", nil)
			reason(t, err, Unavailable)
		})
	}
	same(t, peer.sets.Load(), 1)
}

// A token may change, be missing for a while, and expire under a stream that is open.
func TestTokenSource(t *testing.T) {
	var calls, expired atomic.Int32
	source := func(context.Context) (string, error) {
		call := calls.Add(1)
		if call == 2 {
			return "", errors.New("asleep")
		}
		return strconv.Itoa(int(call)), nil
	}
	tokenOf := func(ctx context.Context) string {
		sent, _ := metadata.FromIncomingContext(ctx)
		return sent.Get("authorization")[0]
	}
	var tokens []string
	peer := (&faulty{
		set: func(ctx context.Context, _ int, _ *chordv1.SetContextRequest) error {
			tokens = append(tokens, tokenOf(ctx))
			return nil
		},
		watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
			tokens = append(tokens, tokenOf(stream.Context()))
			if call == 1 {
				stream.Send(full("a", 1))
			}
			expired.Add(1)
			return status.Error(codes.Unauthenticated, "expired")
		},
	}).serve(t)
	client := dial(t, peer.address, WithTokenSource(source), fast)
	for range 2 {
		must[*WriteResult](t)(client.Set(patient(t), "a", nil))
	}
	var last error
	for _, err := range client.Watch(patient(t), IDs("a")) {
		last = err
	}
	reason(t, last, Unauthenticated)
	same(t, tokens, []string{"Bearer 1", "Bearer 3", "Bearer 4", "Bearer 5", "Bearer 6"})
	same(t, expired.Load(), 3)
}

func selfSigned(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	roots := x509.NewCertPool()
	roots.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(der)))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// Failures count in a row: a stream that brings something each time before it breaks may break for ever.
func TestWatchForgetsFailuresWithEachMessage(t *testing.T) {
	peer := (&faulty{watch: func(call int, _ *chordv1.WatchContextsRequest, stream watchStream) error {
		stream.Send(full("a", uint64(call)))
		return status.Error(codes.Internal, "broken")
	}}).serve(t)
	events := read(t, dial(t, peer.address, fast).Watch(patient(t), IDs("a")))
	for version := range 3 * doubtfulFailuresMax {
		same(t, expect[*FullEvent](events).Position.Version, version+1)
	}
}
