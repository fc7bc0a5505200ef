package web

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestStorageKeys compares the keys of the page's storage: those of the scripts, those of Go, and the
// list for tsc.
func TestStorageKeys(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	key := regexp.MustCompile("[\"`](natter\\.[a-z]+\\.?)(?:[\"]|\\$\\{)")
	keys := func(text string) []string {
		found := map[string]bool{}
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
		return slices.Sorted(maps.Keys(found))
	}
	_, list, _ := strings.Cut(read("types.d.ts"), "type StorageKey =")
	list, _, _ = strings.Cut(list, ";")
	want := keys(list)
	if ofGo := keys(read("../wasm/browser/keys.go")); len(want) < 10 || !slices.Equal(ofGo, want) {
		t.Errorf("wasm/browser/keys.go has\n%s\nand types.d.ts\n%s", ofGo, want)
	}
	scripts, err := filepath.Glob("*.js")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, name := range scripts {
		for _, k := range keys(read(name)) {
			if used++; !slices.Contains(want, k) {
				t.Errorf("%s: %s is in no list", name, k)
			}
		}
	}
	if used < 10 {
		t.Errorf("the scripts use %d keys", used)
	}
	for _, pattern := range []string{"../wasm/*.go", "../wasm/browser/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if found := keys(read(name)); len(found) > 0 && filepath.Base(name) != "keys.go" {
				t.Errorf("%s: %s is not of keys.go", name, found)
			}
		}
	}
}
