package state

import (
	"fmt"
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"cafe", "Café", "CAFE\u0301"},
		{"strasse", "Straße", "STRASSE", "STRAẞE"},
		{"lodz", "Łódź", "ŁÓDŹ"},
		{"istanbul", "İstanbul", "ISTANBUL", "ıstanbul"},
		{"οδυσσευσ", "Ὀδυσσεύς", "ΟΔΥΣΣΕΎΣ"},
		{"елка", "Ёлка", "ЁЛКА"},
		{"شكرا", "شُكْراً", "شـكرا"},
		{"שלום", "שָׁלוֹם"},
		{"한국", "한국"},
		{"☺", "☺\ufe0f"},
	} {
		for _, s := range same {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("%q folds to %q, %q to %q", s, Fold(s), same[0], Fold(same[0]))
			}
		}
	}
	if Fold("") != "" || Fold("tea") == Fold("ten") {
		t.Error("too much is the same")
	}
}

func TestHas(t *testing.T) {
	for _, tc := range []struct {
		typed, text string
		want        bool
	}{
		{"moth", "There was a MOTH in panel F", true},
		{"panel moth", "There was a moth in panel F", true},
		{"moth butterfly", "There was a moth in panel F", false},
		{"  \t ", "anything", false},
		{"cafe", "Bis später im Café!", true},
		{"café", "cafe", true},
		{"schiff", "Donaudampfschifffahrt", true},
		{"a.c", "abc", false},
		{"1+1=2 \\", "so 1+1=2, and \\ is a backslash", true},
		{"東京", "私は東京に住んでいます", true},
		{strings.Repeat("x ", 100), "x", true},
	} {
		if got := Has(tc.text, Words(tc.typed)); got != tc.want {
			t.Errorf("%q in %q: %t", tc.typed, tc.text, got)
		}
	}
}

func TestSpans(t *testing.T) {
	for _, tc := range []struct{ typed, text, want string }{
		{"moth", "a Moth, a moth", "a [Moth], a [moth]"},
		{"cafe", "Im Cafe\u0301.", "Im [Cafe\u0301]."},
		{"stras", "Die Straße", "Die [Straß]e"},
		{"panel pan", "panels", "[panel]s"},
		{"ab bc", "xabcx", "x[abc]x"},
		{"aa", "aaaa", "[aaaa]"},
		{"k", "\xff k \xff", "\xff [k] \xff"},
		{"none", "of it", "of it"},
	} {
		got, at := "", 0
		for _, s := range Spans(tc.text, Words(tc.typed)) {
			got += tc.text[at:s[0]] + "[" + tc.text[s[0]:s[1]] + "]"
			at = s[1]
		}
		if got += tc.text[at:]; got != tc.want {
			t.Errorf("%q: %q, want %q", tc.typed, got, tc.want)
		}
	}
}

func FuzzSpans(f *testing.F) {
	f.Add("Straße", "ss")
	f.Add("\xff\xfe", "\xff")
	f.Add("İ\u0307", "i")
	f.Fuzz(func(t *testing.T, text, typed string) {
		words := Words(typed)
		at := 0
		for _, s := range Spans(text, words) {
			if s[0] < at || s[1] <= s[0] || s[1] > len(text) {
				t.Fatalf("%q in %q: %v", typed, text, s)
			}
			at = s[1]
		}
		if Has(text, words) && at == 0 {
			t.Fatalf("%q is in %q, but nowhere", typed, text)
		}
	})
}

func BenchmarkHas(b *testing.B) {
	words := Words("not in here")
	for _, text := range []string{strings.Repeat("Words that fill a line. ", 5), strings.Repeat("Wörter, die eine Zeile füllen. ", 4)} {
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Has(text, words)
			}
		})
	}
}
