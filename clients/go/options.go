package chord

import (
	"context"
	"crypto/tls"
	"slices"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
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

// WriteOption belongs to Set, Update, Revert, Delete, Touch and Batch. One that a call does not know is INVALID_ARGUMENT. Of IfPosition,
// IfVersion, IfAbsent and IfUnchanged the last one counts; IfChecks come beside it.
type WriteOption struct {
	name  string
	apply func(*write) error
}

type write struct {
	expected     *chordv1.Expected
	requestID    string
	ttl          *durationpb.Duration
	paths        []*chordv1.Path
	allowMissing bool
	returning    *chordv1.ReturnOptions
	annotations  map[string]string
}

// IfPosition writes only where the context stands exactly here: for the zero Position, only where it does not exist.
// Else ABORTED, with a Mismatch. Set, Update, Revert, Delete.
func IfPosition(position Position) WriteOption {
	if position.IsZero() {
		return IfAbsent()
	}
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Position{Position: toPosition(position)}
		return nil
	})
}

// IfVersion is weaker than IfPosition: it does not tell two lives of a context apart. Set, Update, Revert, Delete.
func IfVersion(version uint64) WriteOption {
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Version{Version: version}
		return nil
	})
}

// IfAbsent writes only where the context does not exist. Set, Update.
func IfAbsent() WriteOption {
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Absent{Absent: true}
		return nil
	})
}

// IfUnchanged writes only where no version after since touched one of the paths, one above or one below it. Else ABORTED, with
// Unmet. Splices of the same write name places of the lists and strings at since, and an overlap with later splices is a
// conflict; without paths nothing else is guarded. Set, Update, Revert, Delete.
func IfUnchanged(since Position, paths ...Path) WriteOption {
	return expecting(func(expected *chordv1.Expected) error {
		guarded, err := toPaths("expected.unchanged.paths", paths)
		unchanged := &chordv1.Unchanged{Since: toPosition(since), Paths: guarded}
		expected.Condition = &chordv1.Expected_Unchanged{Unchanged: unchanged}
		return err
	})
}

// IfChecks writes only where all checks hold on the document that the write meets, before its own changes. Else ABORTED, with
// Unmet. Given more than once, all hold. Set, Update, Revert, Delete.
func IfChecks(checks ...Check) WriteOption {
	if len(checks) == 0 {
		return writing("expected", func(*write) {})
	}
	return expecting(func(expected *chordv1.Expected) error {
		messages, err := toChecks("expected.checks", checks)
		expected.Checks = append(expected.Checks, messages...)
		return err
	})
}

func expecting(expect func(*chordv1.Expected) error) WriteOption {
	return WriteOption{"expected", func(w *write) error {
		if w.expected == nil {
			w.expected = &chordv1.Expected{}
		}
		return expect(w.expected)
	}}
}

func writing(name string, apply func(*write)) WriteOption {
	return WriteOption{name, func(w *write) error {
		apply(w)
		return nil
	}}
}

// RequestID names the write: a repeat answers what the first one did, and writes nothing. Without it the write has a
// random one, for the tries of this call. Set, Update, Revert, Delete, Batch.
func RequestID(id string) WriteOption {
	return writing("RequestID", func(w *write) { w.requestID = id })
}

// Annotations are kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a Delete, in the audit log alone. Set,
// Update, Revert, Delete, Edit.
func Annotations(annotations map[string]string) WriteOption {
	return WriteOption{"Annotations", func(w *write) error {
		for key, value := range annotations {
			if err := wellFormed(key + value); err != nil {
				return refused("annotations", err)
			}
		}
		w.annotations = annotations
		return nil
	}}
}

// TTL is how long the context lives from now on, renewed by each write and touch; 0: until it is deleted. Without it
// that stays as before. Set, Update, Revert, Touch.
func TTL(ttl time.Duration) WriteOption {
	return writing("TTL", func(w *write) { w.ttl = durationpb.New(ttl) })
}

// Paths name members that expire, in place of the context. Touch.
func Paths(paths ...Path) WriteOption {
	return WriteOption{"Paths", func(w *write) error {
		messages, err := toPaths("paths", paths)
		w.paths = append(w.paths, messages...)
		return err
	}}
}

// AllowMissing makes an Update start from {} where the context is missing, and a Delete succeed.
func AllowMissing() WriteOption {
	return writing("AllowMissing", func(w *write) { w.allowMissing = true })
}

// ReturnDocument asks for the context as it is after the write. Set, Update, Revert.
func ReturnDocument() WriteOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Context = true })
}

// ReturnDelta asks for what the write changed. Set, Update, Revert.
func ReturnDelta() WriteOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta = true })
}

// ReturnOldValues asks for the delta with its old values. Set, Update, Revert.
func ReturnOldValues() WriteOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta, options.OldValues = true, true })
}

// ReturnFormat asks for what the write changed in a format, as Format does. Set, Update, Revert.
func ReturnFormat(name string) WriteOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta, options.Format = true, name })
}

func returning(ask func(*chordv1.ReturnOptions)) WriteOption {
	return writing("returning", func(w *write) {
		if w.returning == nil {
			w.returning = &chordv1.ReturnOptions{}
		}
		ask(w.returning)
	})
}

// newWrite collects the options of a call that knows those with the allowed names.
func newWrite(options []WriteOption, allowed ...string) (write, error) {
	var w write
	if slices.Contains(allowed, "RequestID") {
		w.requestID = newRequestID()
	}
	for _, option := range options {
		if !slices.Contains(allowed, option.name) {
			return w, unsendable(option.name, "is no option of this call")
		}
		if err := option.apply(&w); err != nil {
			return w, err
		}
	}
	return w, nil
}

