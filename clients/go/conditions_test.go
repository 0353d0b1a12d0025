package chord

import (
	"errors"
	"math"
	"testing"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

func unmetIn(t *testing.T, err error) *UnmetConditions {
	t.Helper()
	failed := reason(t, err, Aborted)
	var unmet *UnmetConditions
	if !errors.As(err, &unmet) || unmet != failed.Unmet || failed.Mismatch != nil || unmet.ContextID != failed.ContextID {
		t.Fatalf("no unmet conditions in %v", err)
	}
	return unmet
}

func TestIfUnchanged(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	since := must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"a": 1, "b": 1, "l": []any{1, 2, 3}})).Position
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(map[string]any{"a": 2})))
	edit := Mutate(IncrementAt(Path{"b"}, 1))
	kept := must[*WriteResult](t)(client.Update(ctx, id("a"), edit, IfUnchanged(since, Path{"b"}, Path{"none"})))

	_, updated := client.Update(ctx, id("a"), edit, IfUnchanged(since, Path{"a"}))
	_, set := client.Set(ctx, id("a"), nil, IfUnchanged(since, Path{"a"}))
	_, deleted := client.Delete(ctx, id("a"), IfUnchanged(since, Path{"a"}))
	for _, err := range []error{updated, set, deleted} {
		want := UnmetConditions{ContextID: id("a"), Current: &kept.Position}
		want.Conditions = []UnmetCondition{{Path: Path{"a"}, TouchedAt: 2}}
		same(t, unmetIn(t, err), want)
	}

	// Splices name places of the list as it was.
	splice := func(at uint32, value any) Edit { return Mutate(SpliceAt(Path{"l"}, at, 1, value)) }
	must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(SpliceAt(Path{"l"}, 0, 0, "first"))))
	must[*WriteResult](t)(client.Update(ctx, id("a"), splice(2, "three"), IfUnchanged(since)))
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value["l"], []any{"first", 1, 2, "three"})
	_, err := client.Update(ctx, id("a"), splice(2, "again"), IfUnchanged(since))
	same(t, unmetIn(t, err).Conditions[0].Path, Path{"l"})

	must[*DeleteResult](t)(client.Delete(ctx, id("a")))
	must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	_, err = client.Update(ctx, id("a"), edit, IfUnchanged(since, Path{"b"}))
	same(t, []any{unmetIn(t, err).SinceReason, len(unmetIn(t, err).Conditions)}, []any{"EPOCH_CHANGED", 0})
}

func TestIfChecks(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	value := map[string]any{"seats": 1, "o": map[string]any{"x": nil}}
	at := must[*WriteResult](t)(client.Set(ctx, id("a"), value)).Position
	hold := []Check{
		AtLeast(Path{"seats"}, 1), AtMost(Path{"seats"}, 1), Exists(Path{"o", "x"}), Missing(Path{"o", "y"}),
		Equals(Path{"o"}, map[string]any{"x": nil}), Equals(Path{"o", "x"}, nil),
	}
	take := Mutate(IncrementAt(Path{"seats"}, -1))
	fail := []Check{
		AtLeast(Path{"seats"}, 1.5), AtMost(Path{"o"}, 1), Exists(Path{"o", "y"}), Missing(Path{"o", "x"}),
		Equals(Path{"seats"}, "1"),
	}
	// Both conditions stand beside a position, in any order.
	_, err := client.Update(ctx, id("a"), take, IfChecks(hold...), IfPosition(at), IfChecks(fail...))
	unmet := unmetIn(t, err)
	same(t, unmet.Current, at)
	for i, condition := range unmet.Conditions {
		same(t, []any{condition.Path, condition.TouchedAt, condition.Check}, []any{fail[i].Path, 0, fail[i]})
	}
	same(t, len(unmet.Conditions), len(fail))
	must[*WriteResult](t)(client.Update(ctx, id("a"), take, IfChecks(hold...), IfPosition(at)))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(nil), IfChecks()))
	_, err = client.Update(ctx, id("a"), take, IfChecks(hold[0]))
	same(t, unmetIn(t, err).Error(), `"`+id("a")+`": ["seats"]>=1 does not hold`)
	_, err = client.Update(ctx, id("none"), take, AllowMissing(), IfChecks(hold[0]))
	same(t, unmetIn(t, err).Current == nil, true)
}

func TestConditionsThatAreNeverSent(t *testing.T) {
	client := dial(t, "127.0.0.1:1") // no server listens there
	for field, option := range map[string]ConditionOption{
		"expected.checks[1].equals.a[0]":      IfChecks(Exists(Path{"a"}), Equals(Path{"a"}, map[string]any{"a": []any{math.NaN()}})),
		"expected.checks[0].at_least":         IfChecks(AtLeast(Path{"a"}, math.Inf(1))),
		"expected.checks[0].at_most":          IfChecks(Check{Path{"a"}, TestAtMost, 1}),
		"expected.checks[0]":                  IfChecks(Check{Path: Path{"a"}}),
		"expected.checks[0].path.keys[1]":     IfChecks(Exists(Path{"a", "\xff"})),
		"expected.unchanged.paths[0].keys[0]": IfUnchanged(Position{Version: 1}, Path{"\xff"}),
	} {
		_, err := client.Delete(patient(t), "a", option)
		same(t, reason(t, err, InvalidArgument).Violations[0].Field, field)
	}
	_, err := client.Wait(patient(t), "a", Position{}, []Check{Exists(Path{"\xff"})})
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "until[0].path.keys[0]")
}

func TestConditionsOfANewerServer(t *testing.T) {
	path := &chordv1.Path{Keys: []string{"a"}}
	unmet := fromUnmet(&chordv1.UnmetConditions{Conditions: []*chordv1.UnmetCondition{
		{Path: path}, {Path: path, Cause: &chordv1.UnmetCondition_Check{Check: &chordv1.Check{Path: path}}},
	}})
	same(t, []any{unmet.Conditions[0], unmet.Conditions[1].Check.Test}, []any{UnmetCondition{Path: Path{"a"}}, TestUnknown})
}

func TestIncludeExpiries(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	before := time.Now()
	edit := Mutate(SetFor(Path{"m", "b"}, 1, time.Minute), SetFor(Path{"m", "a.b"}, 1, time.Hour), SetAt(Path{"x"}, 1))
	must[*WriteResult](t)(client.Update(ctx, id("a"), edit, AllowMissing()))
	same(t, len(must[*Document](t)(client.Get(ctx, id("a"))).Expiries), 0)
	expiries := must[*Document](t)(client.Get(ctx, id("a"), IncludeExpiries())).Expiries
	same(t, []any{len(expiries), expiries[0].Path, expiries[1].Path}, []any{2, Path{"m", "a.b"}, Path{"m", "b"}})
	for i, ttl := range []time.Duration{time.Hour, time.Minute} {
		at := expiries[i].ExpiresAt
		// The server's clock counts milliseconds.
		if at.Before(before.Add(ttl-time.Millisecond)) || at.After(time.Now().Add(ttl+time.Millisecond)) {
			t.Error(at, "is not", ttl, "after", before)
		}
	}
}
