package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A real program that is packed does what it did: it says the same names, its stacks are moved and
// swept, and where it ends it says where; with files and lines for those who have its sources.
func TestPack_Functions(t *testing.T) {
	linked, err := compile("./testdata/ends")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := pack(linked)
	if err != nil {
		t.Fatal(err)
	}
	l, err := readLines(linked)
	if err != nil {
		t.Fatal(err)
	}
	before, after := filepath.Join(t.TempDir(), "linked.wasm"), filepath.Join(t.TempDir(), "packed.wasm")
	if err := errors.Join(os.WriteFile(before, linked, 0o600), os.WriteFile(after, packed, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"well", "index", "nil", "generated", "copied", "goroutine", "asleep"} {
		want, got := runGo(t, before, how), runGo(t, after, how)
		if how == "well" {
			if got != want || !strings.Contains(got, "main.names[...]") {
				t.Errorf("it says %s, want %s", got, want)
			}
			continue
		}
		if strings.Contains(got, "main.go:") || !strings.Contains(got, "?:0 +0x") {
			t.Errorf("%s: there are lines in\n%s", how, got)
		}
		if how == "copied" && !strings.Contains(got, "(...)") {
			t.Errorf("no function was copied into its caller in\n%s", got)
		}
		if !strings.Contains(want, "main.go:") {
			t.Errorf("%s: there are no lines in\n%s", how, want)
		}
		if got := l.where(got); got != want {
			t.Errorf("%s: it ends with\n%s\nwant\n%s", how, got, want)
		}
		indented := func(trace string) string { return strings.ReplaceAll(trace, "\n", "\n    ") }
		if got := l.where(indented(got)); got != indented(want) {
			t.Errorf("%s: as it was pasted it ends with\n%s", how, got)
		}
	}
	// What stays is the same, and what is left out is not there.
	a, b := started(t, linked), started(t, packed)
	ta, _ := findFunctions(a)
	tb, ok := findFunctions(b)
	if !ok || ta != tb || !bytes.Equal(a[:ta.files], b[:tb.files]) || !bytes.Equal(a[ta.end:], b[tb.end:]) {
		t.Fatalf("the table is %+v, want %+v", tb, ta)
	}
	if place := bytes.IndexByte(b[tb.files:tb.places], 0); bytes.Count(b[tb.files:tb.places], []byte{0}) != tb.places-tb.files {
		t.Errorf("there are still files at %d", place)
	}
	columns := ta.columns(a)
	for i := range ta.count {
		ra, rb := ta.record(a, i), tb.record(b, i)
		if !bytes.Equal(a[ra+fieldKind:][:4], b[rb+fieldKind:][:4]) || le.Uint32(b[rb+fieldFile:])+le.Uint32(b[rb+fieldLine:]) != 0 {
			t.Fatalf("function %d: %x, want %x", i, b[rb:][:recordSize], a[ra:][:recordSize])
		}
		for _, c := range columns {
			fa, oka := c.find(a, ra)
			fb, okb := c.find(b, rb)
			va, vb := le.Uint32(a[fa:]), le.Uint32(b[fb:])
			same := oka == okb && va == vb
			if oka && okb && c.kind == table && va > 0 {
				pa, pb := a[ta.places+int(va):], b[tb.places+int(vb):]
				same = tableSize(pa) > 0 && bytes.Equal(pa[:tableSize(pa)], pb[:tableSize(pb)])
			}
			if !same && (oka || okb) {
				t.Fatalf("function %d, %+v: %d, want %d", i, c, vb, va)
			}
		}
	}
	if _, err := readLines(packed); err == nil {
		t.Error("lines were read from what has none")
	}
}

// address is what is elsewhere in each run.
var address = regexp.MustCompile(`0xc?[0-9a-f]{6,}`)

// runGo runs a program in Node and returns all it said.
func runGo(t *testing.T, program, arg string) string {
	t.Helper()
	root, err := exec.Command(goCommand(), "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "--stack-size=8192", filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/wasm_exec_node.js"), program, arg)
	out, err := cmd.CombinedOutput()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return address.ReplaceAllString(string(out), "0x…")
}