// GetOption belongs to Get.
type GetOption func(*chordv1.GetContextRequest)

// IncludeExpiries asks which members expire, and when.
func IncludeExpiries() GetOption {
	return func(request *chordv1.GetContextRequest) { request.IncludeExpiries = true }
}

// AtVersion asks for the document of an earlier version of the present life. NOT_FOUND above the present version,
// FAILED_PRECONDITION where its history is no longer retained.
func AtVersion(version uint64) GetOption {
	return func(request *chordv1.GetContextRequest) { request.Version = version }
}

// AtTime asks for the document as it was then, as far as AtVersion goes. NOT_FOUND before the present life began.
func AtTime(at time.Time) GetOption {
	return func(request *chordv1.GetContextRequest) { request.At = timestamppb.New(at) }
}

// ListOption belongs to List.
type ListOption interface {
	list(*chordv1.ListContextsRequest)
}

type listOption func(*chordv1.ListContextsRequest)

func (option listOption) list(request *chordv1.ListContextsRequest) { option(request) }

// IncludeValues asks for the documents too.
func IncludeValues() ListOption {
	return listOption(func(request *chordv1.ListContextsRequest) { request.IncludeValues = true })
}

// HistoryOption belongs to Sync, Wait and Deltas. One that a call does not know is INVALID_ARGUMENT.
type HistoryOption interface {
	history(*historyConfig) (name string, err error)
}

type historyConfig struct {
	oldValues bool
	format    string
	paths     []*chordv1.Path
	pageSize  int32
}

// newHistory collects the options of a call that knows those with the allowed names, and IncludeOldValues.
func newHistory(options []HistoryOption, allowed ...string) (historyConfig, error) {
	var config historyConfig
	for _, option := range options {
		name, err := option.history(&config)
		if err != nil {
			return config, err
		}
		if name != "IncludeOldValues" && !slices.Contains(allowed, name) {
			return config, unsendable(name, "is no option of this call")
		}
	}
	return config, nil
}

// IncludeOldValues asks for the old values with the changes: an option of Sync, Wait, Deltas and Watch.
func IncludeOldValues() OldValues { return OldValues{} }

// OldValues is the option IncludeOldValues.
type OldValues struct{}

func (OldValues) history(config *historyConfig) (string, error) {
	config.oldValues = true
	return "IncludeOldValues", nil
}
func (OldValues) watch(w *watchConfig) { w.oldValues = true }

// Format asks for deltas in a format, "flat", "json_patch", "merge_patch" or the name of one of the server's own: they come in
// Delta.Formatted. An option of Sync, Wait, Deltas and Watch.
func Format(name string) DeltaFormat { return DeltaFormat(name) }

// DeltaFormat is the option Format.
type DeltaFormat string

func (f DeltaFormat) history(config *historyConfig) (string, error) {
	config.format = string(f)
	return "Format", nil
}
func (f DeltaFormat) watch(w *watchConfig) { w.format = string(f) }

// OnlyPaths asks for these parts of the document alone: an option of Sync and Wait. Targets of a watch have Paths. With a
// known position, ask for the same paths as before: no delta has what was left out of the copy.
func OnlyPaths(paths ...Path) HistoryOption { return onlyPaths(paths) }

type onlyPaths []Path

func (paths onlyPaths) history(config *historyConfig) (string, error) {
	messages, err := toPaths("paths", paths)
	config.paths = append(config.paths, messages...)
	return "OnlyPaths", err
}

// PageSize is how many contexts or deltas are read with each call, 1 to 1000, default 100: an option of List and Deltas.
func PageSize(size int) ItemsPerPage { return ItemsPerPage(size) }

// ItemsPerPage is the option PageSize.
type ItemsPerPage int32

func (size ItemsPerPage) list(request *chordv1.ListContextsRequest) { request.PageSize = int32(size) }
func (size ItemsPerPage) history(config *historyConfig) (string, error) {
	config.pageSize = int32(size)
	return "PageSize", nil
}

// WatchOption belongs to Watch.
type WatchOption interface{ watch(*watchConfig) }

type watchConfig struct {
	known        map[string]Position
	oldValues    bool
	format       string
	heartbeat    time.Duration
	onDisconnect func(err *Error, delay time.Duration)
}

type watchOption func(*watchConfig)

func (option watchOption) watch(config *watchConfig) { option(config) }

// Known says where a copy stands already, by context id: the watch begins there. The zero Position says that nothing
// is known.
func Known(positions map[string]Position) WatchOption {
	return watchOption(func(config *watchConfig) { config.known = positions })
}

// HeartbeatInterval is how often an idle stream hears from the server: 1 s to 1 h, default 15 s.
func HeartbeatInterval(interval time.Duration) WatchOption {
	return watchOption(func(config *watchConfig) { config.heartbeat = interval })
}

// OnDisconnect is called when the connection broke and is going to be tried again after a delay: an option of Watch
// and NewReplica.
func OnDisconnect(call func(err *Error, delay time.Duration)) Disconnect { return call }

// Disconnect is the option OnDisconnect.
type Disconnect func(err *Error, delay time.Duration)

func (d Disconnect) watch(config *watchConfig) { config.onDisconnect = d }
func (d Disconnect) replica(config *replicaConfig) {
	config.onDisconnect = append(config.onDisconnect, d)
}
