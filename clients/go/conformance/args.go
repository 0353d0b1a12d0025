package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

// args are those of all ops. Times are milliseconds.
type args struct {
	ID int    `json:"id"`
	Op string `json:"op"`

	Wire          []byte         `json:"wire"`
	Value         any            `json:"value"`
	Document      map[string]any `json:"document"`
	Code          int32          `json:"code"`
	Message       string         `json:"message"`
	Details       []byte         `json:"details"`
	KnownBytesMax *int           `json:"knownBytesMax"`
	Steps         []step         `json:"steps"`

	Address   string   `json:"address"`
	Token     string   `json:"token"`
	TokenFile string   `json:"tokenFile"`
	TLS       *tlsArgs `json:"tls"`
	Deadline  *float64 `json:"deadline"`
	Attempts  int      `json:"attempts"`

	ContextID        string            `json:"contextId"`
	Changes          map[string]any    `json:"changes"`
	Mutations        []mutation        `json:"mutations"`
	Writes           []args            `json:"writes"`
	Expected         *expected         `json:"expected"`
	Checks           []check           `json:"checks"`
	RequestID        string            `json:"requestId"`
	Annotations      map[string]string `json:"annotations"`
	TTL              *float64          `json:"ttl"`
	AllowMissing     bool              `json:"allowMissing"`
	Returning        returning         `json:"returning"`
	Path             []string          `json:"path"`
	Prefix           string            `json:"prefix"`
	IncludeValues    bool              `json:"includeValues"`
	IncludeOldValues bool              `json:"includeOldValues"`
	IncludeExpiries  bool              `json:"includeExpiries"`
	At               *int64            `json:"at"`
	Format           string            `json:"format"`
	Paths            [][]string        `json:"paths"`
	PageSize         int               `json:"pageSize"`
	FromVersion      uint64            `json:"fromVersion"`
	Targets          []target          `json:"targets"`
	Until            []check           `json:"until"`
	Add              [][]string        `json:"add"`
	Meanwhile        []args            `json:"meanwhile"`
	// Paths, or "document".
	Reads json.RawMessage `json:"reads"`
	// Of sync and wait: a position. Of watch and track: positions by id.
	Known any `json:"known"`

	Handle      string   `json:"handle"`
	Count       *int     `json:"count"`
	Timeout     *float64 `json:"timeout"`
	Version     *uint64  `json:"version"`
	Concurrency int      `json:"concurrency"`
	Name        string   `json:"name"`
}

// tlsArgs are paths of PEM files, and the name in the server's certificate.
type tlsArgs struct {
	CA         string `json:"ca"`
	Cert       string `json:"cert"`
	Key        string `json:"key"`
	ServerName string `json:"serverName"`
}

func (a tlsArgs) config() (*tls.Config, error) {
	config := &tls.Config{ServerName: a.ServerName, RootCAs: x509.NewCertPool()}
	ca, err := os.ReadFile(a.CA)
	if err != nil {
		return nil, err
	}
	config.RootCAs.AppendCertsFromPEM(ca)
	if a.Cert == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(a.Cert, a.Key)
	config.Certificates = []tls.Certificate{pair}
	return config, err
}

type step struct {
	Response *[]byte `json:"response"`
}

type target struct {
	ID     *string    `json:"id"`
	Prefix string     `json:"prefix"`
	Paths  [][]string `json:"paths"`
}

type expected struct {
	Position map[string]any `json:"position"`
	Version  *uint64        `json:"version"`
	Absent   bool           `json:"absent"`
	// Splices name places at since.
	Unchanged *struct {
		Since any        `json:"since"`
		Paths [][]string `json:"paths"`
	} `json:"unchanged"`
}

type returning struct {
	Context   bool   `json:"context"`
	Delta     bool   `json:"delta"`
	OldValues bool   `json:"oldValues"`
	Format    string `json:"format"`
}

type mutation struct {
	Path []string `json:"path"`
	// nil is absent, null is not.
	Set       json.RawMessage `json:"set"`
	Remove    bool            `json:"remove"`
	Increment *float64        `json:"increment"`
	Append    *[]any          `json:"append"`
	Splice    *struct {
		Index       uint32 `json:"index"`
		RemoveCount uint32 `json:"removeCount"`
		Insert      []any  `json:"insert"`
	} `json:"splice"`
	AppendText *string `json:"appendText"`
	SpliceText *struct {
		Index       uint32 `json:"index"`
		RemoveCount uint32 `json:"removeCount"`
		Insert      string `json:"insert"`
	} `json:"spliceText"`
}

// object is nil for a value that is none.
func (a args) object() map[string]any {
	object, _ := a.Value.(map[string]any)
	return object
}

func (a args) targets() chord.Targets {
	var targets chord.Targets
	for _, each := range a.Targets {
		if each.ID != nil {
			targets = append(targets, chord.Target{ID: *each.ID, Paths: pathsOf(each.Paths)})
		} else {
			targets = append(targets, chord.Target{ID: each.Prefix, Prefix: true, Paths: pathsOf(each.Paths)})
		}
	}
	return targets
}

