// Command size prints what a built page weighs and fails if the program is heavier
// than its budget. With -packages it also compiles the program once more, with
// names, and prints which packages its code comes from.
//
//	go run ./web/size -packages dist
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"natter/server/site"
)

// The budget of app.wasm, in bytes of brotli. Every dependency earns its bytes. It is never
// raised without a row here for each thing that was tried instead. What they gain is in
// thousands of bytes of brotli; where the best compression was not measured it is ~.
//
//	joining the linker's 100,000 data segments (web/build/pack.go)          116   done
//	mellium.im/xmpp/jid and what it needs, in 200 lines (app/jid)           ~95   done
//	github.com/benbjohnson/immutable, in 200 lines (app/state/tree)         ~45   done
//	a table that only counts, counted at the start (web/build/counting.go)   15   done; 2.6 MB raw
//	sort.Slice instead of slices.SortFunc of structs, ten times              15   done
//	go-app without its server, and so without net/http (web/build/slim.go)  265   done
//	no inlining, except where that costs time (web/build/main.go)           160   done
//	no inlining in the runtime either                                       ~45   no: a message takes half as long again
//	the table of functions without files and lines (web/build/functions.go) 154   done; web/build -where finds them
//	its records as columns, of which the start makes records                 71   done
//	GOEXPERIMENT=nogreenteagc                                               ~10   no: an old collector, on its way out
//	one route without a pattern instead of RouteWithRegexp                    0   no: go-app links regexp and encoding/json anyway
//	the return addresses of 57,000 calls, if they cost nothing              64   no: nothing else says where to go on
//	brotli with one block of 16 MB                                           -3   no
//
// An update as a difference from the build before (RFC 9842, zstd): 30 kB where a text changed, 92 kB
// where a function came, 550 kB where a package went, since addresses move, instead of 1,840 kB. It is
// not done: whoever serves the bundle would have to keep older builds and choose by a
// header, which no static host does.
//
// It was 1,900,000 until go-app's server went.
const budget = 1_653_000

func main() {
	packages := flag.Bool("packages", false, "show the packages of the program")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: size [-packages] FOLDER")
		os.Exit(2)
	}
	err := report(os.Stdout, flag.Arg(0))
	if err == nil && *packages {
		err = reportPackages(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

// report prints a row for each file of the bundle. The error says by how much the
// budget is exceeded.
func report(out io.Writer, dir string) error {
	bundle, err := site.ReadBundle(os.DirFS(dir))
	if err != nil {
		return err
	}
	slices.SortFunc(bundle.Assets, func(a, b site.Asset) int { return cmp.Compare(b.Size, a.Size) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "raw\tgzip\tbrotli\tzstd\t  file")
	var sum [4]int
	var exceeded error
	for _, asset := range bundle.Assets {
		row := [4]int{asset.Size, weight(asset, "gzip"), weight(asset, "br"), weight(asset, "zstd")}
		for i := range row {
			sum[i] += row[i]
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t  %s\n", row[0], row[1], row[2], row[3], asset.Path)
		if strings.HasSuffix(asset.Path, ".wasm") && row[2] > budget {
			exceeded = fmt.Errorf("%s has %d bytes of brotli, %d more than its budget", asset.Path, row[2], row[2]-budget)
		}
	}
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\t  all\n", sum[0], sum[1], sum[2], sum[3])
	return errors.Join(w.Flush(), exceeded)
}

// weight is what is sent to a browser that asks for the coding.
func weight(asset site.Asset, coding string) int {
	if e, ok := asset.Encoded[coding]; ok {
		return e.Size
	}
	return asset.Size
}

func reportPackages(out io.Writer) error {
	dir, err := os.MkdirTemp("", "natter")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "app.wasm")
	if _, err := goJS("build", "-trimpath", "-ldflags=-w", "-o", name, "./wasm"); err != nil {
		return err
	}
	deps, err := goJS("list", "-deps", "./wasm")
	if err != nil {
		return err
	}
	module, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	functions, err := functionSizes(module)
	if err != nil {
		return err
	}
	sizes := bySource(functions, strings.Fields(string(deps)))
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ncode\t  package (the 25 largest)")
	for _, name := range names[:min(25, len(names))] {
		fmt.Fprintf(w, "%d\t  %s\n", sizes[name], name)
	}
	return w.Flush()
}

func goJS(args ...string) ([]byte, error) {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), args...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
