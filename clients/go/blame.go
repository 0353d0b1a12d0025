package chord

import (
	"context"
	"iter"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

// Provenance is where a version comes from.
type Provenance struct {
	// Expired: the time to live of members ended, and no client wrote the version.
	Expired bool
	// Author is the identity that authentication gave; empty: none.
	Author string
	// Annotations are what the write gave.
	Annotations map[string]string
}

// BlameLine is a leaf of a document, and the version that made it what it is. A list or a string has a line for each run of
// elements or code points that one version made.
type BlameLine struct {
	// Path is empty for the document itself, where it is empty.
	Path Path
	// Run is set for lists and strings that are not empty: which elements or code points.
	Run *BlameRun
	// Value is the value, or these elements or this text of it.
	Value any
	// Version is 0 for one that is older than OlderThan of the page.
	Version   uint64
	UpdatedAt time.Time
	// Provenance is nil where nothing is known.
	Provenance *Provenance
}

// BlameRun is a part of a list (elements) or of a string (code points).
type BlameRun struct {
	Index, Count uint32
}

// BlamePage is a part of a document, in the order of the paths.
type BlamePage struct {
	Lines []BlameLine
	// Position is the version that the lines of all pages are of.
	Position Position
	// OlderThan: lines without a version are older than this one, whose deltas are no longer kept, or too many. 0: each line has its version.
	OlderThan uint64
}

// Blame ranges over what lies at or below one of the paths, or over the whole document without paths, page after page: which
// version made each part, and who wrote it.
func (c *Client) Blame(ctx context.Context, id string, paths ...Path) iter.Seq2[*BlamePage, error] {
	return func(yield func(*BlamePage, error) bool) {
		within, err := toPaths("paths", paths)
		if err != nil {
			yield(nil, err)
			return
		}
		request := &chordv1.BlameContextRequest{ContextId: id, Paths: within}
		for more := true; more; more = request.PageToken != "" {
			answer := &chordv1.BlameContextResponse{}
			if err := c.call(ctx, chordv1.SyncService_BlameContext_FullMethodName, request, answer); err != nil {
				yield(nil, err)
				return
			}
			page := &BlamePage{Position: fromPosition(answer.GetPosition()), OlderThan: answer.GetOlderThan()}
			for _, line := range answer.GetLines() {
				page.Lines = append(page.Lines, fromLine(line))
			}
			if !yield(page, nil) {
				return
			}
			request.PageToken = answer.GetNextPageToken()
		}
	}
}

func fromLine(message *chordv1.BlameLine) BlameLine {
	line := BlameLine{
		Path:       message.GetPath().GetKeys(),
		Value:      fromValue(message.GetValue()),
		Version:    message.GetVersion(),
		UpdatedAt:  fromTimestamp(message.GetUpdatedAt()),
		Provenance: fromProvenance(message.GetProvenance()),
	}
	if run := message.GetRun(); run != nil {
		line.Run = &BlameRun{run.GetIndex(), run.GetCount()}
	}
	return line
}

func fromProvenance(message *chordv1.Provenance) *Provenance {
	if message == nil {
		return nil
	}
	expired := message.GetCause() == chordv1.Cause_CAUSE_EXPIRED
	return &Provenance{expired, message.GetAuthor(), message.GetAnnotations()}
}
