// Command build makes the page: it compiles the client to WebAssembly, gives each
// file that never changes a name with its hash, and writes compressed forms beside
// all that compress. What it writes can be served by any static host, below any
// path, and is what package site serves.
//
//	go run ./web/build -out dist
//
// The program knows no files and lines: where it stops, the page and the browser's console show a
// trace of functions and places in them (?:0 +0x1c). What is pasted from there comes back with
// files and lines, by the same Go and the sources of the build, whose number is the page's too:
//
//	git log --format='%ct %h' | grep NUMBER
//	go run ./web/build -where <trace.txt
//
// Equal sources give equal bytes, so that two people can compare what they built.
// That includes the build's number, by which a browser that keeps a build offline
// refuses to go back to an older one: it is the time of the last commit, and 0,
// which is compared to nothing, outside of Git. -build sets another.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.out, "out", "", "folder to write to")
	flag.StringVar(&o.source, "src", "web", "folder of the page's own files")
	level := flag.String("level", "best", "compression: best, or fast for trying things out")
	wasm := flag.String("wasm", "", "program to take instead of compiling ./wasm")
	flag.Int64Var(&o.number, "build", -1, "`number` of this build, larger than that of any older one")
	where := flag.Bool("where", false, "read a trace of the program from the console, and write it with files and lines")
	flag.Parse()
	if *where {
		if err := findLines(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "build:", err)
			os.Exit(1)
		}
		return
	}
	if o.number < 0 {
		o.number = committed()
	}
	if o.out == "" || flag.NArg() > 0 || *level != "best" && *level != "fast" {
		flag.Usage()
		os.Exit(2)
	}
	o.best = *level == "best"
	if err := run(o, *wasm); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(o options, wasm string) error {
	var err error
	if wasm == "" {
		if o.wasm, err = compile("./wasm"); err == nil {
			o.wasm, err = pack(o.wasm)
		}
	} else {
		o.wasm, err = os.ReadFile(wasm)
	}
	if err != nil {
		return err
	}
	root, err := exec.Command(goCommand(), "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	o.wasmExec, err = os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return err
	}
	bundle, err := build(o)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d files, build %d, version %s\n", o.out, len(bundle.Assets), bundle.Number, bundle.Version)
	return nil
}

// committed returns the time of the last commit, or 0 if there is none to be seen.
func committed() int64 {
	out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
	if err != nil {
		return 0
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0
	}
	return seconds
}

// findLines writes a trace of the program with the lines that what is shipped lacks. It compiles
// the program again, so the sources and Go must be those of the build.
func findLines(in io.Reader, out io.Writer) error {
	trace, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	program, err := compile("./wasm")
	if err != nil {
		return err
	}
	l, err := readLines(program)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, l.where(string(trace)))
	return err
}

// compile returns the program in the named package as WebAssembly. Nothing of
// this machine ends up in it.
func compile(pkg string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "natter")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	slimmer, err := slim(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "app.wasm")
	args := append([]string{"build", slimmer, "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, compilerFlags...)
	cmd := exec.Command(goCommand(), append(args, "-o", name, pkg)...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compiling %s: %w", pkg, err)
	}
	return os.ReadFile(name)
}

// compilerFlags keep functions from being copied into their callers, which makes the
// program 8 % lighter on the wire (2.03 to 1.87 MB of brotli), except where that
// costs time: the runtime and all that a frame goes through.
var compilerFlags = []string{
	"-gcflags=all=-l",
	"-gcflags=runtime/...=", "-gcflags=internal/...=", "-gcflags=sync/...=",
	"-gcflags=natter/framing=", "-gcflags=strings=", "-gcflags=unicode/utf8=",
}

func goCommand() string {
	if name := os.Getenv("GO"); name != "" {
		return name
	}
	return "go"
}
