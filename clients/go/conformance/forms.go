package main

import (
	"errors"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

func positionForm(position chord.Position) form {
	return form{"epoch": position.Epoch, "version": position.Version, "digest": position.Digest}
}

func documentForm(document chord.Document) form {
	made := form{"contextId": document.ID, "position": positionForm(document.Position)}
	if document.Value != nil {
		made["value"] = document.Value
	}
	return made
}

func deltaForm(delta chord.Delta) form {
	changes := make([]form, len(delta.Changes))
	for i, change := range delta.Changes {
		changes[i] = changeForm(change)
	}
	made := form{
		"contextId": delta.ID, "from": positionForm(delta.From), "to": positionForm(delta.To), "changes": changes,
	}
	if delta.Provenance != nil {
		made["provenance"] = provenanceForm(*delta.Provenance)
	}
	if delta.Formatted != nil {
		made["formatted"] = delta.Formatted
	}
	if delta.Inexpressible != "" {
		made["inexpressible"] = delta.Inexpressible
	}
	return made
}

func provenanceForm(provenance chord.Provenance) form {
	made := form{"author": provenance.Author, "annotations": form{}}
	if provenance.Annotations != nil {
		made["annotations"] = provenance.Annotations
	}
	if provenance.Expired {
		made["cause"] = "expired"
	}
	return made
}

func lineForm(line chord.BlameLine) form {
	made := form{"path": append([]string{}, line.Path...), "value": line.Value, "version": line.Version}
	if line.Run != nil {
		made["run"] = form{"index": line.Run.Index, "count": line.Run.Count}
	}
	if line.Provenance != nil {
		made["provenance"] = provenanceForm(*line.Provenance)
	}
	return made
}

func changeForm(change chord.Change) form {
	made := form{"action": change.Action, "path": change.Path}
	if change.Action == chord.Added || change.Action == chord.Modified {
		made["value"] = change.Value
	}
	if change.HasOld {
		made["old"] = change.Old
	}
	if splice := change.Splice; splice != nil {
		made["index"], made["removedCount"], made["inserted"] = splice.Index, splice.RemovedCount, splice.Inserted
		if splice.Removed != nil {
			made["removed"] = splice.Removed
		}
	}
	if splice := change.TextSplice; splice != nil {
		made["index"], made["removedCount"], made["inserted"] = splice.Index, splice.RemovedCount, splice.Inserted
		if splice.Removed != "" {
			made["removed"] = splice.Removed
		}
	}
	return made
}

func eventForm(event any) form {
	made := formOf(event)
	if part, ok := event.(chord.Event); ok && part.HasMore() {
		made["more"] = true
	}
	return made
}

func formOf(event any) form {
	switch event := event.(type) {
	case *chord.FullEvent:
		made := documentForm(event.Document)
		made["event"], made["reason"] = "full", event.Reason
		return made
	case *chord.DeltaEvent:
		made := deltaForm(event.Delta)
		made["event"] = "delta"
		return made
	case *chord.DeletedEvent:
		return form{
			"event": "deleted", "contextId": event.ID, "position": positionForm(event.Position), "reason": event.Reason,
		}
	case *chord.AbsentEvent:
		return form{"event": "absent", "contextId": event.ID}
	case *chord.CaughtUpEvent:
		return form{"event": "caughtUp"}
	case *chord.NoChange:
		return form{"event": "noChange", "position": positionForm(event.Position)}
	}
	return nil
}

func writeForm(result *chord.WriteResult) form {
	made := form{"changed": result.Changed}
	if !result.Position.IsZero() {
		made["position"] = positionForm(result.Position)
	}
	if result.Document != nil {
		made["context"] = documentForm(*result.Document)
	}
	if result.Delta != nil {
		made["delta"] = deltaForm(*result.Delta)
	}
	return made
}

var errTimeout = errors.New("not in time")

func errorForm(err error) form {
	made := form{"reason": "DRIVER", "message": err.Error(), "violations": []form{}}
	var mismatch *chord.DeltaMismatchError
	var failed *chord.Error
	switch {
	case errors.As(err, &failed):
		describe(failed, made)
	case errors.As(err, &mismatch):
		made["reason"] = "DELTA_MISMATCH"
	case errors.Is(err, errTimeout):
		made["reason"] = "TIMEOUT"
	}
	return made
}

func describe(failed *chord.Error, made form) {
	violations := make([]form, len(failed.Violations))
	for i, violation := range failed.Violations {
		violations[i] = form{"field": violation.Field, "description": violation.Description}
	}
	made["reason"], made["message"], made["violations"] = failed.Reason, failed.Message, violations
	if failed.ContextID != "" {
		made["contextId"] = failed.ContextID
	}
	if failed.RetryAfter != 0 {
		made["retryAfter"] = float64(failed.RetryAfter) / float64(time.Millisecond)
	}
	if failed.Mismatch != nil {
		made["current"] = nil
		if failed.Mismatch.Current != nil {
			made["current"] = positionForm(*failed.Mismatch.Current)
		}
	}
	if failed.Unmet != nil {
		made["current"], made["unmet"] = nil, unmetForm(failed.Unmet)
		if failed.Unmet.Current != nil {
			made["current"] = positionForm(*failed.Unmet.Current)
		}
	}
}
