//go:build linux

package chrome

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// command is the go command. Make says which one.
func command(args ...string) *exec.Cmd {
	name := os.Getenv("GO")
	if name == "" {
		name = "go"
	}
	return exec.Command(name, args...)
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// place is where Go and the module are.
var place = sync.OnceValues(func() (p struct{ goroot, module string }, err error) {
	out, err := command("env", "GOROOT", "GOMOD").Output()
	if err != nil {
		return p, err
	}
	lines := strings.Split(string(out), "\n")
	p.goroot, p.module = lines[0], filepath.Dir(lines[1])
	return p, nil
})

// Go runs the go command at the root of the module.
func Go(args ...string) error {
	p, err := place()
	if err != nil {
		return err
	}
	cmd := command(args...)
	cmd.Dir = p.module
	return run(cmd)
}

// Build runs the go command for WebAssembly, with -o file. It returns file.
func Build(file, verb string, args ...string) (string, error) {
	cmd := command(append([]string{verb, "-o", file}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	return file, run(cmd)
}

// Serve returns a site with one page at /, under a policy. Beside it are the program
// at /page.wasm, what Go needs to run it at /wasm_exec.js, the test's own page.js, and
// the folder web.
func Serve(html, policy, program string) (*http.ServeMux, error) {
	p, err := place()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"/page.wasm":    program,
		"/wasm_exec.js": filepath.Join(p.goroot, "lib", "wasm", "wasm_exec.js"),
		"/page.js":      "page.js",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	mux.Handle("/web/", http.StripPrefix("/web/", http.FileServer(http.Dir(filepath.Join(p.module, "web")))))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = io.WriteString(w, html)
	})
	return mux, nil
}
