package chord

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goBlock    = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	quickstart = regexp.MustCompile("(?ms)^```go\n(package main.*?)^```\n\n```\n(.*?)^```$")
	declared   = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)
)

// What is in scope where a reader of the README pastes a part of a program.
const around = `package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"time"

	chord "github.com/chord-state/chord/clients/go"
	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

var (
	_ = fmt.Println
	_ = errors.As
	_ = log.Fatal
	_ = slog.Default
	_ = time.Second
	_ = strings.ToUpper
	_ = metadata.Pairs
	_ chordv1.ContextServiceClient
	ctx      context.Context
	client   *chord.Client
	position chord.Position
	value    map[string]any
	edit     chord.Edit

	intercept grpc.UnaryClientInterceptor
)

// In place of OpenTelemetry's, which this module does not need.
var otelgrpc struct{ NewClientHandler func() stats.Handler }

func main() {}
`

// The quickstart of the README runs, and prints what the README says. Its other examples compile.
func TestReadme(t *testing.T) {
	readme := string(must[[]byte](t)(os.ReadFile("README.md")))
	connect(t)
	found := quickstart.FindStringSubmatch(readme)
	if found == nil {
		t.Fatal("the README has no quickstart with what it prints")
	}
	// In this module, for its packages.
	folder := must[string](t)(os.MkdirTemp(".", "readme-"))
	t.Cleanup(func() { os.RemoveAll(folder) })
	program := func(name, text string) string {
		path := filepath.Join(folder, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	run := func(args ...string) string {
		out, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	printed := run("run", program("quickstart.go", strings.ReplaceAll(found[1], "127.0.0.1:50051", shared.server.address)))
	if printed != found[2] {
		t.Errorf("printed\n%snot\n%s", printed, found[2])
	}

	parts := around
	for i, block := range goBlock.FindAllStringSubmatch(readme, -1) {
		if strings.HasPrefix(block[1], "package ") {
			continue
		}
		used := ""
		for _, names := range declared.FindAllStringSubmatch(block[1], -1) {
			for name := range strings.SplitSeq(names[1], ", ") {
				if name != "_" {
					used += fmt.Sprintf("\t_ = %s\n", name)
				}
			}
		}
		parts += fmt.Sprintf("\nfunc part%d() {\n%s%s}\n", i, block[1], used)
	}
	run("build", "-o", os.DevNull, program("parts.go", parts))
}
