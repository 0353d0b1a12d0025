package chord

import (
	"context"
	"fmt"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
)

// named gives a write without a request id a random one, so that its tries are one write.
func (w write) named() write {
	if w.requestID == "" {
		w.requestID = newRequestID()
	}
	return w
}

func (w write) toSet(id string, value map[string]any) (*chordv1.SetContextRequest, error) {
	if w.err != nil {
		return nil, w.err
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

func (w write) toUpdate(id string, edit Edit) (*chordv1.UpdateContextRequest, error) {
	if w.err != nil {
		return nil, w.err
	}
	request := &chordv1.UpdateContextRequest{
		ContextId: id, AllowMissing: w.allowMissing,
		Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, Ttl: w.ttl, Returning: w.returning,
	}
	var err error
	if edit.Changes != nil {
		if request.Changes, err = toStruct(edit.Changes); err != nil {
			return nil, refused("changes", err)
		}
	}
	request.Mutations, err = toMutations(edit.Mutations)
	return request, err
}

func (w write) toRevert(id string, version uint64) (*chordv1.RevertContextRequest, error) {
	return &chordv1.RevertContextRequest{
		ContextId: id, Version: version,
		Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, Ttl: w.ttl, Returning: w.returning,
	}, w.err
}

func (w write) toDelete(id string) (*chordv1.DeleteContextRequest, error) {
	return &chordv1.DeleteContextRequest{
		ContextId: id, Expected: w.expected, RequestId: w.requestID, Annotations: w.annotations, AllowMissing: w.allowMissing,
	}, w.err
}

func (w write) toTouch(id string) (*chordv1.TouchContextRequest, error) {
	return &chordv1.TouchContextRequest{ContextId: id, Ttl: w.ttl, Paths: w.paths}, w.err
}

// BatchedWrite is one write of a Batch: made by SetWrite, UpdateWrite, RevertWrite, DeleteWrite or TouchWrite.
type BatchedWrite struct {
	kind string
	make func(*chordv1.Write) error
}

// SetWrite is a Set. Its options are those of Set but RequestID, which is the batch's.
func SetWrite(id string, value map[string]any, options ...SetWriteOption) BatchedWrite {
	return BatchedWrite{"set", func(message *chordv1.Write) error {
		request, err := applied(options, SetWriteOption.set).toSet(id, value)
		message.Write = &chordv1.Write_Set{Set: request}
		return err
	}}
}

// UpdateWrite is an Update. Its options are those of Update but RequestID, which is the batch's.
func UpdateWrite(id string, edit Edit, options ...UpdateWriteOption) BatchedWrite {
	return BatchedWrite{"update", func(message *chordv1.Write) error {
		request, err := applied(options, UpdateWriteOption.update).toUpdate(id, edit)
		message.Write = &chordv1.Write_Update{Update: request}
		return err
	}}
}

// RevertWrite is a Revert. Its options are those of Revert but RequestID, which is the batch's.
func RevertWrite(id string, version uint64, options ...RevertWriteOption) BatchedWrite {
	return BatchedWrite{"revert", func(message *chordv1.Write) error {
		request, err := applied(options, RevertWriteOption.revert).toRevert(id, version)
		message.Write = &chordv1.Write_Revert{Revert: request}
		return err
	}}
}

// DeleteWrite is a Delete. Its options are those of Delete but RequestID, which is the batch's.
func DeleteWrite(id string, options ...DeleteWriteOption) BatchedWrite {
	return BatchedWrite{"delete", func(message *chordv1.Write) error {
		request, err := applied(options, DeleteWriteOption.delete).toDelete(id)
		message.Write = &chordv1.Write_Delete{Delete: request}
		return err
	}}
}

// TouchWrite is a Touch.
func TouchWrite(id string, options ...TouchOption) BatchedWrite {
	return BatchedWrite{"touch", func(message *chordv1.Write) error {
		request, err := applied(options, TouchOption.touch).toTouch(id)
		message.Write = &chordv1.Write_Touch{Touch: request}
		return err
	}}
}

// Batch does several writes as one, 1 to 100, each of another context: all happen or none does, and watches deliver them
// together. Where one is refused, so is the batch, and the violations name it: writes[2]. Answers in
// the order of the writes; the zero Position is for a delete of a context that was missing, and a touch answers its Document
// without the value (not as a repeat, which touches nothing).
//
// On Redis all contexts must lie in one partition: ids with the same part in braces do, as {room:1}:members and {room:1}:topic.
func (c *Client) Batch(ctx context.Context, writes []BatchedWrite, options ...BatchOption) ([]WriteResult, error) {
	named := applied(options, BatchOption.batch).named()
	request := &chordv1.BatchWriteRequest{RequestId: named.requestID, Writes: make([]*chordv1.Write, len(writes))}
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
