//go:build linux

// Command bench measures what a person feels: a real Chromium shows the page, a trial server is
// behind it. It prints the medians of several runs beside what has to be reached:
//
//	make bench/page ROWS=burst,enter RUNS=10
//
// Figures are those of one machine at one time, so the load is printed with them, and a
// change is judged by a table before it and one after it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"

	"natter/wasm/e2e/chrome"
)

// row is something measured. It is run several times, and what it returns each time goes
// to the figures of the same names.
type row struct {
	name    string
	figures []figure
	run     func(b *bench, note func(figure string, values ...float64))
}

// figure is a column of what a row measures: its name, what has to be reached ("" if nothing)
// and the unit of both.
type figure struct{ name, goal, unit string }

func main() {
	bundle := flag.String("bundle", "dist", "`folder` of the page, built with the best compression")
	only := flag.String("rows", "", "these rows alone, separated by `commas`")
	runs := flag.Int("runs", 5, "how often each row is run")
	flag.Parse()
	chosen, err := choose(*only)
	if err != nil || *runs < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench:", err)
		flag.Usage()
		os.Exit(2)
	}
	browser, err := chrome.Start(chrome.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: chromium:", err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	go func() {
		<-stop
		browser.Kill()
		os.Exit(1)
	}()
	b := &bench{bundle: os.DirFS(*bundle), browser: browser}
	failed := measure(b, chosen, *runs, os.Stdout)
	browser.Kill()
	if failed {
		os.Exit(1)
	}
}

func choose(names string) ([]row, error) {
	if names == "" {
		return rows, nil
	}
	var chosen []row
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			var all []string
			for _, r := range rows {
				all = append(all, r.name)
			}
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(all, ", "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

// measure runs the rows and prints a table. A row that fails says so, the others go on.
func measure(b *bench, chosen []row, runs int, out io.Writer) (failed bool) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\tfigure\tmedian\tgoal\tfrom\tto\tvalues\tload")
	for _, r := range chosen {
		values := map[string][]float64{}
		before := load()
		for i := range runs {
			fmt.Fprintf(os.Stderr, "%s %d/%d\n", r.name, i+1, runs)
			err := b.try(func() {
				r.run(b, func(name string, v ...float64) { values[name] = append(values[name], v...) })
			})
			if err != nil {
				failed = true
				fmt.Fprintf(os.Stderr, "bench: %s: %v\n", r.name, err)
			}
		}
		loads := before + "-" + load()
		for _, f := range r.figures {
			v := values[f.name]
			if len(v) == 0 {
				fmt.Fprintf(table, "%s\t%s\tfailed\t%s %s\n", r.name, f.name, f.goal, f.unit)
				continue
			}
			slices.Sort(v)
			goal := f.goal
			if goal != "" {
				goal += " " + f.unit
			}
			fmt.Fprintf(table, "%s\t%s\t%s %s\t%s\t%s\t%s\t%d\t%s\n",
				r.name, f.name, digits(v[len(v)/2]), f.unit, goal, digits(v[0]), digits(v[len(v)-1]), len(v), loads)
		}
	}
	table.Flush()
	return failed
}

// digits writes a value with as many digits as mean something.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// load is the load average of the last minute.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	load, _, _ := strings.Cut(string(data), " ")
	return load
}
