package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestNumbersInNames(t *testing.T) {
	for name, want := range map[string]string{
		"TestF05_TwoRoots":               "F05",
		"TestParse/F05_two_roots":        "F05",
		"TestOpen/O02_O03_attributes":    "O02 O03",
		"TestD01_D02":                    "D01 D02",
		"TestStories/S13-forged":         "S13",
		"TestSHA512":                     "",
		"TestF051":                       "",
		"TestX/RFC6120":                  "",
		"TestM07/M08_resume_fails/again": "M07 M08",
	} {
		got := strings.Join(slices.Sorted(maps.Keys(numbers(name))), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	in := `{"Action":"pass","Package":"p","Test":"TestF05/F05_two"}
{"Action":"pass","Package":"p","Test":"TestF05"}
{"Action":"output","Package":"p","Test":"TestF06","Output":"what went wrong\n"}
{"Action":"fail","Package":"p","Test":"TestF06"}
{"Action":"output","Package":"p","Test":"TestF07","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestF07"}
{"Action":"fail","Package":"p","Elapsed":1}
`
	var out strings.Builder
	r := read(strings.NewReader(in), &out)
	if r.passed != 2 || r.failed != 1 || r.rules["F05"].passed != 2 || r.rules["F06"].failed != 1 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(out.String(), "what went wrong") || strings.Contains(out.String(), "quiet") {
		t.Errorf("output %q", out.String())
	}
	out.Reset()
	r.took = []event{{Package: "p", Test: "TestQuick", Elapsed: 1}, {Package: "p", Test: "TestSlow", Elapsed: 2}}
	if r.slowest(&out, 1); out.String() != "   2.0s p TestSlow\n" {
		t.Errorf("the slowest: %q", out.String())
	}
	out.Reset()
	if report(&out, r, false) {
		t.Error("a failed test was reported as fine")
	}
	if !strings.HasSuffix(out.String(), "\n2 passed, 1 failed, 0 skipped\n") {
		t.Errorf("the last line is not the count: %q", out.String())
	}
}
