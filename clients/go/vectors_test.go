package chord

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// vectors reads a file that the clients of all languages are held to.
func vectors[V any](t *testing.T, name string) []V {
	t.Helper()
	file := filepath.Join(root, "test", "vectors", name)
	bytes, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("%s is not there: this is not Chord's repository", file)
	}
	check(t, err)
	var vectors []V
	check(t, json.Unmarshal(bytes, &vectors))
	if len(vectors) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return vectors
}

func TestVectorsOfValues(t *testing.T) {
	type vector struct {
		Name       string
		Wire       []byte
		Value      map[string]any
		DecodeOnly bool
	}
	for _, v := range vectors[vector](t, "values.json") {
		t.Run(v.Name, func(t *testing.T) {
			var wire structpb.Struct
			check(t, proto.Unmarshal(v.Wire, &wire))
			same(t, fromStruct(&wire), v.Value)
			if v.DecodeOnly {
				return
			}
			if made := must[*structpb.Struct](t)(toStruct(v.Value)); !proto.Equal(made, &wire) {
				t.Errorf("got %v, want %v", made, &wire)
			}
		})
	}
}

func TestVectorsOfDeltas(t *testing.T) {
	type vector struct {
		Name     string
		Document map[string]any
		Wire     []byte
		Value    map[string]any
	}
	for _, v := range vectors[vector](t, "apply.json") {
		t.Run(v.Name, func(t *testing.T) {
			var wire chordv1.Delta
			check(t, proto.Unmarshal(v.Wire, &wire))
			before := text(v.Document)
			value, err := Apply(v.Document, fromDelta(&wire).Changes)
			if v.Value == nil {
				if mismatch := new(DeltaMismatchError); !errors.As(err, &mismatch) {
					t.Errorf("got %s, %v, want a mismatch", text(value), err)
				}
			} else {
				check(t, err)
				same(t, value, v.Value)
			}
			if text(v.Document) != before {
				t.Errorf("the old document has changed to %s", text(v.Document))
			}
		})
	}
}

func TestVectorsOfErrors(t *testing.T) {
	type vector struct {
		Name    string
		Code    int32
		Message string
		Details []byte
		Error   struct {
			Reason    Reason
			Message   string
			ContextID string
			Current   json.RawMessage
			Unmet     *struct {
				SinceReason string
				Conditions  []struct {
					Path      Path
					TouchedAt uint64
					Check     map[string]any
				}
			}
			Violations []Violation
			RetryAfter float64
		}
		Transient bool
	}
	for _, v := range vectors[vector](t, "errors.json") {
		t.Run(v.Name, func(t *testing.T) {
			wire := &spb.Status{}
			if v.Details == nil || proto.Unmarshal(v.Details, wire) != nil {
				wire = &spb.Status{Code: v.Code, Message: v.Message}
			}
			failed := fromStatus(status.FromProto(wire))
			want := v.Error
			same(t, []any{failed.Reason, failed.Message, failed.ContextID}, []any{want.Reason, want.Message, want.ContextID})
			same(t, failed.RetryAfter, time.Duration(want.RetryAfter*float64(time.Millisecond)))
			same(t, append([]Violation{}, failed.Violations...), want.Violations)
			same(t, failed.transient, v.Transient)
			if (failed.Mismatch == nil && failed.Unmet == nil) != (want.Current == nil) {
				t.Fatalf("mismatch is %v, unmet is %v, want current %s", failed.Mismatch, failed.Unmet, want.Current)
			}
			var current *Position
			if want.Current != nil {
				check(t, json.Unmarshal(want.Current, &current))
			}
			if failed.Mismatch != nil {
				same(t, failed.Mismatch.Current, current)
			}
			if (failed.Unmet == nil) != (want.Unmet == nil) {
				t.Fatalf("unmet is %v, want %v", failed.Unmet, want.Unmet)
			}
			if want.Unmet == nil {
				return
			}
			same(t, []any{failed.Unmet.Current, failed.Unmet.SinceReason}, []any{current, want.Unmet.SinceReason})
			for i, each := range want.Unmet.Conditions {
				got := failed.Unmet.Conditions[i]
				same(t, []any{got.Path, got.TouchedAt}, []any{each.Path, each.TouchedAt})
				if each.Check != nil {
					same(t, *got.Check, checkOf(each.Check))
				}
			}
			same(t, len(failed.Unmet.Conditions), len(want.Unmet.Conditions))
		})
	}
}

func checkOf(form map[string]any) Check {
	var path Path
	for _, key := range form["path"].([]any) {
		path = append(path, key.(string))
	}
	if value, ok := form["equals"]; ok {
		return Equals(path, value)
	}
	if limit, ok := form["atLeast"].(float64); ok {
		return AtLeast(path, limit)
	}
	if limit, ok := form["atMost"].(float64); ok {
		return AtMost(path, limit)
	}
	if form["exists"] == true {
		return Exists(path)
	}
	return Missing(path)
}

func TestVectorsOfWatchStreams(t *testing.T) {
	type vector struct {
		Name    string
		Targets []struct {
			ID     *string
			Prefix string
		}
		Known         map[string]Position
		KnownBytesMax *int
		Steps         []trackStep
	}
	for _, v := range vectors[vector](t, "track.json") {
		t.Run(v.Name, func(t *testing.T) {
			var targets Targets
			for _, each := range v.Targets {
				if each.ID != nil {
					targets = append(targets, IDs(*each.ID)...)
				} else {
					targets = append(targets, Prefixes(each.Prefix)...)
				}
			}
			bytesMax := knownBytesMax
			if v.KnownBytesMax != nil {
				bytesMax = *v.KnownBytesMax
			}
			tracker := newTracker(targets, v.Known, bytesMax)
			for i, step := range v.Steps {
				t.Log("step", i)
				step.run(t, tracker)
			}
		})
	}
}

type trackStep struct {
	Response *[]byte
	Known    []map[string]Position
	Gap      bool
	Events   []struct {
		Event     string
		ContextID string
		More      bool
		Value     map[string]any
		Position  Position
		From, To  Position
		Reason    string
		Changes   []struct{ Path []string }
	}
}

func (s trackStep) run(t *testing.T, tracker *tracker) {
	if s.Response == nil {
		var known []map[string]Position
		for _, subscription := range tracker.connect() {
			positions := map[string]Position{}
			for id, position := range subscription.GetKnown() {
				positions[id] = fromPosition(position)
			}
			known = append(known, positions)
		}
		same(t, known, s.Known)
		return
	}
	var response chordv1.WatchContextsResponse
	check(t, proto.Unmarshal(*s.Response, &response))
	events, fits := tracker.take(&response)
	same(t, fits, !s.Gap)
	var want []Event
	for _, e := range s.Events {
		switch e.Event {
		case "full":
			want = append(want, &FullEvent{Document{ID: e.ContextID, Value: e.Value, Position: e.Position}, e.Reason, Part{e.More}})
		case "delta":
			want = append(want, &DeltaEvent{Delta{ID: e.ContextID, From: e.From, To: e.To}, Part{e.More}})
		case "deleted":
			want = append(want, &DeletedEvent{e.ContextID, e.Position, e.Reason, Part{e.More}})
		case "absent":
			want = append(want, &AbsentEvent{e.ContextID, Part{e.More}})
		case "caughtUp":
			want = append(want, &CaughtUpEvent{})
		}
	}
	for i, event := range events {
		if delta, ok := event.(*DeltaEvent); ok {
			same(t, len(delta.Changes), len(s.Events[i].Changes))
			delta.Changes = nil // values of changes: TestVectorsOfDeltas
		}
	}
	same(t, events, want)
}
