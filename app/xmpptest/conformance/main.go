// Command conformance runs the tests and says which rules they show to hold.
//
//	go run ./app/xmpptest/conformance [-all] [-slow n] [package …]
//
// The rules are in rows.tsv, a number and a sentence each (RFC 7395, RFC 6120, the
// XEPs around them). A test shows a rule when its name has the rule's number:
// TestF05_TwoRoots, or a subtest "F05 two roots". excused.tsv says, rule by rule, why
// one has no test of its own. A rule that is neither shown nor excused fails the run,
// and so does an excuse that a test has made untrue.
//
// Failing tests are printed in full as they end. The table shows all rules with
// -all, otherwise only those that are not simply met; -slow shows the tests that took
// longest.
package main

import (
	"bufio"
	"cmp"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

//go:embed rows.tsv
var rowsTSV string

//go:embed excused.tsv
var excusedTSV string

func main() {
	all := flag.Bool("all", false, "print every rule")
	slow := flag.Int("slow", 0, "print the `n` slowest tests")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = append(longest, "./...")
	}
	r, err := run(packages, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	r.slowest(os.Stdout, *slow)
	if !report(os.Stdout, r, *all) {
		os.Exit(1)
	}
}

// longest are the packages that are tested first, lest one of them be alone at the end.
var longest = []string{"./wasm/e2e", "./app/client", "./wasm/e2e/gallery"}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// results is how the tests went.
type results struct {
	passed, failed, skipped int             // tests, subtests not counted
	broken                  bool            // a package did not build, or died
	rules                   map[string]rule // by number
	took                    []event         // the ends of all tests
}

// rule counts the tests, subtests among them, that name it; test is the first.
type rule struct {
	test                    string
	passed, failed, skipped int
}

func run(packages []string, out io.Writer) (*results, error) {
	goCommand := os.Getenv("GO")
	if goCommand == "" {
		goCommand = "go"
	}
	// Three packages beside each other, for they mostly wait: for servers, pages and clocks. Make
	// check has vetted them.
	cmd := exec.Command(goCommand, append([]string{"test", "-json", "-vet=off", "-p", "3", "-timeout", "20m"}, packages...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := read(pipe, out)
	if cmd.Wait() != nil && r.failed == 0 {
		r.broken = true
	}
	return r, nil
}

// read takes in what go test says. The output of tests that pass is not repeated.
func read(in io.Reader, out io.Writer) *results {
	r := &results{rules: map[string]rule{}}
	said := map[string]*strings.Builder{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var ev event
		if json.Unmarshal(lines.Bytes(), &ev) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		key := ev.Package + " " + ev.Test
		switch ev.Action {
		case "output", "build-output":
			if ev.Action == "build-output" {
				io.WriteString(out, ev.Output)
				continue
			}
			if said[key] == nil {
				said[key] = new(strings.Builder)
			}
			said[key].WriteString(ev.Output)
			continue
		case "pass", "fail", "skip":
		default:
			continue
		}
		if ev.Test == "" {
			if ev.Action != "skip" {
				fmt.Fprintf(out, "%s\t%s\t%.1fs\n", ev.Action, ev.Package, ev.Elapsed)
			}
			if ev.Action == "fail" && said[key] != nil {
				io.WriteString(out, said[key].String())
			}
			continue
		}
		r.count(ev)
		if ev.Action != "pass" && said[key] != nil {
			io.WriteString(out, said[key].String())
		}
		delete(said, key)
	}
	return r
}

// number finds the numbers of rules in a test's name.
var number = regexp.MustCompile(`(?:^|[^A-Za-z0-9]|Test|Fuzz)([A-Z][0-9]{2})(?:$|[^0-9A-Za-z])`)

func numbers(name string) map[string]bool {
	found := map[string]bool{}
	for {
		m := number.FindStringSubmatchIndex(name)
		if m == nil {
			return found
		}
		found[name[m[2]:m[3]]] = true
		name = name[m[3]:]
	}
}

func (r *results) count(ev event) {
	r.took = append(r.took, ev)
	top := !strings.Contains(ev.Test, "/")
	for n := range numbers(ev.Test) {
		c := r.rules[n]
		// A parent ends after its subtests; the most precise name is kept.
		if strings.Count(ev.Test, "/") > strings.Count(c.test, "/") || c.test == "" {
			c.test = ev.Test
		}
		switch ev.Action {
		case "pass":
			c.passed++
		case "fail":
			c.failed++
		case "skip":
			c.skipped++
		}
		r.rules[n] = c
	}
	if !top {
		return
	}
	switch ev.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
	case "skip":
		r.skipped++
	}
}

// slowest prints the n tests that took longest. Those that ran beside others had to share.
func (r *results) slowest(out io.Writer, n int) {
	slices.SortStableFunc(r.took, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for _, ev := range r.took[:min(n, len(r.took))] {
		fmt.Fprintf(out, "%6.1fs %s %s\n", ev.Elapsed, ev.Package, ev.Test)
	}
}

// report prints the rules and reports whether everything is as it should be.
func report(out io.Writer, r *results, all bool) bool {
	ok := !r.broken && r.failed == 0
	excused := table(excusedTSV)
	var shown, reasons int
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range rows() {
		n, sentence := line[0], line[1]
		c, why := r.rules[n], excused[n]
		verdict := fmt.Sprintf("%d passed", c.passed)
		switch {
		case c.failed > 0:
			verdict, ok = fmt.Sprintf("%d FAILED", c.failed), false
		case c.passed > 0 && why != "":
			verdict, ok = "shown, yet excused: "+why, false
		case c.passed > 0:
			shown++
		case why != "":
			reasons++
			verdict = "no test: " + why
		case c.skipped > 0:
			verdict = fmt.Sprintf("%d skipped", c.skipped)
		default:
			verdict, ok = "NOT SHOWN", false
		}
		if all || !strings.HasSuffix(verdict, " passed") {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", n, short(sentence), short(c.test), verdict)
		}
		delete(excused, n)
	}
	w.Flush()
	for _, n := range slices.Sorted(maps.Keys(excused)) {
		fmt.Fprintf(out, "%s is excused, but there is no such rule\n", n)
		ok = false
	}
	fmt.Fprintf(out, "\n%d rules: %d shown by tests, %d with a reason why not\n", len(rows()), shown, reasons)
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return ok
}

func short(s string) string {
	const width = 60
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

func rows() (all [][2]string) {
	for line := range strings.Lines(rowsTSV) {
		n, sentence, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all = append(all, [2]string{n, sentence})
	}
	return all
}

func table(tsv string) map[string]string {
	t := map[string]string{}
	for line := range strings.Lines(tsv) {
		n, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if n != "" {
			t[n] = text
		}
	}
	return t
}
