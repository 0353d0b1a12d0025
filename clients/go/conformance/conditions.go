package main

import (
	"context"
	"encoding/json"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

type check struct {
	Path []string `json:"path"`
	// nil is absent, null is not.
	Equals  json.RawMessage `json:"equals"`
	Exists  *bool           `json:"exists"`
	AtLeast *float64        `json:"atLeast"`
	AtMost  *float64        `json:"atMost"`
}

func (c check) check() chord.Check {
	switch {
	case c.Equals != nil:
		return chord.Equals(c.Path, valueOf(c.Equals))
	case c.AtLeast != nil:
		return chord.AtLeast(c.Path, *c.AtLeast)
	case c.AtMost != nil:
		return chord.AtMost(c.Path, *c.AtMost)
	case c.Exists != nil && *c.Exists:
		return chord.Exists(c.Path)
	}
	return chord.Missing(c.Path)
}

func valueOf(text json.RawMessage) any {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		panic(err) // it was JSON a moment ago
	}
	return value
}

func checksOf(all []check) []chord.Check {
	checks := make([]chord.Check, len(all))
	for i, each := range all {
		checks[i] = each.check()
	}
	return checks
}

func pathsOf(all [][]string) []chord.Path {
	paths := make([]chord.Path, len(all))
	for i, each := range all {
		paths[i] = each
	}
	return paths
}

func checkForm(check chord.Check) form {
	made := form{"path": check.Path}
	switch check.Test {
	case chord.TestEquals:
		made["equals"] = check.Value
	case chord.TestExists, chord.TestMissing:
		made["exists"] = check.Test == chord.TestExists
	case chord.TestAtLeast:
		made["atLeast"] = check.Value
	case chord.TestAtMost:
		made["atMost"] = check.Value
	}
	return made
}

func unmetForm(unmet *chord.UnmetConditions) form {
	conditions := make([]form, len(unmet.Conditions))
	for i, condition := range unmet.Conditions {
		conditions[i] = form{"path": condition.Path}
		if condition.TouchedAt != 0 {
			conditions[i]["touchedAt"] = condition.TouchedAt
		}
		if condition.Check != nil && condition.Check.Test != chord.TestUnknown {
			conditions[i]["check"] = checkForm(*condition.Check)
		}
	}
	made := form{"conditions": conditions}
	if unmet.SinceReason != "" {
		made["sinceReason"] = unmet.SinceReason
	}
	return made
}

func (d *driver) edit(args args) (form, error) {
	options := of[chord.EditOption](args.writeOptions())
	if args.Attempts != 0 {
		options = append(options, chord.Attempts(args.Attempts))
	}
	var paths [][]string
	if json.Unmarshal(args.Reads, &paths) == nil {
		options = append(options, chord.Reads(pathsOf(paths)...))
	} else if args.Reads != nil {
		options = append(options, chord.ReadsDocument())
	}
	seen := []json.RawMessage{}
	change := func(document map[string]any) error {
		now, err := json.Marshal(document)
		if err != nil {
			return err
		}
		seen = append(seen, now)
		if n := len(seen) - 1; n < len(args.Meanwhile) {
			if _, err := d.update(args.Meanwhile[n]); err != nil {
				return err
			}
		}
		for _, path := range args.Add {
			addOne(document, path)
		}
		return nil
	}
	result, err := d.client.Edit(background, args.ContextID, change, options...)
	if err != nil {
		return nil, err
	}
	made := writeForm(result)
	made["seen"] = seen
	return made, nil
}

func addOne(document map[string]any, path []string) {
	for _, key := range path[:len(path)-1] {
		if document[key] == nil {
			document[key] = map[string]any{}
		}
		document = document[key].(map[string]any)
	}
	key := path[len(path)-1]
	number, _ := document[key].(float64)
	document[key] = number + 1
}

func (d *driver) wait(args args) (form, error) {
	ctx, cancel := context.WithTimeout(background, milliseconds(args.Timeout, 10*time.Second))
	defer cancel()
	answer, err := d.client.Wait(ctx, args.ContextID, position(args.Known), checksOf(args.Until))
	if err != nil {
		return nil, err
	}
	return form{"result": eventForm(answer.Result), "heldAt": answer.HeldAt}, nil
}
