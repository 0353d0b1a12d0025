// The driver of the conformance suite for this client: see test/conformance/PROTOCOL.md.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	chord "github.com/chord-state/chord/clients/go"
)

func main() {
	log.SetFlags(0)
	driver := &driver{watches: map[string]*watch{}, replicas: map[string]*replica{}, presences: map[string]*chord.Presence{}}
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) {
			log.Fatal(err)
		}
		if err := out.Encode(driver.answer(line)); err != nil {
			log.Fatal(err)
		}
	}
}

// form is a JSON object of the protocol.
type form map[string]any

func (d *driver) answer(line []byte) form {
	var args args
	if err := json.Unmarshal(line, &args); err != nil {
		return form{"id": args.ID, "error": errorForm(err)}
	}
	ok, err := d.run(args)
	if err != nil {
		return form{"id": args.ID, "error": errorForm(err)}
	}
	return form{"id": args.ID, "ok": ok}
}

func (d *driver) run(args args) (form, error) {
	if op, ok := vectorOps[args.Op]; ok {
		return op(args)
	}
	if op, ok := liveOps[args.Op]; ok {
		return op(d, args)
	}
	return nil, fmt.Errorf("no op %q", args.Op)
}
