//go:build !js

package app_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	ruleRow    = regexp.MustCompile(`(?m)^\| ((?:Sec|Promise)[0-9]+) \|.*\| (.*) \|$`)
	ruleNumber = regexp.MustCompile(`(?:Sec|Promise)[0-9]+`)
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)|t\.Run\("([^"]+)"`)
)

// Each number of a rule in a test's name stands in doc/rules.md, once, and each test named
// there is there and has the number in its name.
func TestRulesHaveAPage(t *testing.T) {
	page, err := os.ReadFile("../doc/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{} // client.TestSec11_…, archive/Sec66-…
	used := map[string]string{}
	note := func(name string) {
		tests[name] = true
		for _, number := range ruleNumber.FindAllString(name, -1) {
			used[number] = name
		}
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		dir, file := filepath.Split(path)
		switch {
		case strings.HasSuffix(file, ".txtar"):
			note(filepath.Base(filepath.Dir(filepath.Clean(dir))) + "/" + strings.TrimSuffix(file, ".txtar"))
		case strings.HasSuffix(file, "_test.go"):
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range testFunc.FindAllStringSubmatch(string(source), -1) {
				note(filepath.Base(dir) + "." + m[1] + m[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range ruleRow.FindAllStringSubmatch(string(page), -1) {
		number := row[1]
		if listed[number] {
			t.Errorf("%s stands there twice", number)
		}
		listed[number] = true
		for _, name := range strings.Split(row[2], ", ") {
			name = strings.Trim(name, "` ")
			if name != "" && (!tests[name] || !strings.Contains(name, number)) {
				t.Errorf("%s: no test of it is called %s", number, name)
			}
		}
	}
	if len(used) < 50 || len(listed) < 50 {
		t.Fatalf("only %d numbers found in tests, and %d on the page", len(used), len(listed))
	}
	for number, name := range used {
		if !listed[number] {
			t.Errorf("%s has the number of a rule that doc/rules.md does not have: %s", name, number)
		}
	}
}
