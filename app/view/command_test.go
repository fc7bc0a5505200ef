package view

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared returns the commands that command.go declares.
func declared(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "command.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Command" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		return true
	})
	slices.Sort(all)
	return all
}

// TestCommands_Table compares the declared commands with the table and with the page's list.
func TestCommands_Table(t *testing.T) {
	want := declared(t)
	var table []string
	for do := range maps.Keys(commands) {
		table = append(table, string(do))
	}
	for _, do := range ofPage {
		if commands[do] != nil {
			t.Errorf("%s is of the page and has an entry", do)
		}
		table = append(table, string(do))
	}
	slices.Sort(table)
	if !slices.Equal(table, want) {
		t.Errorf("the table has\n%s\nand declared are\n%s", table, want)
	}
	types, err := os.ReadFile("../../web/types.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(types), "type Command =")
	list, _, _ = strings.Cut(list, ";")
	var page []string
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(list, -1) {
		page = append(page, m[1])
	}
	slices.Sort(page)
	if !slices.Equal(page, want) {
		t.Errorf("web/types.d.ts has\n%s\nand declared are\n%s", page, want)
	}
}

// TestCommands_NoLiterals checks that elements get their command from a constant: a string could
// be misspelled.
func TestCommands_NoLiterals(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	literal := regexp.MustCompile(`DataSet\("(do|form|input)", "`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := literal.FindIndex(source); at != nil {
			t.Errorf("%s: %s", name, source[at[0]:at[1]+20])
		}
	}
}

// TestCommands_Unknown shows that a command without an entry is logged and does nothing.
func TestCommands_Unknown(t *testing.T) {
	b := sit(t)
	b.sig("nonsense", "x", "y")
	b.wants(t)
	if len(b.logged) != 1 || !strings.Contains(b.logged[0], "nonsense") {
		t.Errorf("logged: %q", b.logged)
	}
}
