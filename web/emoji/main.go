// Command emoji makes the list of emoji that the page loads when somebody wants one: web/emoji/en.txt,
// which is kept in Git, so that nobody needs npm to build the page. The order, the groups and which
// emoji have skin tones are those of unicode-emoji-json, names and keywords those of Unicode's CLDR;
// licenses has on which terms.
//
//	cd web/emoji && npm ci && go run .
//
// A line without a tab begins a group; all others are an emoji, its name and its keywords with tabs
// between them, and "+" in front of an emoji that has skin tones. Keywords that are in the name are
// left out.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const language = "en"

func main() {
	list, err := list(".")
	if err == nil {
		err = os.WriteFile(language+".txt", list, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "emoji:", err)
		os.Exit(1)
	}
}

// emoji is an entry of unicode-emoji-json.
type emoji struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Tones bool   `json:"skin_tone_support"`
}

// words are the annotations of CLDR.
type words struct {
	Keywords []string `json:"default"`
	Name     []string `json:"tts"`
}

// list makes the list from what npm has put into a folder.
func list(folder string) ([]byte, error) {
	var order []string
	var all map[string]emoji
	var cldr struct {
		Annotations struct {
			Annotations map[string]words `json:"annotations"`
		} `json:"annotations"`
	}
	for file, v := range map[string]any{
		"unicode-emoji-json/data-ordered-emoji.json":                          &order,
		"unicode-emoji-json/data-by-emoji.json":                               &all,
		"cldr-annotations-full/annotations/" + language + "/annotations.json": &cldr,
	} {
		data, err := os.ReadFile(filepath.Join(folder, "node_modules", filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, v); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	var b strings.Builder
	group := ""
	for _, char := range order {
		e := all[char]
		if e.Name == "" || strings.ContainsAny(e.Name+e.Group, "\t\n") {
			return nil, fmt.Errorf("%s has no name", char)
		}
		if e.Group != group {
			group = e.Group
			fmt.Fprintln(&b, group)
		}
		w := cldr.Annotations.Annotations[strings.ReplaceAll(char, "\ufe0f", "")] // CLDR leaves that out
		name := e.Name
		if len(w.Name) == 1 {
			name = w.Name[0]
		}
		if e.Tones {
			b.WriteByte('+')
		}
		fmt.Fprintf(&b, "%s\t%s", char, name)
		if more := keywords(name, w.Keywords); more != "" {
			b.WriteString("\t" + more)
		}
		b.WriteByte('\n')
	}
	return []byte(b.String()), nil
}

// keywords are those that do not stand in the name.
func keywords(name string, all []string) string {
	has := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == ' ' || r == ':' || r == ',' })
	var more []string
	for _, keyword := range all {
		for _, word := range strings.Fields(strings.ToLower(keyword)) {
			if !slices.Contains(has, word) {
				has, more = append(has, word), append(more, word)
			}
		}
	}
	return strings.Join(more, " ")
}
