package chord

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

func TestValuesOfOtherTypes(t *testing.T) {
	type name string
	type row map[name]any
	made := must[*structpb.Struct](t)(toStruct(map[string]any{
		"int": 1, "int64": int64(-2), "uint8": uint8(3), "float32": float32(0.5), "number": json.Number("1.5"),
		"name": name("n"), "strings": []string{"a"}, "array": [2]bool{true, false}, "row": row{"k": []row{{}}},
		"nil": nil, "nil list": []string(nil), "nil map": map[string]any(nil), "-0": math.Copysign(0, -1),
	}))
	same(t, fromStruct(made), map[string]any{
		"int": 1.0, "int64": -2.0, "uint8": 3.0, "float32": 0.5, "number": 1.5,
		"name": "n", "strings": []any{"a"}, "array": []any{true, false}, "row": map[string]any{"k": []any{map[string]any{}}},
		"nil": nil, "nil list": []any{}, "nil map": map[string]any{}, "-0": math.Copysign(0, -1),
	})
}

func TestWhatIsNotJSON(t *testing.T) {
	for name, value := range map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(-1), "float32 NaN": float32(math.NaN()), "bytes": []byte("a"),
		"struct": time.Now(), "pointer": new(int), "function": func() {}, "complex": 1i, "key": map[int]any{1: 1},
		"UTF-8": "\xff", "UTF-8 in a list": []any{"\xff"}, "UTF-8 as key": map[string]any{"\xff": 1}, "number": json.Number("x"),
	} {
		if _, err := toStruct(map[string]any{"a": value}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(levels int) map[string]any {
		var value any = map[string]any{}
		for range levels - 2 {
			value = []any{value}
		}
		return map[string]any{"a": value}
	}
	if _, err := toStruct(nested(32)); err != nil {
		t.Error(err)
	}
	if _, err := toStruct(nested(33)); err == nil {
		t.Error("33 levels were taken")
	}
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	if _, err := toStruct(cyclic); err == nil {
		t.Error("a cycle was taken")
	}
}

func TestApplySharesWhatStays(t *testing.T) {
	kept := map[string]any{"k": 1.0}
	document := map[string]any{"kept": kept, "changed": map[string]any{"a": 1.0, "l": []any{1.0, 2.0}}}
	changes := []Change{
		{Action: Modified, Path: []string{"changed", "a"}, Value: 2.0},
		{Action: Spliced, Path: []string{"changed", "l"}, Splice: &Splice{Index: 2, Inserted: []any{3.0}}},
		{Action: Added, Path: []string{"changed", "new"}, Value: map[string]any{"x": 1.0}},
		{Action: Modified, Path: []string{"changed", "new", "x"}, Value: 2.0},
	}
	next := must[map[string]any](t)(Apply(document, changes))
	same(t, next["changed"], map[string]any{"a": 2.0, "l": []any{1.0, 2.0, 3.0}, "new": map[string]any{"x": 2.0}})
	same(t, document["changed"], map[string]any{"a": 1.0, "l": []any{1.0, 2.0}})
	same(t, changes[2].Value, map[string]any{"x": 1.0})
	next["kept"].(map[string]any)["k"] = 2.0
	same(t, kept["k"], 2.0)
}

func TestApplyAfterAReplacement(t *testing.T) {
	document := map[string]any{"a": map[string]any{"b": 1.0}}
	next := must[map[string]any](t)(Apply(document, []Change{
		{Action: Modified, Path: []string{"a", "b"}, Value: 2.0},
		{Action: Modified, Path: []string{"a"}, Value: map[string]any{"c": 1.0}},
		{Action: Added, Path: []string{"a", "d"}, Value: nil},
	}))
	same(t, next, map[string]any{"a": map[string]any{"c": 1.0, "d": nil}})
}

func TestSpliceBeyondUint32(t *testing.T) {
	splice := &Splice{Index: 1, RemovedCount: math.MaxUint32}
	_, err := Apply(map[string]any{"l": []any{1.0}}, []Change{{Action: Spliced, Path: []string{"l"}, Splice: splice}})
	if err == nil || !strings.Contains(err.Error(), "no elements") {
		t.Error(err)
	}
}

func TestKnownPositionsThatNoTargetCovers(t *testing.T) {
	known := map[string]Position{"a": {Version: 1}, "elsewhere": {Version: 1}}
	tracker := newTracker(IDs("a"), known, 0)
	tracker.connect()
	same(t, len(tracker.omitted), 1)
}

func TestBackoff(t *testing.T) {
	policy := RetryPolicy{BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second}.withDefaults()
	for failures, whole := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		whole *= time.Millisecond
		for range 100 {
			if wait := policy.backoff(failures); wait < whole/2 || wait > whole+1 {
				t.Fatalf("%v after %d failures", wait, failures)
			}
		}
	}
	if wait := policy.backoff(10_000); wait > time.Second+1 {
		t.Error(wait)
	}
}

func TestRequestIDs(t *testing.T) {
	if a, b := newRequestID(), newRequestID(); len(a) != 36 || a[14] != '4' || a == b {
		t.Error(a, b)
	}
}
