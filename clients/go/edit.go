package chord

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

// EditOption is an option of Edit: Reads, ReadsDocument or Attempts, an AllowMissingOption, AnnotationsOption, TTLOption or
// ReturnOption.
type EditOption interface{ edit(*editConfig) }

type editConfig struct {
	reads    []Path
	whole    bool
	attempts int
	// Without conditions, which each attempt has of its own.
	write write
}

type editOption func(*editConfig)

func (o editOption) edit(config *editConfig) { o(config) }

// Reads names paths that the function of an Edit reads without changing them: where others change one, the edit is made again. For
// Edit.
func Reads(paths ...Path) EditOption {
	return editOption(func(config *editConfig) { config.reads = append(config.reads, paths...) })
}

// ReadsDocument is Reads of all paths: any other write of the context makes the edit again. For Edit.
func ReadsDocument() EditOption { return editOption(func(config *editConfig) { config.whole = true }) }

// Attempts bounds how often an Edit calls its function. Default: the attempts of the client's RetryPolicy. For Edit.
func Attempts(attempts int) EditOption {
	return editOption(func(config *editConfig) { config.attempts = attempts })
}

// Edit changes a document by a function of it, and loses no write of others. It reads the document, calls change with a copy,
// which change edits in place, and writes the paths that differ, on the condition that no other write has touched these since:
// edits of different paths do not disturb each other. Otherwise it begins again, after a backoff. What change reads but does
// not change is guarded only where Reads or ReadsDocument says so.
//
// change is called once or more; an error of it ends the edit, which answers it, and nothing is written. Lists and strings are
// written as a whole. Where nothing differs, nothing is written. NOT_FOUND where the context is missing; with AllowMissing,
// change gets an empty document then. ABORTED after the last attempt. The deadline is for the whole edit: where it comes while a
// write is under way, DEADLINE_EXCEEDED, and the outcome is unknown; where it comes elsewhere after a conflict, ABORTED.
func (c *Client) Edit(
	ctx context.Context, id string, change func(document map[string]any) error, options ...EditOption,
) (*WriteResult, error) {
	policy := c.settings.retry
	config := applied(options, EditOption.edit)
	orDefault(&config.attempts, policy.Attempts)
	if config.write.err != nil {
		return nil, config.write.err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var conflict error
	for made := 1; ; made++ {
		result, writing, err := c.editOnce(ctx, id, change, config)
		if err == nil {
			return result, nil
		}
		if !writing || !errors.Is(err, Aborted) {
			var failed *Error
			if conflict != nil && !writing && errors.As(err, &failed) && failed.Code == codes.DeadlineExceeded {
				return nil, conflict // nothing was written
			}
			return nil, err
		}
		conflict = err
		end, _ := ctx.Deadline()
		if made >= config.attempts || !sleep(ctx, min(policy.backoff(made-1), time.Until(end)/2)) {
			if ctx.Err() == context.Canceled {
				return nil, cancelled("cancelled after: "+err.Error(), ctx.Err())
			}
			return nil, conflict
		}
	}
}

// editOnce is one attempt; writing: the error is that of the write, which may have happened unless the error says otherwise.
func (c *Client) editOnce(
	ctx context.Context, id string, change func(map[string]any) error, config editConfig,
) (result *WriteResult, writing bool, err error) {
	document, err := c.Get(ctx, id)
	missing := err != nil && config.write.allowMissing && errors.Is(err, NotFound)
	if missing {
		document = &Document{Value: map[string]any{}}
	} else if err != nil {
		return nil, false, err
	}
	copied := copyOf(document.Value).(map[string]any)
	if err := change(copied); err != nil {
		return nil, false, err
	}
	// Values of other types become those that come back, to be compared.
	made, err := toStruct(copied)
	if err != nil {
		return nil, false, refused("value", err)
	}
	mutations := differences(nil, document.Value, fromStruct(made), nil)
	if len(mutations) == 0 && !missing {
		return &WriteResult{Position: document.Position}, false, nil
	}
	write := config.write
	write.allowMissing = missing
	switch {
	case missing:
		IfAbsent()(&write)
	case config.whole:
		IfPosition(document.Position)(&write)
	default:
		guarded := slices.Clone(config.reads)
		for _, mutation := range mutations {
			guarded = append(guarded, mutation.path)
		}
		IfUnchanged(document.Position, guarded...)(&write)
	}
	end, _ := ctx.Deadline()
	if ctx.Err() == context.DeadlineExceeded || ctx.Err() == nil && time.Until(end) <= 0 {
		return nil, false, &Error{
			Reason: DeadlineExceeded, Message: "the deadline came before the write",
			Code: codes.DeadlineExceeded, cause: context.DeadlineExceeded,
		}
	}
	result, err = c.update(ctx, id, Mutate(mutations...), write)
	return result, true, err
}

// differences appends mutations that make after of before, in the order of the paths.
func differences(mutations []Mutation, before, after map[string]any, path Path) []Mutation {
	keys := maps.Clone(before)
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		old, was := before[key]
		value, is := after[key]
		member := slices.Concat(path, Path{key})
		oldObject, wasObject := old.(map[string]any)
		object, isObject := value.(map[string]any)
		switch {
		case !is:
			mutations = append(mutations, RemoveAt(member))
		case wasObject && isObject:
			mutations = differences(mutations, oldObject, object, member)
		case !was || !equal(old, value):
			mutations = append(mutations, SetAt(member, value))
		}
	}
	return mutations
}

// equal compares values as they come back from a server.
func equal(a, b any) bool {
	switch a := a.(type) {
	case float64:
		number, ok := b.(float64)
		return ok && a == number && math.Signbit(a) == math.Signbit(number)
	case []any:
		list, ok := b.([]any)
		return ok && slices.EqualFunc(a, list, equal)
	case map[string]any:
		object, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, object, equal)
	}
	switch b.(type) {
	case []any, map[string]any: // not comparable
		return false
	}
	return a == b
}

// copyOf copies all containers of a value.
func copyOf(value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = copyOf(element)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(value))
		for key, member := range value {
			object[key] = copyOf(member)
		}
		return object
	}
	return value
}
