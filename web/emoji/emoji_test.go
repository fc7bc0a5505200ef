package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The list is what npm's packages make of it. Without npm nobody looks, which with CI=true is a failure.
func TestList_IsMadeOfThePackages(t *testing.T) {
	if _, err := os.Stat("node_modules/unicode-emoji-json/package.json"); errors.Is(err, fs.ErrNotExist) {
		if _, err := exec.LookPath("npm"); err != nil && os.Getenv("CI") != "true" {
			t.Skip("npm is not installed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	made, err := list(".")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("en.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, kept) {
		t.Errorf("en.txt has %d bytes, and go run ./web/emoji makes other %d of them", len(kept), len(made))
	}
}

func TestKeywords(t *testing.T) {
	got := keywords("flag: United Kingdom", []string{"Flag", "GB", "Union Jack", "united", "gb"})
	if want := "gb union jack"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Each line is a group, or an emoji with its name.
func TestList_Form(t *testing.T) {
	data, err := os.ReadFile("en.txt")
	if err != nil {
		t.Fatal(err)
	}
	groups, toned, emoji := 0, 0, map[string]bool{}
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		fields := strings.Split(line, "\t")
		char, tones := strings.CutPrefix(fields[0], "+")
		switch {
		case len(fields) == 1:
			groups++
			continue
		case len(fields) > 3 || char == "" || fields[1] == "" || emoji[char]:
			t.Errorf("a line is %q", line)
		case tones:
			toned++
		}
		emoji[char] = true
	}
	if groups != 9 || len(emoji) < 1900 || toned < 300 || !emoji["#️⃣"] {
		t.Errorf("%d groups, %d emoji, %d with skin tones", groups, len(emoji), toned)
	}
}
