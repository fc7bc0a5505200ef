package jid

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode"

	strict "mellium.im/xmpp/jid"
)

// compare reports where we and mellium.im/xmpp/jid differ.
func compare(t *testing.T, s string) bool {
	t.Helper()
	got, err := enforced(strings.TrimSpace(s))
	want, wantErr := strict.Parse(strings.TrimSpace(s))
	if err == nil && wantErr != nil && nonJoiner.MatchString(s) {
		return true // joined says where we know less
	}
	if (err == nil) != (wantErr == nil) || err == nil && got.String() != want.String() {
		t.Errorf("%+q: %+q, %v; want %+q, %v", s, got, err, want.String(), wantErr)
		return false
	}
	return true
}

var nonJoiner = regexp.MustCompile("\u200c\\p{Mn}*\\p{Lo}")

// Every character, alone and where its neighbours make it legal, is what it is to
// mellium.im/xmpp/jid, which is to say to golang.org/x/text/secure/precis.
func TestEnforce_EachCharacter(t *testing.T) {
	step := rune(1)
	if runtime.GOARCH == "wasm" {
		step = 997 // the tables are the same there, and it is slower
	}
	differ := 0
	for r := rune(0); r <= unicode.MaxRune && differ < 50; r += step {
		if r == 0x33480 { // nothing is there yet
			r = 0xE0000
		}
		if r == 0xE0201 {
			r = 0xFFFF0
		}
		for _, s := range []string{string(r) + "@x", "l" + string(r) + "l@x", "x/l" + string(r) + "l"} {
			if !compare(t, s) {
				differ++
			}
		}
	}
}

func TestEnforce_Contexts(t *testing.T) {
	marks := []string{"", "a", "l", "·", "α", "͵", "א", "׳", "״", "・", "カ", "漢", "١", "۱", "\u200c", "\u200d", "ب", "ا", "क", "्", "\u0650", "-", "."}
	last := marks
	if runtime.GOARCH == "wasm" {
		last = marks[:2] // it is slower there
	}
	for _, a := range marks {
		for _, b := range marks {
			for _, c := range marks {
				for _, d := range last {
					s := a + b + c + d
					compare(t, s+"@example.org")
					compare(t, "example.org/"+s)
					if t.Failed() {
						return
					}
				}
			}
		}
	}
}

func TestEnforce_Addresses(t *testing.T) {
	for _, s := range []string{
		"", "@", "/", "a@", "@a", "a/", "a@/b", "a@b/", "a@b@c", "a@b/c@d/e", "A@EXAMPLE.org./R", "juliet@xn--bcher-kva.example", "J%C3@x",
		"a@[::1]", "a@[::1", "a@::1", "a@[127.0.0.1]", "a@127.0.0.1", "a@[fe80::1%25eth0]", "a@127.0.0.1.", "a@[::ffff:1.2.3.4]", "a@010.0.0.1",
		"ΣΊΣΥΦΟΣ@example.com", "Straße@EXAMPLE.com", "Ⅳ@example.com", "ｆｕｌｌ@example.com", "İstanbul@example.com", "ﬀ@x", "a b@x", "x/ a\u00a0b ",
		"x/\u3000", "\xff@x", "x/\xff", "a@\xff", "a@xn--a", "a@x..y", "a@_x.y", "a@-x.y", "ﾊﾝｶｸ@x", "e\u0301@x", "a@e\u0301.x", "\u1112\u1161\u11ab@x",
		strings.Repeat("a", 1023) + "@x", strings.Repeat("a", 1024) + "@x", "x/" + strings.Repeat("ä", 512), "a@" + strings.Repeat("a.", 600) + "b",
	} {
		compare(t, s)
	}
}

func FuzzEnforce(f *testing.F) {
	f.Add("a@b/c")
	f.Add("אב٣@例え.jp/\u200c")
	f.Fuzz(func(t *testing.T, s string) { compare(t, s) })
}
