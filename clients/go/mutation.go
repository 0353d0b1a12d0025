package chord

import (
	"fmt"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Edit is what an Update does: Changes first, then Mutations in their order.
type Edit struct {
	// Changes are deep-merged: objects member by member, everything else replaces. nil stores null.
	Changes   map[string]any
	Mutations []Mutation
}

// Merge is an Edit of changes alone.
func Merge(changes map[string]any) Edit { return Edit{Changes: changes} }

// Mutate is an Edit of mutations alone.
func Mutate(mutations ...Mutation) Edit { return Edit{Mutations: mutations} }

// Path is object keys from the root, never empty. Each string is one key as it stands.
type Path []string

// Mutation is one change to ask for. Objects that are missing on its path are created.
type Mutation struct {
	path      Path
	operation func(*chordv1.Mutation) error
}

// SetAt stores a value, null included, in place of whatever is there.
func SetAt(path Path, value any) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		set, err := toValue(value, 1)
		message.Operation = &chordv1.Mutation_Set{Set: set}
		return within(".set", err)
	}}
}

// SetFor stores a value that removes itself when this time has passed, unless it is set or touched again: 1 s to 365 days.
func SetFor(path Path, value any, ttl time.Duration) Mutation {
	set := SetAt(path, value)
	return Mutation{path, func(message *chordv1.Mutation) error {
		message.Ttl = durationpb.New(ttl)
		return set.operation(message)
	}}
}

// RemoveAt removes the member; nothing happens where it is missing.
func RemoveAt(path Path) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		message.Operation = &chordv1.Mutation_Remove{Remove: true}
		return nil
	}}
}

// IncrementAt adds to a number; a missing member counts as 0.
func IncrementAt(path Path, by float64) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		message.Operation = &chordv1.Mutation_Increment{Increment: by}
		return within(".increment", finite(by))
	}}
}

// AppendAt adds elements at the end of a list; a missing member counts as the empty list.
func AppendAt(path Path, values ...any) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		list, err := toValues(values)
		message.Operation = &chordv1.Mutation_Append{Append: &chordv1.ListValues{Values: list}}
		return within(".append", err)
	}}
}

// SpliceAt removes elements of a list at index, then inserts others there.
func SpliceAt(path Path, index, removeCount uint32, insert ...any) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		list, err := toValues(insert)
		splice := &chordv1.ListSplice{Index: index, RemoveCount: removeCount, Insert: list}
		message.Operation = &chordv1.Mutation_Splice{Splice: splice}
		return within(".splice.insert", err)
	}}
}

// AppendTextAt adds text at the end of a string; a missing member counts as the empty string.
func AppendTextAt(path Path, text string) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		message.Operation = &chordv1.Mutation_AppendText{AppendText: text}
		return within(".append_text", wellFormed(text))
	}}
}

// SpliceTextAt removes code points of a string at index, then inserts text there. Index and count are in code points.
func SpliceTextAt(path Path, index, removeCount uint32, insert string) Mutation {
	return Mutation{path, func(message *chordv1.Mutation) error {
		edit := &chordv1.TextEdit{Index: index, RemoveCount: removeCount, Insert: insert}
		message.Operation = &chordv1.Mutation_SpliceText{SpliceText: edit}
		return within(".splice_text.insert", wellFormed(insert))
	}}
}

func toValues(values []any) ([]*structpb.Value, error) {
	list, err := toList(values, 1)
	return list.GetValues(), err
}

func toMutations(mutations []Mutation) ([]*chordv1.Mutation, error) {
	messages := make([]*chordv1.Mutation, len(mutations))
	for i, mutation := range mutations {
		if mutation.operation == nil {
			return nil, unsendable(fmt.Sprintf("mutations[%d]", i), "has no operation")
		}
		field := fmt.Sprintf("mutations[%d]", i)
		for j, key := range mutation.path {
			if err := wellFormed(key); err != nil {
				return nil, refused(fmt.Sprintf("%s.path[%d]", field, j), err)
			}
		}
		messages[i] = &chordv1.Mutation{Path: mutation.path}
		if err := mutation.operation(messages[i]); err != nil {
			return nil, refused(field, err)
		}
	}
	return messages, nil
}
