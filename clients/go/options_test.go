package chord

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The calls that take options, with those that belong to a batch.
var calls = map[string]any{
	"Set": (*Client).Set, "Update": (*Client).Update, "Revert": (*Client).Revert, "Delete": (*Client).Delete, "Touch": (*Client).Touch,
	"SetWrite": SetWrite, "UpdateWrite": UpdateWrite, "RevertWrite": RevertWrite, "DeleteWrite": DeleteWrite, "TouchWrite": TouchWrite,
	"Batch": (*Client).Batch, "Edit": (*Client).Edit, "Get": (*Client).Get, "List": (*Client).List, "Sync": (*Client).Sync, "Wait": (*Client).Wait,
	"Deltas": (*Client).Deltas, "Watch": (*Client).Watch, "NewReplica": NewReplica, "Presence": (*Client).Presence,
}

// By option, the calls that it is for. Those of a write are for the write of a batch, too: but for RequestID.
var belongs = []struct {
	name   string
	option any
	calls  string
}{
	{"IfPosition", IfPosition, "Set, Update, Revert, Delete"},
	{"IfVersion", IfVersion, "Set, Update, Revert, Delete"},
	{"IfAbsent", IfAbsent, "Set, Update, Revert, Delete"},
	{"IfUnchanged", IfUnchanged, "Set, Update, Revert, Delete"},
	{"IfChecks", IfChecks, "Set, Update, Revert, Delete"},
	{"RequestID", RequestID, "Set, Update, Revert, Delete, Batch"},
	{"Annotations", Annotations, "Set, Update, Revert, Delete, Edit"},
	{"TTL", TTL, "Set, Update, Revert, Touch, Edit"},
	{"Paths", Paths, "Touch"},
	{"AllowMissing", AllowMissing, "Update, Delete, Edit"},
	{"ReturnDocument", ReturnDocument, "Set, Update, Revert, Edit"},
	{"ReturnDelta", ReturnDelta, "Set, Update, Revert, Edit"},
	{"ReturnOldValues", ReturnOldValues, "Set, Update, Revert, Edit"},
	{"ReturnFormat", ReturnFormat, "Set, Update, Revert, Edit"},
	{"Reads", Reads, "Edit"},
	{"ReadsDocument", ReadsDocument, "Edit"},
	{"Attempts", Attempts, "Edit"},
	{"IncludeExpiries", IncludeExpiries, "Get"},
	{"AtVersion", AtVersion, "Get"},
	{"AtTime", AtTime, "Get"},
	{"IncludeValues", IncludeValues, "List"},
	{"PageSize", PageSize, "List, Deltas"},
	{"IncludeOldValues", IncludeOldValues, "Sync, Wait, Deltas, Watch"},
	{"Format", Format, "Sync, Wait, Deltas, Watch"},
	{"OnlyPaths", OnlyPaths, "Sync, Wait"},
	{"Known", Known, "Watch"},
	{"HeartbeatInterval", HeartbeatInterval, "Watch"},
	{"OnDisconnect", OnDisconnect, "Watch, NewReplica"},
	{"StartFrom", StartFrom, "NewReplica"},
	{"OnChange", OnChange, "NewReplica"},
	{"OnCaughtUp", OnCaughtUp, "NewReplica"},
	{"OnError", OnError, "NewReplica"},
	{"OnPresenceError", OnPresenceError, "Presence"},
}

// A call takes an option if the type of the option is assignable to that of its options: the rule of the compiler.
func TestTheCompilerTakesAnOptionForItsCallsAlone(t *testing.T) {
	for _, each := range belongs {
		want := strings.Split(each.calls, ", ")
		for _, call := range want {
			if _, batched := calls[call+"Write"]; batched && each.name != "RequestID" {
				want = append(want, call+"Write")
			}
		}
		var taken, asserted []string
		option := reflect.TypeOf(each.option)
		made := option.Out(0)
		if made.Kind() == reflect.Interface { // what a type assertion would say
			made = reflect.TypeOf(called(each.option))
		}
		for call, function := range calls {
			kind := reflect.TypeOf(function)
			options := kind.In(kind.NumIn() - 1).Elem()
			if option.Out(0).AssignableTo(options) {
				taken = append(taken, call)
			}
			if made.AssignableTo(options) {
				asserted = append(asserted, call)
			}
		}
		for _, list := range [][]string{want, taken, asserted} {
			slices.Sort(list)
		}
		if !slices.Equal(taken, want) || !slices.Equal(asserted, want) {
			t.Errorf("%s is taken by %v, and its value by %v, not by %v", each.name, taken, asserted, want)
		}
	}
}

// called calls with zero values.
func called(function any) any {
	kind := reflect.TypeOf(function)
	var arguments []reflect.Value
	for i := range kind.NumIn() {
		arguments = append(arguments, reflect.Zero(kind.In(i)))
	}
	if kind.IsVariadic() {
		return reflect.ValueOf(function).CallSlice(arguments)[0].Interface()
	}
	return reflect.ValueOf(function).Call(arguments)[0].Interface()
}

var forCalls = regexp.MustCompile(`For ((?:\w+, )*\w+)\.$`)

// The tables above have every option and every call, and the comment of an option says for which calls it is.
func TestEveryOptionSaysForWhichCallsItIs(t *testing.T) {
	options := map[string]string{}
	takers := map[string]bool{}
	for _, file := range must[[]string](t)(filepath.Glob("*.go")) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed := must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments))
		for _, declaration := range parsed.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || !function.Name.IsExported() {
				continue
			}
			if results := function.Type.Results; function.Recv == nil && results != nil && isOption(results.List[0].Type) {
				comment := strings.Join(strings.Fields(function.Doc.Text()), " ")
				said := forCalls.FindStringSubmatch(comment)
				if said == nil {
					t.Errorf("%s does not say for which calls it is: %s", function.Name, comment)
					continue
				}
				options[function.Name.Name] = said[1]
			}
			if all := function.Type.Params.List; len(all) > 0 {
				if variadic, ok := all[len(all)-1].Type.(*ast.Ellipsis); ok && isOption(variadic.Elt) {
					takers[function.Name.Name] = true
				}
			}
		}
	}
	table := map[string]string{}
	for _, each := range belongs {
		table[each.name] = each.calls
	}
	same(t, options, table)
	same(t, slices.Sorted(maps.Keys(takers)), slices.Sorted(maps.Keys(calls)))
}

// isOption is false for Option, which is NewClient's.
func isOption(kind ast.Expr) bool {
	name, ok := kind.(*ast.Ident)
	return ok && name.Name != "Option" && strings.HasSuffix(name.Name, "Option")
}
