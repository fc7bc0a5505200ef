package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"natter/server/site"
)

func TestReport(t *testing.T) {
	for _, tc := range []struct {
		brotli int
		says   string
	}{
		{budget, ""},
		{budget + 1, "1 more than its budget"},
	} {
		dir := t.TempDir()
		list, err := json.Marshal(site.Bundle{Assets: []site.Asset{
			{Path: "icon.png", Size: 10},
			{Path: "app.00000000.wasm", Size: 7_000_000, Encoded: map[string]site.Encoded{"br": {Size: tc.brotli}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, site.BundleIndex), list, 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = report(&out, dir)
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%d: %v, want %q", tc.brotli, err, tc.says)
		}
		if !strings.Contains(out.String(), "app.00000000.wasm") {
			t.Error(out.String())
		}
	}
}

// module is one with an imported function and two of its own.
const module = "\x00asm\x01\x00\x00\x00" +
	"\x02\x07\x01\x01m\x01f\x00\x00" +
	"\x0a\x08\x02\x02\x00\x0b\x03\x01\x02\x0b"

const names = "\x00\x15\x04name\x01\x0e\x02" + "\x01\x03a.f" + "\x02\x06b_c.*g"

func TestFunctionSizes(t *testing.T) {
	got, err := functionSizes([]byte(module + names))
	if want := map[string]int{"a.f": 2, "b_c.*g": 3}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for cut := range len(module + names) {
		if _, err := functionSizes([]byte((module + names)[:cut])); err == nil {
			t.Errorf("a module of %d bytes was read", cut)
		}
	}
}

func TestBySource(t *testing.T) {
	got := bySource(map[string]int{
		"runtime.mallocgc":                    5,
		"natter_framing.Parse":                7,
		"natter_framing.__Parser_.next":       1,
		"github.com_a_go_app_v10_pkg_app.x.y": 2,
		"wasm_export_run":                     3,
		"type_.eq.natter_framing.Name":        4,
	}, []string{"runtime", "natter/framing", "github.com/a/go-app/v10/pkg/app"})
	want := map[string]int{"runtime": 5, "natter/framing": 8, "github.com/a/go-app/v10/pkg/app": 2, "(generated)": 7}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
