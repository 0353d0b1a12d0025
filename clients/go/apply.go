package chord

import (
	"fmt"
	"maps"
)

// DeltaMismatchError is a change that does not fit the document, or a delta in another format.
type DeltaMismatchError struct {
	Path    []string
	Problem string
}

func (e *DeltaMismatchError) Error() string {
	return fmt.Sprintf("chord: change at %q: %s", e.Path, e.Problem)
}

// ApplyTo is Apply with the changes of the delta, and refuses one in another format, whose Changes are empty.
func (d *Delta) ApplyTo(document map[string]any) (map[string]any, error) {
	if d.Formatted != nil || d.Inexpressible != "" {
		return nil, &DeltaMismatchError{nil, "the changes came in another format"}
	}
	return Apply(document, d.Changes)
}

// Apply makes a new document that shares with the old one all that did not change; the old one stays as it is. At
// the first change that does not fit it returns a *DeltaMismatchError, and no document.
func Apply(document map[string]any, changes []Change) (map[string]any, error) {
	if len(changes) == 0 {
		return document, nil
	}
	root := newCopy(document)
	for _, change := range changes {
		if problem := root.apply(change); problem != "" {
			return nil, &DeltaMismatchError{change.Path, problem}
		}
	}
	return root.object, nil
}

// A copied object was made by this Apply and may be written to; so may those below. Each is copied once.
type copied struct {
	object map[string]any
	below  map[string]*copied
}

func newCopy(object map[string]any) *copied {
	own := maps.Clone(object)
	if own == nil {
		own = map[string]any{}
	}
	return &copied{object: own, below: map[string]*copied{}}
}

// apply answers what is wrong, or "".
func (c *copied) apply(change Change) string {
	if len(change.Path) == 0 {
		return "a path needs a key"
	}
	last := len(change.Path) - 1
	parent := c
	for _, step := range change.Path[:last] {
		if parent = parent.child(step); parent == nil {
			return fmt.Sprintf("no object at %q", step)
		}
	}
	return parent.applyHere(change, change.Path[last])
}

// child is the object at a key, copied; nil where there is none.
func (c *copied) child(key string) *copied {
	if child := c.below[key]; child != nil {
		return child
	}
	object, ok := c.object[key].(map[string]any)
	if !ok {
		return nil
	}
	child := newCopy(object)
	c.object[key], c.below[key] = child.object, child
	return child
}

func (c *copied) applyHere(change Change, key string) string {
	old, exists := c.object[key]
	if change.Action == Added && exists {
		return "is there already"
	}
	if change.Action != Added && !exists {
		return "is not there"
	}
	switch change.Action {
	case Added, Modified:
		c.object[key] = change.Value
	case Removed:
		delete(c.object, key)
	case Spliced:
		list, ok := old.([]any)
		if !ok || change.Splice == nil {
			return "no list to splice"
		}
		// Both are uint32: their sum may not be one.
		from, end := uint64(change.Splice.Index), uint64(change.Splice.Index)+uint64(change.Splice.RemovedCount)
		if end > uint64(len(list)) {
			return fmt.Sprintf("no elements %d to %d of %d", from, end, len(list))
		}
		c.object[key] = spliced(list[:from], change.Splice.Inserted, list[end:])
	case TextSpliced:
		text, ok := old.(string)
		if !ok || change.TextSplice == nil {
			return "no string to splice"
		}
		from := byteOffset(text, uint64(change.TextSplice.Index))
		if from < 0 {
			return fmt.Sprintf("no code point %d", change.TextSplice.Index)
		}
		size := byteOffset(text[from:], uint64(change.TextSplice.RemovedCount))
		if size < 0 {
			return fmt.Sprintf("no %d code points at %d", change.TextSplice.RemovedCount, change.TextSplice.Index)
		}
		c.object[key] = text[:from] + change.TextSplice.Inserted + text[from+size:]
	default:
		return "a change of an unknown kind"
	}
	delete(c.below, key) // what was copied there is there no longer
	return ""
}

// byteOffset is where the code point with this number begins, or the end of the text for the number behind the last
// one; -1 beyond that.
func byteOffset(text string, points uint64) int {
	for offset := range text {
		if points == 0 {
			return offset
		}
		points--
	}
	if points > 0 {
		return -1
	}
	return len(text)
}

// spliced is a new list of the three; never nil, which would be no list of JSON.
func spliced(before, inserted, after []any) []any {
	list := make([]any, 0, len(before)+len(inserted)+len(after))
	return append(append(append(list, before...), inserted...), after...)
}
