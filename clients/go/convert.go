package chord

import (
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func toPosition(position Position) *chordv1.Position {
	return &chordv1.Position{Epoch: position.Epoch, Version: position.Version, Digest: position.Digest}
}

func fromPosition(message *chordv1.Position) Position {
	return Position{Epoch: message.GetEpoch(), Version: message.GetVersion(), Digest: message.GetDigest()}
}

// fromContext is for answers that always carry the document; one that is absent is {}.
func fromContext(message *chordv1.Context) Document {
	document := fromContextHead(message)
	document.Value = fromStruct(message.GetValue())
	return document
}

// fromContextHead leaves the value out.
func fromContextHead(message *chordv1.Context) Document {
	return Document{
		ID:        message.GetContextId(),
		Position:  fromPosition(message.GetPosition()),
		CreatedAt: fromTimestamp(message.GetCreatedAt()),
		UpdatedAt: fromTimestamp(message.GetUpdatedAt()),
		ExpiresAt: fromTimestamp(message.GetExpiresAt()),
	}
}

func fromExpiries(messages []*chordv1.MemberExpiry) []MemberExpiry {
	var expiries []MemberExpiry
	for _, each := range messages {
		expiries = append(expiries, MemberExpiry{each.GetPath().GetKeys(), fromTimestamp(each.GetExpiresAt())})
	}
	return expiries
}

func fromDelta(message *chordv1.Delta) Delta {
	changes := make([]Change, len(message.GetChanges()))
	for i, change := range message.GetChanges() {
		changes[i] = fromChange(change)
	}
	return Delta{
		ID:         message.GetContextId(),
		From:       fromPosition(message.GetFrom()),
		To:         fromPosition(message.GetTo()),
		Changes:    changes,
		UpdatedAt:  fromTimestamp(message.GetUpdatedAt()),
		Provenance: fromProvenance(message.GetProvenance()),

		Formatted:     fromValue(message.GetFormatted()),
		Inexpressible: message.GetInexpressible(),
	}
}

func fromDeltas(messages []*chordv1.Delta) []Delta {
	deltas := make([]Delta, len(messages))
	for i, message := range messages {
		deltas[i] = fromDelta(message)
	}
	return deltas
}

func fromChange(message *chordv1.Change) Change {
	change := Change{Action: actionOf(message), Path: message.GetPath()}
	switch change.Action {
	case Added, Modified:
		change.Value = fromValue(message.GetValue())
	case Spliced:
		splice := message.GetSplice()
		change.Splice = &Splice{
			Index:        splice.GetIndex(),
			RemovedCount: splice.GetRemovedCount(),
			Inserted:     fromList(splice.GetInserted()),
		}
		if len(splice.GetRemoved()) > 0 {
			change.Splice.Removed = fromList(splice.GetRemoved())
		}
	case TextSpliced:
		splice := message.GetTextSplice()
		change.TextSplice = &TextSplice{
			Index:        splice.GetIndex(),
			RemovedCount: splice.GetRemovedCount(),
			Inserted:     splice.GetInserted(),
			Removed:      splice.GetRemoved(),
		}
	}
	if old := message.GetOldValue(); old != nil {
		change.Old, change.HasOld = fromValue(old), true
	}
	return change
}

// actionOf is UnknownAction where what the action needs is missing.
func actionOf(message *chordv1.Change) Action {
	hasValue := message.GetValue() != nil
	switch action := message.GetAction(); {
	case action == chordv1.ChangeAction_CHANGE_ACTION_ADDED && hasValue:
		return Added
	case action == chordv1.ChangeAction_CHANGE_ACTION_MODIFIED && hasValue:
		return Modified
	case action == chordv1.ChangeAction_CHANGE_ACTION_REMOVED:
		return Removed
	case action == chordv1.ChangeAction_CHANGE_ACTION_SPLICED && message.GetSplice() != nil:
		return Spliced
	case action == chordv1.ChangeAction_CHANGE_ACTION_SPLICED && message.GetTextSplice() != nil:
		return TextSpliced
	}
	return UnknownAction
}

// fromTimestamp is the zero time where there is none.
func fromTimestamp(message *timestamppb.Timestamp) time.Time {
	if message == nil {
		return time.Time{}
	}
	return message.AsTime()
}
