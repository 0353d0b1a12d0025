package chord

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const rest = "long enough that a delta is smaller than the document, also when it is merged"

func TestSetAndGet(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	value := map[string]any{"__proto__": map[string]any{"": 1.0}, "a.b": []any{nil, map[string]any{}, -1.5}, "é": "x"}
	first := must[*WriteResult](t)(client.Set(ctx, id("a"), value, ReturnDocument(), ReturnOldValues()))
	same(t, []any{first.Changed, first.Position.Version, first.Document.Value}, []any{true, 1, value})
	same(t, len(first.Delta.Changes), 3)
	again := must[*WriteResult](t)(client.Set(ctx, id("a"), value))
	same(t, again, WriteResult{Position: first.Position})

	document := must[*Document](t)(client.Get(ctx, id("a")))
	same(t, []any{document.ID, document.Value, document.Position}, []any{id("a"), value, first.Position})
	if document.CreatedAt.IsZero() || document.UpdatedAt.IsZero() || !document.ExpiresAt.IsZero() {
		t.Error(document)
	}
	must[*WriteResult](t)(client.Set(ctx, id("empty"), nil))
	same(t, must[*Document](t)(client.Get(ctx, id("empty"))).Value, map[string]any{})
}

func TestUpdate(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	_, err := client.Update(ctx, id("a"), Merge(map[string]any{"n": 1}))
	same(t, reason(t, err, NotFound).ContextID, id("a"))
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(map[string]any{"n": 1, "o": map[string]any{"a": 1}}), AllowMissing()))
	edit := Edit{
		Changes: map[string]any{"o": map[string]any{"b": nil}},
		Mutations: []Mutation{
			SetAt(Path{"set"}, nil), RemoveAt(Path{"o", "a"}), IncrementAt(Path{"n"}, 1.5),
			AppendAt(Path{"l"}, 1, "2", nil), SpliceAt(Path{"l"}, 1, 1, "two", "three"),
		},
	}
	updated := must[*WriteResult](t)(client.Update(ctx, id("a"), edit, ReturnDocument(), ReturnDelta()))
	same(t, updated.Document.Value, map[string]any{
		"o": map[string]any{"b": nil}, "set": nil, "n": 2.5, "l": []any{1, "two", "three", nil},
	})
	same(t, slices.ContainsFunc(updated.Delta.Changes, func(c Change) bool { return c.HasOld }), false)
}

func TestExpected(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	_, err := client.Set(ctx, id("a"), nil, IfVersion(1))
	failed := reason(t, err, Aborted)
	same(t, failed, Error{Reason: Aborted, Message: failed.Message, ContextID: id("a"), Mismatch: &Mismatch{}, Code: 10})
	set := must[*WriteResult](t)(client.Set(ctx, id("a"), nil, IfAbsent()))
	_, err = client.Set(ctx, id("a"), nil, IfAbsent())
	same(t, *reason(t, err, Aborted).Mismatch.Current, set.Position)
	_, err = client.Update(ctx, id("a"), Merge(nil), IfPosition(Position{"other", 1, "other"}))
	same(t, *reason(t, err, Aborted).Mismatch.Current, set.Position)
	must[*WriteResult](t)(client.Update(ctx, id("a"), Merge(map[string]any{"n": 1}), IfPosition(set.Position)))
	_, err = client.Delete(ctx, id("a"), IfPosition(set.Position))
	same(t, reason(t, err, Aborted).Mismatch.Current.Version, 2)
}

func TestRequestIDIsRepeated(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	edit := Mutate(IncrementAt(Path{"n"}, 1))
	first := must[*WriteResult](t)(client.Update(ctx, id("a"), edit, AllowMissing(), RequestID(id("request"))))
	second := must[*WriteResult](t)(client.Update(ctx, id("a"), edit, AllowMissing(), RequestID(id("request"))))
	same(t, second, first)
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{"n": 1})
	_, err := client.Update(ctx, id("a"), Mutate(IncrementAt(Path{"n"}, 2)), AllowMissing(), RequestID(id("request")))
	reason(t, err, InvalidArgument)
}

func TestDelete(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	set := must[*WriteResult](t)(client.Set(ctx, id("a"), nil))
	same(t, must[*DeleteResult](t)(client.Delete(ctx, id("a"))), DeleteResult{set.Position, true})
	_, err := client.Delete(ctx, id("a"))
	reason(t, err, NotFound)
	same(t, must[*DeleteResult](t)(client.Delete(ctx, id("a"), AllowMissing())), DeleteResult{})
}

func TestTouch(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	set := must[*WriteResult](t)(client.Set(ctx, id("a"), nil, TTL(time.Hour)))
	touched := must[*Document](t)(client.Touch(ctx, id("a"), TTL(3*time.Hour)))
	same(t, touched.Position, set.Position)
	if left := time.Until(touched.ExpiresAt); touched.Value != nil || left < 2*time.Hour || left > 3*time.Hour {
		t.Error(left, touched)
	}
	if forever := must[*Document](t)(client.Touch(ctx, id("a"), TTL(0))); !forever.ExpiresAt.IsZero() {
		t.Error(forever.ExpiresAt)
	}
}

