package chord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Get is Client.Get with the document as a T, by the rules of encoding/json: a struct with its tags, or a map. A document that
// is none is INVALID_ARGUMENT; the violation's field is the path inside the document: value.members.name.
func Get[T any](ctx context.Context, client *Client, id string, options ...GetOption) (T, *Document, error) {
	var value T
	document, err := client.Get(ctx, id, options...)
	if err != nil {
		return value, nil, err
	}
	return value, document, document.DataTo(&value)
}

// Set is Client.Set with a document of any type that encoding/json makes an object of: see ToDocument.
func Set(ctx context.Context, client *Client, id string, value any, options ...SetOption) (*WriteResult, error) {
	document, err := ToDocument(value)
	if err != nil {
		return nil, err
	}
	return client.Set(ctx, id, document, options...)
}

// DataTo stores the document in what target points to: see Get. Members that the target does not have are left out. A Document
// without its value is INVALID_ARGUMENT.
func (d *Document) DataTo(target any) error { return dataTo(d.Value, target) }

func dataTo(document map[string]any, target any) error {
	if document == nil {
		return unsendable("value", "is not there")
	}
	text, err := json.Marshal(document)
	if err != nil {
		return unsendable("value", err.Error())
	}
	err = json.Unmarshal(text, target)
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		field := "value"
		if mistyped.Field != "" {
			field += "." + mistyped.Field
		}
		return unsendable(field, fmt.Sprintf("a %s is no %s", mistyped.Value, mistyped.Type))
	}
	if err != nil {
		return unsendable("value", err.Error())
	}
	return nil
}

// ToDocument makes a document of what encoding/json makes an object of: a struct with its tags, or a map. For Set, Merge and the
// values of mutations. Invalid UTF-8, which encoding/json would replace, is INVALID_ARGUMENT, and so is what is no object.
func ToDocument(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, unsendable("value", err.Error())
	}
	if replaced.Match(text) {
		return nil, unsendable("value", "holds text that is not valid UTF-8")
	}
	// Numbers as they are written: an integer that would lose digits is refused where it is sent.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil || document == nil {
		return nil, unsendable("value", fmt.Sprintf("%T is no object of JSON", value))
	}
	return document, nil
}

// What encoding/json writes for bytes that are not UTF-8; U+FFFD itself it does not escape.
var replaced = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\ufffd`)
