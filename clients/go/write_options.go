package chord

import (
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Each call has an interface for its options, with a method that only they have. An option of several calls is of a type that has
// the method of each: the compiler refuses it everywhere else.

// SetOption is an option of Set: a ConditionOption, RequestIDOption, AnnotationsOption, TTLOption or ReturnOption.
type SetOption interface{ set(*write) }

// UpdateOption is an option of Update: a ConditionOption, RequestIDOption, AnnotationsOption, TTLOption, AllowMissingOption or
// ReturnOption.
type UpdateOption interface{ update(*write) }

// RevertOption is an option of Revert: a ConditionOption, RequestIDOption, AnnotationsOption, TTLOption or ReturnOption.
type RevertOption interface{ revert(*write) }

// DeleteOption is an option of Delete: a ConditionOption, RequestIDOption, AnnotationsOption or AllowMissingOption.
type DeleteOption interface{ delete(*write) }

// TouchOption is an option of Touch and TouchWrite: a TTLOption, or Paths.
type TouchOption interface{ touch(*write) }

// BatchOption is an option of Batch: a RequestIDOption.
type BatchOption interface{ batch(*write) }

// SetWriteOption is an option of SetWrite: each SetOption but RequestID, which is the batch's.
type SetWriteOption interface {
	SetOption
	inBatch()
}

// UpdateWriteOption is an option of UpdateWrite: each UpdateOption but RequestID, which is the batch's.
type UpdateWriteOption interface {
	UpdateOption
	inBatch()
}

// RevertWriteOption is an option of RevertWrite: each RevertOption but RequestID, which is the batch's.
type RevertWriteOption interface {
	RevertOption
	inBatch()
}

// DeleteWriteOption is an option of DeleteWrite: each DeleteOption but RequestID, which is the batch's.
type DeleteWriteOption interface {
	DeleteOption
	inBatch()
}

// write is what the options of a write ask for.
type write struct {
	expected     *chordv1.Expected
	requestID    string
	annotations  map[string]string
	ttl          *durationpb.Duration
	paths        []*chordv1.Path
	allowMissing bool
	returning    *chordv1.ReturnOptions
	// What is wrong with the first option that cannot be sent.
	err error
}

// applied is what all options together ask for.
func applied[O, C any](options []O, apply func(O, *C)) C {
	var config C
	for _, option := range options {
		apply(option, &config)
	}
	return config
}

// fail keeps the first error; nil is none.
func (w *write) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// ConditionOption is a condition of a Set, Update, Revert or Delete, also in a batch: IfPosition, IfVersion, IfAbsent or IfUnchanged, of
// which the last one counts, and beside it IfChecks. Where it does not hold, the write is refused with ABORTED.
type ConditionOption func(*write)

func (o ConditionOption) set(w *write)    { o(w) }
func (o ConditionOption) update(w *write) { o(w) }
func (o ConditionOption) revert(w *write) { o(w) }
func (o ConditionOption) delete(w *write) { o(w) }
func (o ConditionOption) inBatch()        {}

// IfPosition writes only where the context stands exactly here: for the zero Position, only where it does not exist.
// Else ABORTED, with a Mismatch. For Set, Update, Revert, Delete.
func IfPosition(position Position) ConditionOption {
	if position.IsZero() {
		return IfAbsent()
	}
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Position{Position: toPosition(position)}
		return nil
	})
}

// IfVersion is weaker than IfPosition: it does not tell two lives of a context apart. For Set, Update, Revert, Delete.
func IfVersion(version uint64) ConditionOption {
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Version{Version: version}
		return nil
	})
}

// IfAbsent writes only where the context does not exist; a Delete with AllowMissing then does nothing: a guard in a batch. Else
// ABORTED, with a Mismatch. A Revert with it never succeeds. For Set, Update, Revert, Delete.
func IfAbsent() ConditionOption {
	return expecting(func(expected *chordv1.Expected) error {
		expected.Condition = &chordv1.Expected_Absent{Absent: true}
		return nil
	})
}

// IfUnchanged writes only where no version after since touched one of the paths, one above or one below it. Else ABORTED, with
// Unmet. Splices of the same write name places of the lists and strings at since, and an overlap with later splices is a
// conflict; without paths nothing else is guarded. For Set, Update, Revert, Delete.
func IfUnchanged(since Position, paths ...Path) ConditionOption {
	return expecting(func(expected *chordv1.Expected) error {
		guarded, err := toPaths("expected.unchanged.paths", paths)
		unchanged := &chordv1.Unchanged{Since: toPosition(since), Paths: guarded}
		expected.Condition = &chordv1.Expected_Unchanged{Unchanged: unchanged}
		return err
	})
}

// IfChecks writes only where all checks hold on the document that the write meets, before its own changes. Else ABORTED, with
// Unmet. Given more than once, all hold. For Set, Update, Revert, Delete.
func IfChecks(checks ...Check) ConditionOption {
	if len(checks) == 0 {
		return func(*write) {}
	}
	return expecting(func(expected *chordv1.Expected) error {
		messages, err := toChecks("expected.checks", checks)
		expected.Checks = append(expected.Checks, messages...)
		return err
	})
}

