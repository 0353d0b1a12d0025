package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	chord "github.com/chord-state/chord/clients/go"
)

type driver struct {
	client    *chord.Client
	watches   map[string]*watch
	replicas  map[string]*replica
	presences map[string]*chord.Presence
	handles   int
}

// Calls have the client's deadline; watches, replicas and presences end by close.
var background = context.Background()

var liveOps = map[string]func(*driver, args) (form, error){
	"connect":  (*driver).connect,
	"set":      (*driver).set,
	"update":   (*driver).update,
	"revert":   (*driver).revert,
	"batch":    (*driver).batch,
	"get":      (*driver).get,
	"edit":     (*driver).edit,
	"wait":     (*driver).wait,
	"delete":   (*driver).delete,
	"touch":    (*driver).touch,
	"presence": (*driver).presence,
	"list":     (*driver).list,
	"sync":     (*driver).sync,
	"deltas":   (*driver).deltas,
	"blame":    (*driver).blame,
	"burst":    (*driver).burst,
	"watch":    (*driver).watch,
	"next":     (*driver).next,
	"replica":  (*driver).replica,
	"read":     (*driver).read,
	"seen":     (*driver).seen,
	"ended":    (*driver).ended,
	"close":    (*driver).close,
}

func (d *driver) connect(args args) (form, error) {
	if d.client != nil {
		d.client.Close()
	}
	options := []chord.Option{chord.WithDeadline(milliseconds(args.Deadline, 10*time.Second))}
	if args.Token != "" {
		options = append(options, chord.WithToken(args.Token))
	}
	if args.TokenFile != "" {
		options = append(options, chord.WithTokenSource(func(context.Context) (string, error) {
			token, err := os.ReadFile(args.TokenFile)
			return string(token), err
		}))
	}
	if args.TLS != nil {
		config, err := args.TLS.config()
		if err != nil {
			return nil, err
		}
		options = append(options, chord.WithTLS(config))
	}
	if args.Attempts != 0 {
		options = append(options, chord.WithRetry(chord.RetryPolicy{Attempts: args.Attempts}))
	}
	client, err := chord.NewClient(args.Address, options...)
	d.client = client
	return form{}, err
}

