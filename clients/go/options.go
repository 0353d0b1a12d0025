package chord

import (
	"context"
	"crypto/tls"
	"time"
)

// Option sets up a Client.
type Option func(*settings)

type settings struct {
	hooks
	tls      *tls.Config
	token    func(context.Context) (string, error)
	deadline time.Duration
	retry    RetryPolicy
	// Another token may be had by asking again.
	renews               bool
	callsInFlight        int
	watchesPerConnection int
}

// WithCallsInFlight bounds them; more wait for their turn. Default 100.
func WithCallsInFlight(calls int) Option { return func(s *settings) { s.callsInFlight = calls } }

// WithWatchesPerConnection bounds them; more open a further connection, since servers and proxies bound the streams of
// one. Default 90.
func WithWatchesPerConnection(watches int) Option {
	return func(s *settings) { s.watchesPerConnection = watches }
}

// WithTLS encrypts the connection; without it there is no TLS. nil takes the roots of the system. Roots, the client's
// certificate and the server's name are the fields RootCAs, Certificates and ServerName.
func WithTLS(config *tls.Config) Option {
	if config == nil {
		config = &tls.Config{}
	}
	return func(s *settings) { s.tls = config }
}

// WithToken sends `authorization: Bearer <token>` with every call.
func WithToken(token string) Option {
	return func(s *settings) {
		s.token = func(context.Context) (string, error) { return token, nil }
		s.renews = false
	}
}

// WithTokenSource is WithToken with tokens that change: the source is asked for each try of a call and each connection
// of a watch, by many goroutines at once. Where it fails, that is UNAVAILABLE, and tried again.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(s *settings) { s.token, s.renews = source, true }
}

// WithDeadline is for one call with all its tries, where its context has no deadline. Default 10 s.
func WithDeadline(deadline time.Duration) Option { return func(s *settings) { s.deadline = deadline } }

// WithRetry sets how often and how fast calls are tried again, and how fast watches connect again.
func WithRetry(policy RetryPolicy) Option { return func(s *settings) { s.retry = policy } }
