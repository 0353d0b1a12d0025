package chord

import (
	"math"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// GetOption is an option of Get: IncludeExpiries, AtVersion or AtTime.
type GetOption interface {
	get(*chordv1.GetContextRequest)
}

type getOption func(*chordv1.GetContextRequest)

func (o getOption) get(request *chordv1.GetContextRequest) { o(request) }

// IncludeExpiries asks which members expire, and when. For Get.
func IncludeExpiries() GetOption {
	return getOption(func(request *chordv1.GetContextRequest) { request.IncludeExpiries = true })
}

// AtVersion asks for the document of an earlier version of the present life. NOT_FOUND above the present version,
// FAILED_PRECONDITION where its history is no longer retained. For Get.
func AtVersion(version uint64) GetOption {
	return getOption(func(request *chordv1.GetContextRequest) { request.Version = version })
}

// AtTime asks for the document as it was then, as far as AtVersion goes. NOT_FOUND before the present life began. For Get.
func AtTime(at time.Time) GetOption {
	return getOption(func(request *chordv1.GetContextRequest) { request.At = timestamppb.New(at) })
}

// ListOption is an option of List: IncludeValues, or a PageSizeOption.
type ListOption interface {
	list(*chordv1.ListContextsRequest)
}

type listOption func(*chordv1.ListContextsRequest)

func (o listOption) list(request *chordv1.ListContextsRequest) { o(request) }

// IncludeValues asks for the documents too. For List.
func IncludeValues() ListOption {
	return listOption(func(request *chordv1.ListContextsRequest) { request.IncludeValues = true })
}

// SyncOption is an option of Sync: a ChangesOption or PathsOption.
type SyncOption interface{ sync(*history) }

// WaitOption is an option of Wait: a ChangesOption or PathsOption.
type WaitOption interface{ wait(*history) }

// DeltasOption is an option of Deltas: a ChangesOption or PageSizeOption.
type DeltasOption interface{ deltas(*history) }

// WatchOption is an option of Watch: a ChangesOption or DisconnectOption, Known or HeartbeatInterval.
type WatchOption interface{ watch(*watchConfig) }

// history is what the options of calls that answer deltas ask for.
type history struct {
	oldValues bool
	format    string
	paths     []*chordv1.Path
	pageSize  int32
	// What is wrong with the paths.
	err error
}

// ChangesOption is how deltas come from Sync, Wait, Deltas and Watch: IncludeOldValues or Format.
type ChangesOption func(*history)

func (o ChangesOption) sync(h *history)           { o(h) }
func (o ChangesOption) wait(h *history)           { o(h) }
func (o ChangesOption) deltas(h *history)         { o(h) }
func (o ChangesOption) watch(config *watchConfig) { o(&config.history) }

// IncludeOldValues asks for the old values with the changes. For Sync, Wait, Deltas, Watch.
func IncludeOldValues() ChangesOption { return func(h *history) { h.oldValues = true } }

// Format asks for deltas in a format, "flat", "json_patch", "merge_patch" or the name of one of the server's own: they come in
// Delta.Formatted, and Delta.Changes is empty. For Sync, Wait, Deltas, Watch.
func Format(name string) ChangesOption { return func(h *history) { h.format = name } }

// PathsOption is the option OnlyPaths, of Sync and Wait.
type PathsOption func(*history)

func (o PathsOption) sync(h *history) { o(h) }
func (o PathsOption) wait(h *history) { o(h) }

// OnlyPaths asks for these parts of the document alone; targets of a watch have Paths. With a known position, ask for the same
// paths as before: no delta has what was left out of the copy. For Sync, Wait.
func OnlyPaths(paths ...Path) PathsOption {
	return func(h *history) {
		messages, err := toPaths("paths", paths)
		if h.err == nil {
			h.err = err
		}
		h.paths = append(h.paths, messages...)
	}
}

// PageSizeOption is the option PageSize, of List and Deltas.
type PageSizeOption int32

func (o PageSizeOption) list(request *chordv1.ListContextsRequest) { request.PageSize = int32(o) }
func (o PageSizeOption) deltas(h *history)                         { h.pageSize = int32(o) }

// PageSize is how many contexts or deltas are read with each call, 1 to 1000, default 100. For List, Deltas.
func PageSize(size int) PageSizeOption {
	return PageSizeOption(min(max(size, math.MinInt32), math.MaxInt32)) // the server refuses both ends
}

type watchConfig struct {
	history
	known        map[string]Position
	heartbeat    time.Duration
	onDisconnect func(err *Error, delay time.Duration)
}

type watchOption func(*watchConfig)

func (o watchOption) watch(config *watchConfig) { o(config) }

// Known says where a copy stands already, by context id: the watch begins there. The zero Position says that nothing
// is known. For Watch.
func Known(positions map[string]Position) WatchOption {
	return watchOption(func(config *watchConfig) { config.known = positions })
}

// HeartbeatInterval is how often an idle stream hears from the server: 1 s to 1 h, default 15 s. For Watch.
func HeartbeatInterval(interval time.Duration) WatchOption {
	return watchOption(func(config *watchConfig) { config.heartbeat = interval })
}

// DisconnectOption is the option OnDisconnect, of Watch and NewReplica.
type DisconnectOption func(err *Error, delay time.Duration)

func (o DisconnectOption) watch(config *watchConfig) { config.onDisconnect = o }
func (o DisconnectOption) replica(config *replicaConfig) {
	config.onDisconnect = append(config.onDisconnect, o)
}

// OnDisconnect is called when the connection broke and is going to be tried again after a delay. For Watch, NewReplica.
func OnDisconnect(call func(err *Error, delay time.Duration)) DisconnectOption { return call }