func expecting(expect func(*chordv1.Expected) error) ConditionOption {
	return func(w *write) {
		if w.expected == nil {
			w.expected = &chordv1.Expected{}
		}
		w.fail(expect(w.expected))
	}
}

// RequestIDOption is the option RequestID, of Set, Update, Revert, Delete and Batch.
type RequestIDOption func(*write)

func (o RequestIDOption) set(w *write)    { o(w) }
func (o RequestIDOption) update(w *write) { o(w) }
func (o RequestIDOption) revert(w *write) { o(w) }
func (o RequestIDOption) delete(w *write) { o(w) }
func (o RequestIDOption) batch(w *write)  { o(w) }

// RequestID names the write: a repeat answers what the first one did, and writes nothing. Without it, or with "", the write has a
// random one, for the tries of this call. For Set, Update, Revert, Delete, Batch.
func RequestID(id string) RequestIDOption {
	return func(w *write) { w.requestID = id }
}

// AnnotationsOption is the option Annotations, of Set, Update, Revert, Delete, also in a batch, and Edit.
type AnnotationsOption func(*write)

func (o AnnotationsOption) set(w *write)            { o(w) }
func (o AnnotationsOption) update(w *write)         { o(w) }
func (o AnnotationsOption) revert(w *write)         { o(w) }
func (o AnnotationsOption) delete(w *write)         { o(w) }
func (o AnnotationsOption) edit(config *editConfig) { o(&config.write) }
func (o AnnotationsOption) inBatch()                {}

// Annotations are kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a Delete, in the audit log alone. For
// Set, Update, Revert, Delete, Edit.
func Annotations(annotations map[string]string) AnnotationsOption {
	return func(w *write) {
		for key, value := range annotations {
			if err := wellFormed(key + value); err != nil {
				w.fail(refused("annotations", err))
			}
		}
		w.annotations = annotations
	}
}

// TTLOption is the option TTL, of Set, Update, Revert, also in a batch, Touch, TouchWrite and Edit.
type TTLOption func(*write)

func (o TTLOption) set(w *write)            { o(w) }
func (o TTLOption) update(w *write)         { o(w) }
func (o TTLOption) revert(w *write)         { o(w) }
func (o TTLOption) touch(w *write)          { o(w) }
func (o TTLOption) edit(config *editConfig) { o(&config.write) }
func (o TTLOption) inBatch()                {}

// TTL is how long the context lives from now on, renewed by each write and touch; 0: until it is deleted. Without it
// that stays as before. For Set, Update, Revert, Touch, Edit.
func TTL(ttl time.Duration) TTLOption {
	return func(w *write) { w.ttl = durationpb.New(ttl) }
}

type touchOption func(*write)

func (o touchOption) touch(w *write) { o(w) }

// Paths name members that expire, in place of the context. For Touch.
func Paths(paths ...Path) TouchOption {
	return touchOption(func(w *write) {
		messages, err := toPaths("paths", paths)
		w.fail(err)
		w.paths = append(w.paths, messages...)
	})
}

// AllowMissingOption is the option AllowMissing, of Update, Delete, also in a batch, and Edit.
type AllowMissingOption func(*write)

func (o AllowMissingOption) update(w *write)         { o(w) }
func (o AllowMissingOption) delete(w *write)         { o(w) }
func (o AllowMissingOption) edit(config *editConfig) { o(&config.write) }
func (o AllowMissingOption) inBatch()                {}

// AllowMissing makes an Update or an Edit start from {} where the context is missing, and a Delete succeed. For Update, Delete, Edit.
func AllowMissing() AllowMissingOption {
	return func(w *write) { w.allowMissing = true }
}

// ReturnOption asks a Set, Update or Revert, also in a batch, or an Edit for more in its answer: ReturnDocument, ReturnDelta,
// ReturnOldValues or ReturnFormat.
type ReturnOption func(*write)

func (o ReturnOption) set(w *write)            { o(w) }
func (o ReturnOption) update(w *write)         { o(w) }
func (o ReturnOption) revert(w *write)         { o(w) }
func (o ReturnOption) edit(config *editConfig) { o(&config.write) }
func (o ReturnOption) inBatch()                {}

// ReturnDocument asks for the context as it is after the write. For Set, Update, Revert, Edit.
func ReturnDocument() ReturnOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Context = true })
}

// ReturnDelta asks for what the write changed. For Set, Update, Revert, Edit.
func ReturnDelta() ReturnOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta = true })
}

// ReturnOldValues asks for the delta with its old values. For Set, Update, Revert, Edit.
func ReturnOldValues() ReturnOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta, options.OldValues = true, true })
}

// ReturnFormat asks for what the write changed in a format, as Format does. For Set, Update, Revert, Edit.
func ReturnFormat(name string) ReturnOption {
	return returning(func(options *chordv1.ReturnOptions) { options.Delta, options.Format = true, name })
}

func returning(ask func(*chordv1.ReturnOptions)) ReturnOption {
	return func(w *write) {
		if w.returning == nil {
			w.returning = &chordv1.ReturnOptions{}
		}
		ask(w.returning)
	}
}
