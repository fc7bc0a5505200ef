package state

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"natter/app/steps"
)

// Found is the result of a search for messages so far.
type Found struct {
	Hits   []Hit // the newest first
	More   bool  // there are older hits than these
	Done   bool  // nothing more will come
	Failed bool  // the messages on the disk could not be read
}

// Hit is a message that was found, and the conversation that it is in.
type Hit struct {
	Conv    ConvID
	Message Message
}

// maxWords bounds the words of a search, because each costs a pass over every message.
const maxWords = 8

// Words returns the words to look for in what was typed.
func Words(typed string) []string {
	words := strings.Fields(Fold(typed))
	words = words[:min(len(words), maxWords)]
	sort.Slice(words, func(i, j int) bool { return len(words[i]) > len(words[j]) }) // the rarest first
	return slices.Compact(words)
}

// Has reports whether all the words of Words are in a text. A word may be part of a longer one, because some
// languages write words together.
func Has(text string, words []string) bool {
	folded := Fold(text)
	for _, w := range words {
		steps.Add(len(folded))
		if !strings.Contains(folded, w) {
			return false
		}
	}
	return len(words) > 0
}

// Spans returns where in a text the words are: the offsets in bytes where each place begins and ends, in order
// and without overlap.
func Spans(text string, words []string) [][2]int {
	var bytes []byte
	var from []int // where in text each byte of folded comes from
	for at, r := range text {
		before := len(bytes)
		bytes = fold(bytes, text[at:at+size(r, text[at:])])
		for range len(bytes) - before {
			from = append(from, at)
		}
	}
	from = append(from, len(text))
	folded := string(bytes)
	ends := make([]int, len(from)) // where the longest word ends that begins at a byte of folded
	for _, w := range words {
		for at := 0; w != ""; {
			i := strings.Index(folded[at:], w)
			if i < 0 {
				steps.Add(len(folded) - at)
				break
			}
			steps.Add(i + len(w))
			ends[at+i] = max(ends[at+i], at+i+len(w))
			at += i + len(w)
		}
	}
	var spans [][2]int
	for i, end := range ends {
		steps.Add(1)
		if end == 0 {
			continue
		}
		// The end of a letter of which only a part was found, such as ß, and the accents after it.
		for end < len(from)-1 && from[end] == from[end-1] {
			steps.Add(1)
			end++
		}
		if n := len(spans); n > 0 && from[i] <= spans[n-1][1] {
			spans[n-1][1] = max(spans[n-1][1], from[end])
			continue
		}
		spans = append(spans, [2]int{from[i], from[end]})
	}
	return spans
}

func size(r rune, s string) int {
	if r == utf8.RuneError {
		_, n := utf8.DecodeRuneInString(s)
		return n
	}
	return utf8.RuneLen(r)
}

// Fold returns a text in lower case and without accents. web/store.js does the same to the messages on the
// disk, and storetest compares the two.
func Fold(s string) string {
	steps.Add(len(s))
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return string(fold(make([]byte, 0, len(s)), s))
		}
	}
	return strings.ToLower(s)
}

// fold appends s, folded, to to. The tables of the Unicode decompositions are in the page already, because
// addresses need them.
func fold(to []byte, s string) []byte {
	steps.Add(len(s))
	if s[0] < utf8.RuneSelf && len(s) == 1 {
		return append(to, strings.ToLower(s)...)
	}
	for _, r := range norm.NFD.String(s) {
		if accent(r) {
			continue
		}
		r = unicode.ToLower(r)
		if same, ok := letters[r]; ok {
			to = append(to, same...)
			continue
		}
		to = utf8.AppendRune(to, r)
	}
	return to
}

// accent reports whether r is a mark that people leave out in a search: Latin, Greek and Cyrillic accents,
// Hebrew and Arabic vowels, and the variation selectors of emoji.
func accent(r rune) bool {
	switch {
	case r < 0x300:
		return false
	case r <= 0x36F, r >= 0x591 && r <= 0x5C7, r >= 0x64B && r <= 0x65F, r == 0x640, r == 0x670, r == 0xFE0E, r == 0xFE0F:
		return true
	}
	return false
}

// letters has what people type for letters that have no decomposition.
var letters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ł': "l", 'ħ': "h", 'ı': "i", 'þ': "th", 'ς': "σ",
}
