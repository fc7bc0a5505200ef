package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goApp is the module whose package app the page is drawn with.
const goApp = "github.com/maxence-charriere/go-app/v10"

// serverParts are what package app has for servers alone, and how it is left out of the page. A page
// serves nothing, but what net/http sets up at its start (TLS, X.509, certificates) the linker
// keeps all the same: 0.34 MB of brotli.
var serverParts = []struct{ file, has, gets string }{
	{"pkg/app/http.go", "package app\n", "//go:build !wasm\n\npackage app\n"},
	{"pkg/app/resource.go", "\t\"net/http\"\n", ""},
	{"pkg/app/resource.go", "\t\tHandler:   http.FileServer(http.Dir(directory)),\n", ""},
	{"pkg/app/resource.go", "\thttp.Handler\n", ""},
	{"pkg/app/wasm.go", "h *Handler", "h any"},
}

// slim returns the flag with which the go command compiles the page without serverParts: a copy of
// go-app's module stands in .tools, and a go.mod in the folder temporary leads there. Its name has the
// version and a hash of serverParts, and nothing that differs from build to build, because the program
// names it.
func slim(temporary string) (flag string, err error) {
	var module struct{ Dir, Version string }
	out, err := goSays("mod", "download", "-json", goApp)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(out, &module); err != nil {
		return "", err
	}
	out, err = goSays("env", "GOMOD")
	if err != nil {
		return "", err
	}
	gomod := strings.TrimSpace(string(out))
	root := filepath.Dir(gomod)
	parts := sha256.Sum256(fmt.Append(nil, serverParts))
	place := filepath.Join(".tools", fmt.Sprintf("go-app-%s-%x", module.Version, parts[:4]))
	if err := copyWithout(module.Dir, filepath.Join(root, place)); err != nil {
		return "", err
	}
	text, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", err
	}
	text = fmt.Appendf(text, "\nreplace %s => ./%s\n", goApp, filepath.ToSlash(place))
	file := filepath.Join(temporary, "page.mod")
	return "-modfile=" + file, errors.Join(os.WriteFile(file, text, 0o644), os.WriteFile(filepath.Join(temporary, "page.sum"), sums, 0o644))
}

// copyWithout copies go-app's sources, if they are not there yet, and leaves serverParts out.
func copyWithout(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(to), "making-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	err = filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") ||
			!strings.HasSuffix(name, ".go") && d.Name() != "go.mod" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if text, err = without(filepath.ToSlash(rel), text); err != nil {
			return err
		}
		copied := filepath.Join(made, rel)
		return errors.Join(os.MkdirAll(filepath.Dir(copied), 0o755), os.WriteFile(copied, text, 0o644))
	})
	if err != nil {
		return err
	}
	if err := os.Rename(made, to); err != nil {
		if _, there := os.Stat(to); there != nil {
			return err // else another build was quicker
		}
	}
	return nil
}

func without(file string, text []byte) ([]byte, error) {
	for _, p := range serverParts {
		if p.file != file {
			continue
		}
		if bytes.Count(text, []byte(p.has)) != 1 {
			return nil, fmt.Errorf("%s of go-app has changed: what web/build/slim.go leaves out is not in it", file)
		}
		text = bytes.Replace(text, []byte(p.has), []byte(p.gets), 1)
	}
	return text, nil
}

// goSays returns what the go command prints.
func goSays(args ...string) ([]byte, error) {
	cmd := exec.Command(goCommand(), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
