// Package chord is the client of Chord: versioned shared state as a gRPC service.
//
// A context is a named JSON document, here a [Document] with a map[string]any. Calls of a [Client] read and write
// contexts, [Client.Watch] ranges over what happens to them, and a [Replica] keeps a live local copy.
//
// # Values
//
// Documents are what encoding/json makes of JSON: nil, bool, float64, string, []any and map[string]any. Values to be
// sent may also have other integer and float types, slices, and maps with string keys (a nil slice is [], a nil map
// {}); pointers, structs, bytes, NaN, infinities and invalid UTF-8 are refused with INVALID_ARGUMENT before anything
// is sent. Numbers are doubles: integers that would lose digits are refused, too, and belong in
// strings.
//
// # Conditions
//
// A write may name what it rests on: [IfPosition], [IfUnchanged], [IfChecks]. An [UnmetConditions] in the error says which of it
// does not hold. [Client.Edit] changes a document by a function of it, and [Client.Wait] answers when a document meets checks.
//
// # Errors
//
// Calls return *[Error], with the server's reason and, where a write expected another position, the current one:
//
//	var failed *chord.Error
//	if errors.As(err, &failed) && failed.Reason == chord.Aborted { ... failed.Mismatch.Current ... }
//
// # Tries and deadlines
//
// Calls are tried again after transient errors, with backoff, while the context's deadline allows; without one the
// client's own counts (10 s). Writes are named by a request id, so that a repeat writes nothing twice.
package chord