func TestList(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	var want []string
	for i := range 120 {
		want = append(want, id(fmt.Sprintf("%03d", i)))
		must[*WriteResult](t)(client.Set(ctx, want[i], map[string]any{"i": i}))
	}
	var got []string
	for document, err := range client.List(ctx, id(""), IncludeValues()) {
		check(t, err)
		same(t, document.Value, map[string]any{"i": len(got)})
		got = append(got, document.ID)
	}
	same(t, got, want)
	for document, err := range client.List(ctx, id("")) {
		check(t, err)
		same(t, []any{document.ID, document.Value == nil}, []any{want[0], true})
		break
	}
}

func TestSyncAndDeltas(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	set := must[*WriteResult](t)(client.Set(ctx, id("a"), map[string]any{"n": 1, "rest": rest}))
	full := must[SyncResult](t)(client.Sync(ctx, id("a"), Position{})).(*FullEvent)
	same(t, []any{full.Reason, full.Value}, []any{"INITIAL", map[string]any{"n": 1, "rest": rest}})
	same(t, must[SyncResult](t)(client.Sync(ctx, id("a"), set.Position)), &NoChange{set.Position})

	var last Position
	for range 150 {
		last = must[*WriteResult](t)(client.Update(ctx, id("a"), Mutate(IncrementAt(Path{"n"}, 1)))).Position
	}
	var versions []uint64
	for page, err := range client.Deltas(ctx, id("a"), 100, IncludeOldValues()) {
		check(t, err)
		same(t, []any{page.Head, page.Truncated}, []any{last, false})
		for _, delta := range page.Deltas {
			same(t, []any{delta.Changes[0].HasOld, delta.Changes[0].Old}, []any{true, delta.From.Version})
			versions = append(versions, delta.To.Version)
		}
	}
	same(t, []any{len(versions), versions[0], versions[len(versions)-1]}, []any{51, 101, 151})
	_, err := client.Sync(ctx, id("missing"), Position{})
	reason(t, err, NotFound)
}

func TestErrorDetails(t *testing.T) {
	client, _ := connect(t)
	ctx := patient(t)
	_, err := client.Set(ctx, strings.Repeat("x", 600), nil)
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "context_id")
	_, err = client.Update(ctx, "a", Mutate(RemoveAt(nil)), AllowMissing())
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "mutations[0].path")
	if err.Error() == "" || ReasonOf(fmt.Errorf("wrapped: %w", err)) != InvalidArgument || ReasonOf(errors.New("x")) != "" {
		t.Error(err)
	}
}

func TestWhatIsNeverSent(t *testing.T) {
	client := dial(t, "127.0.0.1:1") // no server listens there
	ctx := patient(t)
	for name, call := range map[string]func() error{
		"value":    func() error { _, err := client.Set(ctx, "a", map[string]any{"f": func() {}}); return err },
		"changes":  func() error { _, err := client.Update(ctx, "a", Merge(map[string]any{"f": "\xff"})); return err },
		"mutation": func() error { _, err := client.Update(ctx, "a", Mutate(AppendAt(Path{"a"}, []byte{1}))); return err },
		"none":     func() error { _, err := client.Update(ctx, "a", Mutate(Mutation{})); return err },
		"id":       func() error { _, err := client.Get(ctx, "\xff"); return err },
		"path":     func() error { _, err := client.Update(ctx, "a", Mutate(RemoveAt(Path{"\xff"}))); return err },
		"option": func() error {
			_, err := client.Delete(ctx, "a", Annotations(map[string]string{"a": "\xff"}))
			return err
		},
		"watch": func() error {
			for _, err := range client.Watch(ctx, IDs("\xff")) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			if failed := reason(t, call(), InvalidArgument); len(failed.Violations) != 1 {
				t.Error(failed.Violations)
			}
		})
	}
}

func TestConcurrentUpdates(t *testing.T) {
	client, id := connect(t)
	ctx := patient(t)
	const writers = 200
	var versions sync.Map
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			edit := Mutate(SetAt(Path{"fields", fmt.Sprint(i)}, i), IncrementAt(Path{"total"}, 1))
			result, err := client.Update(ctx, id("a"), edit, AllowMissing())
			if err != nil {
				t.Error(err)
				return
			}
			versions.Store(result.Position.Version, true)
		})
	}
	all.Wait()
	fields := map[string]any{}
	for i := range writers {
		fields[fmt.Sprint(i)] = i
	}
	same(t, must[*Document](t)(client.Get(ctx, id("a"))).Value, map[string]any{"fields": fields, "total": writers})
	same(t, len(maps.Collect(versions.Range)), writers)
}
