package chord

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const root = "../.."

// All tests share one server in memory, with ids of their own; it is started by the first that needs it.
var shared struct {
	sync.Once
	scopes atomic.Int32
	server *server
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.stop(syscall.SIGTERM)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// server is a Chord server, a process of its own.
type server struct {
	address string
	process *exec.Cmd
}

// serverCommand is CHORD_SERVER_COMMAND, or the repository's own server.
func serverCommand() ([]string, error) {
	if command := os.Getenv("CHORD_SERVER_COMMAND"); command != "" {
		return strings.Fields(command), nil
	}
	main, err := filepath.Abs(filepath.Join(root, "dist", "main.js"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(main); err != nil {
		return nil, fmt.Errorf("no server: %s is not built (make build), and CHORD_SERVER_COMMAND is not set", main)
	}
	if _, err := exec.LookPath("node"); err != nil {
		return nil, fmt.Errorf("no server: node is not installed, and CHORD_SERVER_COMMAND is not set")
	}
	return []string{"node", main}, nil
}

var servingLine = regexp.MustCompile(`serving on (\S+:\d+)`)

// start returns when the server serves. Its log goes to stderr. It never refuses a call because its event loop is late: tests
// share their machine with other tests.
func start(args ...string) (*server, error) {
	command, err := serverCommand()
	if err != nil {
		return nil, err
	}
	process := exec.Command(command[0], append(append(command[1:], "serve", "--log-level", "error", "--max-event-loop-delay", "off"), args...)...)
	// The server would take settings from them, and refuses those that it does not know.
	process.Env = slices.DeleteFunc(os.Environ(), func(each string) bool { return strings.HasPrefix(each, "CHORD_") })
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if match := servingLine.FindStringSubmatch(lines.Text()); match != nil {
			return &server{match[1], process}, nil
		}
	}
	return nil, fmt.Errorf("the server did not start: %v", process.Wait())
}

func (s *server) stop(signal syscall.Signal) {
	s.process.Process.Signal(signal)
	s.process.Wait()
}

// connect makes a client of the shared server, and ids that no other test has.
func connect(t *testing.T, options ...Option) (client *Client, id func(string) string) {
	t.Helper()
	if _, err := serverCommand(); err != nil {
		t.Skip(err)
	}
	shared.Do(func() { shared.server, shared.err = start("--listen", "127.0.0.1:0", "--backend", "memory") })
	check(t, shared.err)
	scope := fmt.Sprintf("%s/%d/", t.Name(), shared.scopes.Add(1))
	return dial(t, shared.server.address, options...), func(name string) string { return scope + name }
}

func dial(t *testing.T, address string, options ...Option) *Client {
	t.Helper()
	client, err := NewClient(address, options...)
	check(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must fails the test for an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		check(t, err)
		return value
	}
}

// same compares as JSON: keys in any order, -0 is not 0, a nil list is not an empty one.
func same(t *testing.T, got, want any) {
	t.Helper()
	if g, w := text(got), text(want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func reason(t *testing.T, err error, want Reason) *Error {
	t.Helper()
	failed, ok := err.(*Error)
	if !ok || failed.Reason != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	return failed
}

// inEnoughTime calls with a deadline that is twice as late each time, until what fails by its deadline has come so far that it
// fails with something else. On a busy machine, a short time may be over before anything has happened.
func inEnoughTime(ctx context.Context, deadline time.Duration, call func(context.Context) error) (err error) {
	for ; ctx.Err() == nil; deadline *= 2 {
		hasty, cancel := context.WithTimeout(ctx, deadline)
		err = call(hasty)
		cancel()
		if !errors.Is(err, DeadlineExceeded) {
			break
		}
	}
	return err
}

// patient is the end of a test that would hang.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// reader takes the events of a watch one by one.
type reader struct {
	t    *testing.T
	next func() (Event, error, bool)
}

func read(t *testing.T, events iter.Seq2[Event, error]) reader {
	next, stop := iter.Pull2(events)
	t.Cleanup(stop)
	return reader{t, next}
}

func (r reader) take() Event {
	r.t.Helper()
	event, err, more := r.next()
	check(r.t, err)
	if !more {
		r.t.Fatal("the watch has ended")
	}
	return event
}

// expect takes an event, which must be of type E.
func expect[E Event](r reader) E {
	r.t.Helper()
	event := r.take()
	wanted, ok := event.(E)
	if !ok {
		r.t.Fatalf("got %T %s, want %T", event, text(event), wanted)
	}
	return wanted
}
