//go:build !js

package app_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rules are the arrows of doc.go that must not be drawn. Patterns are import paths,
// ending in /... for a whole tree; in not, "." stands for everything outside the
// standard library.
var rules = []struct {
	who, but []string // packages the rule is about, without these
	page     bool     // as they are built for the page; natively otherwise
	deep     bool     // what they import, and what that imports in turn
	not, yet []string // must not be imported, but for these
	why      string
}{
	{
		who: []string{"natter/framing"}, deep: true, not: []string{"."}, yet: []string{"natter/framing"},
		why: "the parser meets what strangers send: it stands on the standard library alone",
	}, {
		who: []string{"natter/app/jid"}, not: []string{"natter/..."}, yet: []string{"natter/app/legible", "natter/app/steps"},
		why: "an address is below everything but text",
	}, {
		who: []string{"natter/app/legible", "natter/app/steps"}, deep: true, not: []string{"."},
		yet: []string{"natter/app/legible", "natter/app/steps"},
		why: "what cleans text knows nothing but text",
	}, {
		who: []string{"natter/app/text"}, not: []string{"."},
		yet: []string{"natter/app/jid", "natter/app/legible", "natter/app/steps"},
		why: "what a body says depends on the body alone",
	}, {
		who: []string{"natter/app/state"}, not: []string{"natter/..."},
		yet: []string{"natter/app/jid", "natter/app/legible", "natter/app/steps", "natter/app/state/tree"},
		why: "the shared language knows neither XML nor network",
	}, {
		who: []string{"natter/app/view/..."}, not: []string{"."},
		yet: []string{"natter/app/state", "natter/app/jid", "natter/app/legible", "natter/app/steps", "natter/app/text", "natter/app/view/...", "github.com/maxence-charriere/go-app/..."},
		why: "what draws cannot see a stanza, so it cannot misread one",
	}, {
		who: []string{"natter/app/...", "natter/framing/..."}, but: []string{"natter/app/view/..."}, deep: true,
		not: []string{"github.com/maxence-charriere/go-app/..."},
		why: "the core runs without a page",
	}, {
		who: []string{"natter/app/...", "natter/framing/..."}, page: true, but: []string{"natter/app/view/..."}, deep: true,
		not: []string{"github.com/maxence-charriere/go-app/..."},
		why: "the core runs without a page",
	}, {
		who: []string{"natter/..."}, page: true, but: []string{"natter/wasm/browser", "natter/wasm/e2e/..."}, not: []string{"syscall/js"},
		why: "the browser is touched in one place, everything else is tested without it",
	}, {
		who: []string{"natter/app/feature/..."}, not: []string{"natter/app/feature/..."},
		yet: []string{"natter/app/feature"}, but: []string{"natter/app/feature/featuretest"},
		why: "features meet in the state, so that each can be read and deleted alone",
	}, {
		who: []string{"natter/..."}, but: []string{"natter/app/client", "natter/app/feature/..."}, not: []string{"natter/app/feature/..."},
		yet: []string{"natter/app/feature", "natter/app/feature/featuretest"},
		why: "client/features.go is the only registration",
	}, {
		who: []string{"natter/app/connect/..."}, deep: true,
		not: []string{"natter/app/state", "natter/app/stream", "natter/app/feature/...", "natter/app/client", "natter/app/view/..."},
		why: "a connection knows nothing of what is said over it",
	}, {
		who: []string{"natter/app/stream"}, deep: true,
		not: []string{"natter/app/state", "natter/app/feature/...", "natter/app/client", "natter/app/view/..."},
		why: "a stream knows nothing of what is said over it",
	}, {
		who: []string{"natter/app/feature/..."}, but: []string{"natter/app/feature/featuretest"},
		not: []string{"natter/app/client", "natter/app/view/...", "natter/app/connect/..."},
		why: "what a stanza means does not depend on how it came or who is looking",
	}, {
		who: []string{"natter/wasm"}, page: true, deep: true, not: []string{"github.com/coder/websocket/..."},
		why: "in a page it loses messages, leaks sockets and cannot give close codes",
	}, {
		who: []string{"natter/wasm"}, page: true, deep: true, not: []string{"mellium.im/..."},
		why: "they keep the TLS stack in the page, 0.7 MB of it, and the tables of all languages",
	}, {
		who: []string{"natter/wasm"}, page: true, deep: true,
		not: []string{"golang.org/x/text/secure/precis", "golang.org/x/text/cases", "golang.org/x/text/language", "golang.org/x/text/width"},
		why: "app/jid does in 200 lines what 0.1 MB of tables did",
	}, {
		who: []string{"natter/wasm"}, page: true, deep: true, not: []string{"github.com/andybalholm/brotli/...", "github.com/klauspost/compress/..."},
		why: "these make the bundle; the browser unpacks it by itself",
	}, {
		who: []string{"natter/wasm"}, page: true, deep: true,
		not: []string{"natter/server/...", "natter/web/...", "natter/framing/native", "natter/app/xmpptest/...", "natter/app/connect/discover/httpfetch", "github.com/go-rod/..."},
		why: "code of servers and tests does not go into the page",
	}, {
		who: []string{"natter/app/...", "natter/framing", "natter/wasm/..."}, page: true,
		but: []string{"natter/app/xmpptest/...", "natter/app/feature/featuretest", "natter/wasm/e2e/..."},
		not: []string{"net/http", "crypto/tls", "regexp", "encoding/xml", "log"},
		why: "go-app brings some of them along, but nothing of ours may come to need them",
	}, {
		who: []string{"natter/server/..."}, not: []string{"natter/app/client", "natter/app/feature/...", "natter/app/stream", "natter/wasm/..."},
		why: "the server serves the client and is not one",
	}, {
		who: []string{"natter/server/gateway"}, not: []string{"natter/..."}, yet: []string{"natter/framing", "natter/framing/native", "natter/app/connect", "natter/app/connect/discover"},
		why: "the gateway passes on what is said and need not know what it means; connect judges where a redirect may lead, discover where servers are",
	}, {
		who: []string{"natter/server/site"}, deep: true, not: []string{"."}, yet: []string{"natter/server/site"},
		why: "the build and the tests' servers need what serves files, and none of the libraries of an operator's server",
	}, {
		who: []string{"natter/server", "natter/server/cert", "natter/server/config", "natter/server/doctor", "natter/server/front"}, deep: true,
		not: []string{"github.com/letsencrypt/...", "github.com/miekg/...", "github.com/invopop/...", "github.com/santhosh-tekuri/...", "natter/server/dnstest", "natter/app/xmpptest/..."},
		why: "an ACME server, a name server and what makes and tries a schema are for tests",
	},
}

