package chord

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Position is a point in the history of one context. Keep it and hand it back; never compute one. The zero Position
// says that nothing is known, or that the context does not exist.
type Position struct {
	// Epoch is one life of the context: another one after it was deleted and created again, or restored.
	Epoch string
	// Version counts the writes of that life that changed something, from 1.
	Version uint64
	// Digest is a hash of that life's history up to Version.
	Digest string
}

// IsZero tells whether p is the zero Position.
func (p Position) IsZero() bool { return p == Position{} }

// String is EPOCH:VERSION:DIGEST, as the command chord writes it; a version alone where there is no more.
func (p Position) String() string {
	if p.Epoch == "" && p.Digest == "" {
		return strconv.FormatUint(p.Version, 10)
	}
	return fmt.Sprintf("%s:%d:%s", p.Epoch, p.Version, p.Digest)
}

var positionText = regexp.MustCompile(`^(?:([^:\s]+):([0-9]{1,15}):([^:\s]+)|([0-9]{1,15}))$`)

// ParsePosition reads EPOCH:VERSION:DIGEST, or a version alone, which is weaker. Else *Error, INVALID_ARGUMENT.
func ParsePosition(text string) (Position, error) {
	found := positionText.FindStringSubmatch(text)
	if found == nil {
		return Position{}, unsendable("position", fmt.Sprintf("expected EPOCH:VERSION:DIGEST or a version, got %q", text))
	}
	version, err := strconv.ParseUint(found[2]+found[4], 10, 64)
	return Position{Epoch: found[1], Version: version, Digest: found[3]}, err
}

// Document is a context: its value and where it stands.
type Document struct {
	ID string
	// Value is nil in answers that were not asked for values. It is never nil otherwise.
	Value     map[string]any
	Position  Position
	CreatedAt time.Time
	UpdatedAt time.Time
	// ExpiresAt is zero where the context lives until it is deleted.
	ExpiresAt time.Time
	// Expiries are the members that expire, in the order of their paths: of a Get with IncludeExpiries alone.
	Expiries []MemberExpiry
}

// MemberExpiry is when a member of a document removes itself, unless it is set or touched before.
type MemberExpiry struct {
	Path      Path
	ExpiresAt time.Time
}

// Delta leads from one position of a context to a later one.
type Delta struct {
	ID   string
	From Position
	To   Position
	// Changes is empty where a Format was asked for: ApplyTo refuses that, Apply cannot.
	Changes []Change
	// UpdatedAt is when To was written.
	UpdatedAt time.Time
	// Provenance is nil where nothing is known, or the delta is of several versions that have nothing in common.
	Provenance *Provenance
	// Formatted is the changes in the format that was asked for, in place of Changes.
	Formatted any
	// Inexpressible is why that format cannot express the changes: read the document. Empty where it can.
	Inexpressible string
}

// Action is what happens at the path of a Change.
type Action string

const (
	// Added: Value is new; a whole subtree is one change.
	Added Action = "added"
	// Modified: Value replaces Old.
	Modified Action = "modified"
	// Removed: Old is gone.
	Removed Action = "removed"
	// Spliced: elements of a list were exchanged, see Splice.
	Spliced Action = "spliced"
	// TextSpliced: a part of a string was exchanged, see TextSplice.
	TextSpliced Action = "text_spliced"
	// UnknownAction is one that this client does not know, or that came incomplete. It applies to no document.
	UnknownAction Action = "unknown"
)

// Change is one change of a document. Values are shared with other readers: do not write to them.
type Change struct {
	Action Action
	// Path is the object keys from the root, never empty. Each string is one key as it stands.
	Path []string
	// Value is the new value of an addition or a modification; nil is JSON's null.
	Value any
	// Old is the former value of a modification or a removal, if HasOld: they are sent only on request.
	Old    any
	HasOld bool
	// Splice is set for Spliced alone.
	Splice *Splice
	// TextSplice is set for TextSpliced alone.
	TextSplice *TextSplice
}

// Splice exchanges elements of a list: at Index, RemovedCount elements gave way to Inserted.
type Splice struct {
	Index        uint32
	RemovedCount uint32
	Inserted     []any
	// Removed is the removed elements: sent only on request.
	Removed []any
}

// TextSplice exchanges a part of a string: at Index, RemovedCount gave way to Inserted. Both count code points (runes).
type TextSplice struct {
	Index        uint32
	RemovedCount uint32
	Inserted     string
	// Removed is the removed text: sent only on request.
	Removed string
}

// WriteResult is what a Set or an Update did.
type WriteResult struct {
	// Position is where the context stands after this write.
	Position Position
	// Changed is false where the document was like this already: the version stays.
	Changed bool
	// Document is nil without ReturnDocument.
	Document *Document
	// Delta is nil without ReturnDelta.
	Delta *Delta
}

// WaitResult is what a Wait answers.
type WaitResult struct {
	// Result is what a copy at the known position lacks, up to the version that met the checks or to a later one.
	Result SyncResult
	// HeldAt is the first version after the known position that met the checks; without one, that of Result.
	HeldAt uint64
}

// DeleteResult is what a Delete did.
type DeleteResult struct {
	// Position is where the context stood last: zero where it was missing.
	Position Position
	// Changed is false where it was missing already.
	Changed bool
}

// DeltaPage is a part of the retained history of a context, oldest first.
type DeltaPage struct {
	Deltas []Delta
	// Head is where the context stands now.
	Head Position
	// Truncated: deltas right after the version that was asked for are no longer kept.
	Truncated bool
}