func (a args) mutations() []chord.Mutation {
	var mutations []chord.Mutation
	for _, each := range a.Mutations {
		mutations = append(mutations, each.of(each.Path))
	}
	return mutations
}

func (m mutation) of(path chord.Path) chord.Mutation {
	switch {
	case m.Set != nil:
		return chord.SetAt(path, valueOf(m.Set))
	case m.Remove:
		return chord.RemoveAt(path)
	case m.Increment != nil:
		return chord.IncrementAt(path, *m.Increment)
	case m.Append != nil:
		return chord.AppendAt(path, *m.Append...)
	case m.Splice != nil:
		return chord.SpliceAt(path, m.Splice.Index, m.Splice.RemoveCount, m.Splice.Insert...)
	case m.AppendText != nil:
		return chord.AppendTextAt(path, *m.AppendText)
	case m.SpliceText != nil:
		return chord.SpliceTextAt(path, m.SpliceText.Index, m.SpliceText.RemoveCount, m.SpliceText.Insert)
	}
	return chord.Mutation{}
}

// of are the options for a call; one that the call does not take is a fault of the scenario.
func of[O any](options []any) []O {
	taken := make([]O, len(options))
	for i, option := range options {
		taken[i] = option.(O)
	}
	return taken
}

func (a args) writeOptions() []any {
	var options []any
	add := func(wanted bool, option func() any) {
		if wanted {
			options = append(options, option())
		}
	}
	if a.Expected != nil {
		add(a.Expected.Position != nil, func() any { return chord.IfPosition(position(a.Expected.Position)) })
		add(a.Expected.Version != nil, func() any { return chord.IfVersion(*a.Expected.Version) })
		add(a.Expected.Absent, func() any { return chord.IfAbsent() })
		add(a.Expected.Unchanged != nil, func() any {
			return chord.IfUnchanged(position(a.Expected.Unchanged.Since), pathsOf(a.Expected.Unchanged.Paths)...)
		})
	}
	add(len(a.Checks) > 0, func() any { return chord.IfChecks(checksOf(a.Checks)...) })
	add(a.RequestID != "", func() any { return chord.RequestID(a.RequestID) })
	add(a.Annotations != nil, func() any { return chord.Annotations(a.Annotations) })
	add(a.TTL != nil, func() any { return chord.TTL(milliseconds(a.TTL, 0)) })
	add(a.AllowMissing, func() any { return chord.AllowMissing() })
	add(a.Returning.Context, func() any { return chord.ReturnDocument() })
	add(a.Returning.Delta, func() any { return chord.ReturnDelta() })
	add(a.Returning.OldValues, func() any { return chord.ReturnOldValues() })
	add(a.Returning.Format != "", func() any { return chord.ReturnFormat(a.Returning.Format) })
	return options
}

func (a args) batched() chord.BatchedWrite {
	options := a.writeOptions()
	switch a.Op {
	case "set":
		return chord.SetWrite(a.ContextID, a.object(), of[chord.SetWriteOption](options)...)
	case "update":
		edit := chord.Edit{Changes: a.Changes, Mutations: a.mutations()}
		return chord.UpdateWrite(a.ContextID, edit, of[chord.UpdateWriteOption](options)...)
	case "revert":
		return chord.RevertWrite(a.ContextID, *a.Version, of[chord.RevertWriteOption](options)...)
	case "delete":
		return chord.DeleteWrite(a.ContextID, of[chord.DeleteWriteOption](options)...)
	case "touch":
		return chord.TouchWrite(a.ContextID, of[chord.TouchOption](options)...)
	}
	return chord.BatchedWrite{}
}

// historyOptions are those of sync, deltas and watch.
func (a args) historyOptions() []any {
	var options []any
	if a.IncludeOldValues {
		options = append(options, chord.IncludeOldValues())
	}
	if a.Format != "" {
		options = append(options, chord.Format(a.Format))
	}
	if a.Paths != nil {
		options = append(options, chord.OnlyPaths(pathsOf(a.Paths)...))
	}
	if a.PageSize != 0 {
		options = append(options, chord.PageSize(a.PageSize))
	}
	return options
}

func (a args) knownPositions() map[string]chord.Position {
	known := map[string]chord.Position{}
	positions, _ := a.Known.(map[string]any)
	for id, each := range positions {
		known[id] = position(each)
	}
	return known
}

// position is zero for what is none.
func position(value any) chord.Position {
	object, _ := value.(map[string]any)
	epoch, _ := object["epoch"].(string)
	version, _ := object["version"].(float64)
	digest, _ := object["digest"].(string)
	return chord.Position{Epoch: epoch, Version: uint64(version), Digest: digest}
}

func milliseconds(value *float64, absent time.Duration) time.Duration {
	if value == nil {
		return absent
	}
	return time.Duration(*value * float64(time.Millisecond))
}
