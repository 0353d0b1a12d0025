// Judges histories with porcupine, which searches for an order of the operations: a second opinion on check.ts, which finds
// one by a graph. Standard input has one history of one context a line (second-opinion.ts writes them); standard output one
// verdict a line: ok, illegal, or unknown where the search took too long.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	searchMax = 10 * time.Second
	lineMax   = 64 << 20
)

// The chain of states that the context had, nil where it did not exist, and what operations did.
type history struct {
	Chain      []*string   `json:"chain"`
	Operations []operation `json:"operations"`
}

type operation struct {
	Called float64 `json:"called"`
	// Absent: there was no answer.
	Returned *float64 `json:"returned"`
	Writes   bool     `json:"writes"`
	// Nil: absent, or removed.
	State *string `json:"state"`
	// The state that a removal removed.
	From *string `json:"from"`
}

// The state of the model is a place in the chain. An operation leads from places to places.
func modelOf(h history) porcupine.Model {
	places := map[string]int{}
	for place, state := range h.Chain {
		if state != nil {
			places[*state] = place
		}
	}
	written := make([]bool, len(h.Chain))
	target := func(o operation) (int, bool) {
		if o.State != nil {
			place, found := places[*o.State]
			return place, found
		}
		if o.From == nil {
			return 0, false
		}
		place, found := places[*o.From]
		return place + 1, found && place+1 < len(h.Chain)
	}
	for _, o := range h.Operations {
		if place, found := target(o); o.Writes && found {
			written[place] = true
		}
	}
	// What no operation wrote (expiry, or a write of which nothing is known) may happen at any moment.
	passes := func(from, to int) bool {
		for place := from + 1; place <= to; place++ {
			if written[place] {
				return false
			}
		}
		return true
	}
	step := func(state, input, _ any) []any {
		at, o := state.(int), input.(operation)
		if !o.Writes && o.State == nil {
			var next []any
			for place := at; place < len(h.Chain) && passes(at, place); place++ {
				if h.Chain[place] == nil {
					next = append(next, place)
				}
			}
			return next
		}
		place, found := target(o)
		switch {
		case !found:
			return nil
		case o.Writes && at < place && passes(at, place-1):
			return []any{place}
		case !o.Writes && at <= place && passes(at, place):
			return []any{place}
		}
		return nil
	}
	model := porcupine.NondeterministicModel{Init: func() []any { return []any{0} }, Step: step}
	return model.ToModel()
}

func judge(h history) porcupine.CheckResult {
	// Order is all that counts: times become integers that keep it.
	operations := make([]porcupine.Operation, len(h.Operations))
	for i, o := range h.Operations {
		returned := int64(math.MaxInt64)
		if o.Returned != nil {
			returned = moment(*o.Returned)
		}
		operations[i] = porcupine.Operation{ClientId: i, Input: o, Call: moment(o.Called), Return: returned}
	}
	return porcupine.CheckOperationsTimeout(modelOf(h), operations, searchMax)
}

func moment(at float64) int64 { return int64(math.Round(at * 1000)) }

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineMax)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var h history
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		switch judge(h) {
		case porcupine.Ok:
			fmt.Fprintln(out, "ok")
		case porcupine.Illegal:
			fmt.Fprintln(out, "illegal")
		default:
			fmt.Fprintln(out, "unknown")
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