type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

func TestRules(t *testing.T) {
	native := list(t, nil, "./...")
	page := list(t, []string{"GOOS=js", "GOARCH=wasm"}, "./framing/...", "./app/...", "./wasm/...")
	for _, r := range rules {
		packages := native
		if r.page {
			packages = page
		}
		about := 0
		for _, p := range packages {
			if !matches(p.ImportPath, r.who) || matches(p.ImportPath, r.but) {
				continue
			}
			about++
			imports := p.Imports
			if r.deep {
				imports = p.Deps
			}
			for _, i := range imports {
				if matches(i, r.not) && !matches(i, r.yet) {
					t.Errorf("%s must not import %s: %s", p.ImportPath, i, r.why)
				}
			}
		}
		if about == 0 {
			t.Errorf("the rule about %v is about nobody", r.who)
		}
	}
}

func list(t *testing.T, env []string, patterns ...string) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, patterns...)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "." {
			first, _, _ := strings.Cut(path, "/")
			return first == "natter" || strings.Contains(first, ".")
		}
		if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
			return path == tree || strings.HasPrefix(path, tree+"/")
		}
		return path == pattern
	})
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		path, pattern string
		want          bool
	}{
		{"natter/app/view", "natter/app/view/...", true},
		{"natter/app/view/stories", "natter/app/view/...", true},
		{"natter/app/viewer", "natter/app/view/...", false},
		{"mellium.im/xmpp/jid", "mellium.im/xmpp", false},
		{"golang.org/x/text/width", ".", true},
		{"natter/framing", ".", true},
		{"encoding/xml", ".", false},
	} {
		if got := matches(tc.path, []string{tc.pattern}); got != tc.want {
			t.Errorf("%s is in %s: %v", tc.path, tc.pattern, got)
		}
	}
}

// A struct tag says nothing of an attribute's namespace, so with one a
// stranger's x:from would be the sender. Stanzas are read as element trees.
func TestNoStructTagsForAttributes(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, at := range attributeTags(file) {
			t.Errorf("%s: an attribute read by a struct tag", set.Position(at))
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files, %v", files, err)
	}
	sample := "package p\ntype a struct { From string `xml:\"from,attr\"`; Body string `xml:\"jabber:client body\"` }"
	file, err := parser.ParseFile(token.NewFileSet(), "sample.go", sample, 0)
	if err != nil || len(attributeTags(file)) != 1 {
		t.Error("it would not be noticed")
	}
}

func attributeTags(file *ast.File) (found []token.Pos) {
	ast.Inspect(file, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err == nil && slices.Contains(strings.Split(reflect.StructTag(tag).Get("xml"), ","), "attr") {
			found = append(found, field.Pos())
		}
		return true
	})
	return found
}

// A feature is its folder and its line.
func TestEachFeatureCanBeDeleted(t *testing.T) {
	registration, err := filepath.Abs("client/features.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(registration)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"natter/app/feature/(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 10 {
		t.Fatalf("found only %d features", len(names))
	}
	for _, match := range names {
		name := match[1]
		t.Run(name, func(t *testing.T) {
			without := regexp.MustCompile(`(?m)^\t+("natter/app/feature/`+name+`"|`+name+`\.New\(\),.*)\n`).ReplaceAll(source, nil)
			if got := strings.Count(string(source), "\n") - strings.Count(string(without), "\n"); got != 2 {
				t.Fatalf("features.go names it in %d lines, want its import and its line", got)
			}
			smaller := filepath.Join(t.TempDir(), "features.go")
			if err := os.WriteFile(smaller, without, 0o600); err != nil {
				t.Fatal(err)
			}
			replace := map[string]string{registration: smaller}
			files, err := filepath.Glob(filepath.Join("feature", name, "*.go"))
			if err != nil || len(files) == 0 {
				t.Fatalf("its folder: %v %v", files, err)
			}
			for _, f := range files {
				path, err := filepath.Abs(f)
				if err != nil {
					t.Fatal(err)
				}
				replace[path] = "" // not there
			}
			overlay, err := json.Marshal(map[string]any{"Replace": replace})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("go", "build", "-overlay", file, "./client", "./feature/featuretest").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