func (d *driver) set(args args) (form, error) {
	result, err := d.client.Set(background, args.ContextID, args.object(), of[chord.SetOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	return writeForm(result), nil
}

func (d *driver) update(args args) (form, error) {
	edit := chord.Edit{Changes: args.Changes, Mutations: args.mutations()}
	result, err := d.client.Update(background, args.ContextID, edit, of[chord.UpdateOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	return writeForm(result), nil
}

func (d *driver) revert(args args) (form, error) {
	result, err := d.client.Revert(background, args.ContextID, *args.Version, of[chord.RevertOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	return writeForm(result), nil
}

func (d *driver) batch(args args) (form, error) {
	var writes []chord.BatchedWrite
	for _, each := range args.Writes {
		writes = append(writes, each.batched())
	}
	results, err := d.client.Batch(background, writes, of[chord.BatchOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	forms := []form{}
	for _, result := range results {
		forms = append(forms, writeForm(&result))
	}
	return form{"results": forms}, nil
}

func (d *driver) get(args args) (form, error) {
	var options []chord.GetOption
	if args.IncludeExpiries {
		options = append(options, chord.IncludeExpiries())
	}
	if args.Version != nil {
		options = append(options, chord.AtVersion(*args.Version))
	}
	if args.At != nil {
		options = append(options, chord.AtTime(time.UnixMilli(*args.At)))
	}
	document, err := d.client.Get(background, args.ContextID, options...)
	if err != nil {
		return nil, err
	}
	made := documentForm(*document)
	if args.IncludeExpiries {
		expiries := []form{}
		for _, each := range document.Expiries {
			expiries = append(expiries, form{"path": each.Path, "expiresAt": each.ExpiresAt.UnixMilli()})
		}
		made["expiries"] = expiries
	}
	return made, nil
}

func (d *driver) delete(args args) (form, error) {
	result, err := d.client.Delete(background, args.ContextID, of[chord.DeleteOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	made := form{"changed": result.Changed}
	if !result.Position.IsZero() {
		made["position"] = positionForm(result.Position)
	}
	return made, nil
}

func (d *driver) touch(args args) (form, error) {
	document, err := d.client.Touch(background, args.ContextID, of[chord.TouchOption](args.writeOptions())...)
	if err != nil {
		return nil, err
	}
	return documentForm(*document), nil
}

func (d *driver) presence(args args) (form, error) {
	presence, err := d.client.Presence(background, args.ContextID, args.Path, args.Value, milliseconds(args.TTL, 0))
	if err != nil {
		return nil, err
	}
	handle := d.newHandle()
	d.presences[handle] = presence
	return form{"handle": handle}, nil
}

func (d *driver) list(args args) (form, error) {
	var options []chord.ListOption
	if args.IncludeValues {
		options = append(options, chord.IncludeValues())
	}
	contexts := []form{}
	for document, err := range d.client.List(background, args.Prefix, options...) {
		if err != nil {
			return nil, err
		}
		contexts = append(contexts, documentForm(*document))
	}
	return form{"contexts": contexts}, nil
}

func (d *driver) sync(args args) (form, error) {
	result, err := d.client.Sync(background, args.ContextID, position(args.Known), of[chord.SyncOption](args.historyOptions())...)
	if err != nil {
		return nil, err
	}
	return form{"result": eventForm(result)}, nil
}

func (d *driver) deltas(args args) (form, error) {
	deltas := []form{}
	truncated, head := false, chord.Position{}
	for page, err := range d.client.Deltas(background, args.ContextID, args.FromVersion, of[chord.DeltasOption](args.historyOptions())...) {
		if err != nil {
			return nil, err
		}
		truncated, head = truncated || page.Truncated, page.Head
		for _, delta := range page.Deltas {
			deltas = append(deltas, deltaForm(delta))
		}
	}
	return form{"deltas": deltas, "truncated": truncated, "head": positionForm(head)}, nil
}

func (d *driver) blame(args args) (form, error) {
	made := form{}
	lines := []form{}
	for page, err := range d.client.Blame(background, args.ContextID, pathsOf(args.Paths)...) {
		if err != nil {
			return nil, err
		}
		made["position"], made["olderThan"] = positionForm(page.Position), page.OlderThan
		for _, line := range page.Lines {
			lines = append(lines, lineForm(line))
		}
	}
	made["lines"] = lines
	return made, nil
}

func (d *driver) burst(args args) (form, error) {
	var workers sync.WaitGroup
	var mutex sync.Mutex
	var next atomic.Int64
	versions, failed := []uint64{}, 0
	work := func() {
		for i := int(next.Add(1)) - 1; i < *args.Count; i = int(next.Add(1)) - 1 {
			edit := chord.Mutate(
				chord.SetAt(chord.Path{args.Name, strconv.Itoa(i)}, i),
				chord.IncrementAt(chord.Path{"total"}, 1),
			)
			result, err := d.client.Update(background, args.ContextID, edit, chord.AllowMissing())
			mutex.Lock()
			if err != nil {
				log.Print(err)
				failed++
			} else {
				versions = append(versions, result.Position.Version)
			}
			mutex.Unlock()
		}
	}
	for range args.Concurrency {
		workers.Go(work)
	}
	workers.Wait()
	return form{"versions": versions, "failed": failed}, nil
}

func (d *driver) newHandle() string {
	d.handles++
	return fmt.Sprintf("h%d", d.handles)
}

func (d *driver) close(args args) (form, error) {
	for handle, watch := range d.watches {
		if args.Handle == "" || args.Handle == handle {
			watch.close()
			delete(d.watches, handle)
		}
	}
	for handle, presence := range d.presences {
		if args.Handle == "" || args.Handle == handle {
			presence.Close()
			delete(d.presences, handle)
		}
	}
	for handle, replica := range d.replicas {
		if args.Handle == "" || args.Handle == handle {
			replica.Close()
			delete(d.replicas, handle)
		}
	}
	if args.Handle == "" && d.client != nil {
		return form{}, d.client.Close() // a second one does nothing
	}
	return form{}, nil
}
