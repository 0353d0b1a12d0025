package chord

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestBlame(t *testing.T) {
	client := author(t, "ann")
	ctx := patient(t)
	ticket := map[string]string{"ticket": "7"}
	value := map[string]any{"topic": "daily", "list": []any{1}}
	set := must[*WriteResult](t)(client.Set(ctx, "a", value, Annotations(ticket), ReturnDelta()))
	same(t, set.Delta.Provenance, Provenance{Author: "ann", Annotations: ticket})
	updated := must[*WriteResult](t)(client.Update(ctx, "a", Mutate(AppendAt(Path{"list"}, 2)), Annotations(nil)))

	var provenances []*Provenance
	for page, err := range client.Deltas(ctx, "a", 0) {
		check(t, err)
		for _, delta := range page.Deltas {
			provenances = append(provenances, delta.Provenance)
		}
	}
	same(t, provenances, []Provenance{{Author: "ann", Annotations: ticket}, {Author: "ann"}})

	lines := func(paths ...Path) (found []string) {
		for page, err := range client.Blame(ctx, "a", paths...) {
			check(t, err)
			same(t, []any{page.Position, page.OlderThan}, []any{updated.Position, 0})
			for _, line := range page.Lines {
				if line.UpdatedAt.IsZero() {
					t.Error(line)
				}
				found = append(found, text([]any{line.Path, line.Run, line.Value, line.Version, line.Provenance.Annotations}))
			}
		}
		return found
	}
	same(t, lines(), []string{
		`[["list"],{"Index":0,"Count":1},[1],1,{"ticket":"7"}]`,
		`[["list"],{"Index":1,"Count":1},[2],2,null]`,
		`[["topic"],{"Index":0,"Count":5},"daily",1,{"ticket":"7"}]`,
	})
	same(t, len(lines(Path{"list"})), 2)
	same(t, must[*DeleteResult](t)(client.Delete(ctx, "a", Annotations(ticket))).Changed, true)

	for _, err := range client.Blame(ctx, "a") {
		reason(t, err, NotFound)
	}
	_, err := client.Set(ctx, "a", value, Annotations(map[string]string{"": "no key"}))
	reason(t, err, InvalidArgument)
	_, err = client.Set(ctx, "a", value, Annotations(map[string]string{"why": "\xff"}))
	same(t, reason(t, err, InvalidArgument).Violations[0].Field, "annotations")
}

// author is a client of a server of its own, which knows it by this name.
func author(t *testing.T, name string) *Client {
	t.Helper()
	if _, err := serverCommand(); err != nil {
		t.Skip(err)
	}
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		check(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	tokens := file("tokens", fmt.Sprintf("%s sha256:%x\n", name, sha256.Sum256([]byte("secret"))))
	rules := file("rules.json", fmt.Sprintf(`{"identities":{%q:{"grants":[{"prefix":"","rights":["read","write"]}]}}}`, name))
	own := must[*server](t)(start("--listen", "127.0.0.1:0", "--backend", "memory", "--auth-tokens", tokens, "--auth-rules", rules))
	t.Cleanup(func() { own.stop(syscall.SIGTERM) })
	return dial(t, own.address, WithToken("secret"))
}
