package chord

import (
	"context"
	"fmt"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

// The requests of writes: those of single calls know the option RequestID, those of a batch do not.

func toSet(id string, value map[string]any, options []WriteOption, named ...string) (*chordv1.SetContextRequest, error) {
	w, err := newWrite(options, append(named, "expected", "Annotations", "TTL", "returning")...)
	if err != nil {
		return nil, err
	}
	document, err := toStruct(value)
	if err != nil {
		return nil, refused("value", err)
	}
	return &chordv1.SetContextRequest{
		ContextId: id, Value: document,
		Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, Ttl: w.ttl, Returning: w.returning,
	}, nil
}

func toUpdate(id string, edit Edit, options []WriteOption, named ...string) (*chordv1.UpdateContextRequest, error) {
	w, err := newWrite(options, append(named, "expected", "Annotations", "TTL", "returning", "AllowMissing")...)
	if err != nil {
		return nil, err
	}
	request := &chordv1.UpdateContextRequest{
		ContextId: id, AllowMissing: w.allowMissing,
		Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, Ttl: w.ttl, Returning: w.returning,
	}
	if edit.Changes != nil {
		if request.Changes, err = toStruct(edit.Changes); err != nil {
			return nil, refused("changes", err)
		}
	}
	request.Mutations, err = toMutations(edit.Mutations)
	return request, err
}

func toRevert(id string, version uint64, options []WriteOption, named ...string) (*chordv1.RevertContextRequest, error) {
	w, err := newWrite(options, append(named, "expected", "Annotations", "TTL", "returning")...)
	return &chordv1.RevertContextRequest{
		ContextId: id, Version: version,
		Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, Ttl: w.ttl, Returning: w.returning,
	}, err
}

func toDelete(id string, options []WriteOption, named ...string) (*chordv1.DeleteContextRequest, error) {
	w, err := newWrite(options, append(named, "expected", "Annotations", "AllowMissing")...)
	return &chordv1.DeleteContextRequest{
		ContextId: id, Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, AllowMissing: w.allowMissing,
	}, err
}

func toTouch(id string, options []WriteOption) (*chordv1.TouchContextRequest, error) {
	w, err := newWrite(options, "TTL", "Paths")
	return &chordv1.TouchContextRequest{ContextId: id, Ttl: w.ttl, Paths: w.paths}, err
}

// BatchedWrite is one write of a Batch: made by SetWrite, UpdateWrite, RevertWrite, DeleteWrite or TouchWrite.
type BatchedWrite struct {
	kind string
	make func(*chordv1.Write) error
}

// SetWrite is a Set. Its options are those of Set but RequestID, which is the batch's.
func SetWrite(id string, value map[string]any, options ...WriteOption) BatchedWrite {
	return BatchedWrite{"set", func(message *chordv1.Write) error {
		request, err := toSet(id, value, options)
		message.Write = &chordv1.Write_Set{Set: request}
		return err
	}}
}

// UpdateWrite is an Update. Its options are those of Update but RequestID, which is the batch's.
func UpdateWrite(id string, edit Edit, options ...WriteOption) BatchedWrite {
	return BatchedWrite{"update", func(message *chordv1.Write) error {
		request, err := toUpdate(id, edit, options)
		message.Write = &chordv1.Write_Update{Update: request}
		return err
	}}
}

// RevertWrite is a Revert. Its options are those of Revert but RequestID, which is the batch's.
func RevertWrite(id string, version uint64, options ...WriteOption) BatchedWrite {
	return BatchedWrite{"revert", func(message *chordv1.Write) error {
		request, err := toRevert(id, version, options)
		message.Write = &chordv1.Write_Revert{Revert: request}
		return err
	}}
}

// DeleteWrite is a Delete. Its options are those of Delete but RequestID, which is the batch's.
func DeleteWrite(id string, options ...WriteOption) BatchedWrite {
	return BatchedWrite{"delete", func(message *chordv1.Write) error {
		request, err := toDelete(id, options)
		message.Write = &chordv1.Write_Delete{Delete: request}
		return err
	}}
}

// TouchWrite is a Touch.
func TouchWrite(id string, options ...WriteOption) BatchedWrite {
	return BatchedWrite{"touch", func(message *chordv1.Write) error {
		request, err := toTouch(id, options)
		message.Write = &chordv1.Write_Touch{Touch: request}
		return err
	}}
}

// Batch does several writes as one, 1 to 100, each of another context: all happen or none does, and watches deliver them
// together. Where one is refused, so is the batch, and the violations name it: writes[2]. The only option is RequestID.
// Answers in the order of the writes; the zero Position is for a delete of a context that was missing, and a touch answers
// its Document without the value (not as a repeat, which touches nothing).
//
// On Redis all contexts must lie in one partition: ids with the same part in braces do, as {room:1}:members and {room:1}:topic.
func (c *Client) Batch(ctx context.Context, writes []BatchedWrite, options ...WriteOption) ([]WriteResult, error) {
	w, err := newWrite(options, "RequestID")
	if err != nil {
		return nil, err
	}
	request := &chordv1.BatchWriteRequest{RequestId: w.requestID, Writes: make([]*chordv1.Write, len(writes))}
	for i, write := range writes {
		request.Writes[i] = &chordv1.Write{}
		if write.make == nil {
			return nil, unsendable(fmt.Sprintf("writes[%d]", i), "is no write")
		}
		if err := write.make(request.Writes[i]); err != nil {
			return nil, inBatch(fmt.Sprintf("writes[%d].%s.", i, write.kind), err)
		}
	}
	answer := &chordv1.BatchWriteResponse{}
	if err := c.call(ctx, chordv1.ContextService_BatchWrite_FullMethodName, request, answer); err != nil {
		return nil, err
	}
	results := make([]WriteResult, len(answer.GetResults()))
	for i, result := range answer.GetResults() {
		results[i] = *fromWrite(result)
		if writes[i].kind == "touch" && results[i].Document != nil {
			results[i].Document.Value = nil
		}
	}
	return results, nil
}

// inBatch puts the place of a write before the fields of its error.
func inBatch(place string, err error) error {
	failed, ok := err.(*Error)
	if !ok || len(failed.Violations) == 0 {
		return err
	}
	return unsendable(place+failed.Violations[0].Field, failed.Violations[0].Description)
}
