package chord

import (
	"encoding/json"
	"maps"
	"slices"
)

// View is a document of a Replica, to read: what is read is a copy, so that no reader changes what the others and the replica
// have. A View itself is no copy and costs nothing; it never changes, as the next change of the replica makes another one. The
// zero View is no document.
type View struct{ object map[string]any }

// ViewOf is a View of a copy.
func ViewOf(document map[string]any) View {
	if document == nil {
		document = map[string]any{}
	}
	return View{copyOf(document).(map[string]any)}
}

// Exists is false for the zero View.
func (v View) Exists() bool { return v.object != nil }

// At is a copy of the value at the path, as large as that value; false where there is none. Without a path, of the document.
func (v View) At(path ...string) (any, bool) {
	value, ok := v.find(path)
	if !ok {
		return nil, false
	}
	return copyOf(value), true
}

// Keys are those of the object at the path, in no order; nil where there is none.
func (v View) Keys(path ...string) []string {
	value, _ := v.find(path)
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	return slices.Collect(maps.Keys(object))
}

// Copy is a copy of the document, which is the caller's; nil for the zero View.
func (v View) Copy() map[string]any {
	if v.object == nil {
		return nil
	}
	return copyOf(v.object).(map[string]any)
}

// DataTo stores the document in what target points to: see Get. The target shares nothing with the replica. The zero View is
// INVALID_ARGUMENT.
func (v View) DataTo(target any) error { return dataTo(v.object, target) }

// MarshalJSON is the document; null for the zero View.
func (v View) MarshalJSON() ([]byte, error) { return json.Marshal(v.object) }

// UnmarshalJSON reads what MarshalJSON wrote: to keep the State of a replica.
func (v *View) UnmarshalJSON(text []byte) error {
	// Into a map of its own: encoding/json would write to the one that is there, which others have, too.
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	v.object = object
	return nil
}

func (v View) find(path []string) (any, bool) {
	var value any = v.object
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok {
			return nil, false
		}
	}
	return value, v.object != nil
}

// copyOfChanges shares no container with the changes.
func copyOfChanges(changes []Change) []Change {
	copied := slices.Clone(changes)
	for i, change := range copied {
		copied[i].Value = copyOf(change.Value)
		if change.Splice != nil {
			splice := *change.Splice
			splice.Inserted = copyOf(splice.Inserted).([]any)
			copied[i].Splice = &splice
		}
	}
	return copied
}
