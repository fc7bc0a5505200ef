package jid

import (
	"errors"
	"strings"
	"testing"
)

func TestTyped(t *testing.T) {
	for _, tc := range []struct {
		typed, want string
		kind        FaultKind // if want is ""
		where       string
	}{
		{typed: "ada@example.org", want: "ada@example.org"},
		{typed: "ADA@Example.org/phone one", want: "ada@example.org/phone one"},
		{typed: "ada@example.org/", want: "ada@example.org"},
		{typed: "cheogram.com", want: "cheogram.com"},
		{typed: "[2001:db8::1]", want: "[2001:db8::1]"},

		// What clings to the edges of a paste.
		{typed: " \u00a0\u200b\ufeffada@example.org\u200e\u200d\u00ad\n", want: "ada@example.org"},
		{typed: "\u202aada@example.org\u202c", want: "ada@example.org"},
		{typed: "\u3164ada@example.org\u2800", want: "ada@example.org"},
		// In the middle it is named.
		{typed: "gra\u200bce@example.org", where: "there is an invisible character (U+200B) after “gra”", kind: Characters},
		{typed: "grace@exam\u00adple.org", where: "there is an invisible character (U+00AD) after “grace@exam”", kind: Characters},
		{typed: "gra\u200dce@example.org", where: "there is an invisible character (U+200D) after “gra”", kind: Characters},
		{typed: "gra\U000e0041ce@example.org", where: "there is an invisible character (U+E0041) after “gra”", kind: Characters},
		{typed: "gra\tce@example.org", where: "there is an invisible character (U+0009) after “gra”", kind: Characters},
		{typed: "a da@example.org", where: "there is a space after “a”", kind: Characters},
		{typed: strings.Repeat("x", 30) + " @example.org", where: "there is a space after “…xxxxxxxxxxxxxxxxxxxx”", kind: Characters},
		{typed: "ada@نامه\u200cای.example", want: "ada@نامه\u200cای.example"}, // at home there

		{typed: "", kind: Empty}, {typed: " \u200b", kind: Empty},
		{typed: "ada@", kind: NoDomain, where: "there is nothing after the @"}, {typed: "ada@/phone", kind: NoDomain, where: "there is nothing after the @"},
		{typed: "@example.org", kind: NoName, where: "there is nothing before the @"},
		{typed: strings.Repeat("a", 4000) + "@example.org", kind: Characters, where: "it is too long"},
		{typed: strings.Repeat("a", 1024) + "@example.org", kind: Characters},
		{typed: "ada@@example.org", kind: Characters, where: "it has more than one @"},
		{typed: "ada@example.org,grace@example.org", kind: Characters, where: "it has more than one @"},
		{typed: "ada@ex_ample@", kind: NoDomain, where: "there is nothing after the @"},

		// XEP-0106: as it is, and as people write it.
		{typed: `d\27artagnan@musketeers.example`, want: `d\27artagnan@musketeers.example`},
		{typed: `d'artagnan@musketeers.example`, want: `d\27artagnan@musketeers.example`},
		{typed: `ada\40example.com@gateway.example`, want: `ada\40example.com@gateway.example`},
		{typed: `ada@example.com@gateway.example`, want: `ada\40example.com@gateway.example`},
		{typed: `space\20cadet@example.com`, want: `space\20cadet@example.com`},
		{typed: `at&t<guy>:"@example.com`, want: `at\26t\3cguy\3e\3a\22@example.com`},
		{typed: `c:\cool\5cfiles@example.com`, want: `c\3a\cool\5cfiles@example.com`},

		// RFC 5122.
		{typed: "xmpp:ada@example.org", want: "ada@example.org"},
		{typed: "XMPP:Ada@Example.org?message;body=x", want: "ada@example.org"},
		{typed: " xmpp:j%C3%B6rg@example.org\u200b", want: "jörg@example.org"},
		{typed: "xmpp:j%c3%b6rg@example.org", want: "jörg@example.org"},
		{typed: "xmpp:cheogram.com", want: "cheogram.com"},
		{typed: "xmpp:", kind: Characters, where: "this link leads to none"},
		{typed: "xmpp:j%C3@example.org", kind: Characters, where: "this link leads to none"},
		{typed: "j%c3%b6rg@example.org", want: "j%c3%b6rg@example.org"}, // no link: gateways have such names
	} {
		got, err := Typed(tc.typed)
		var fault *Fault
		switch {
		case err == nil && string(got.Peer) != tc.want:
			t.Errorf("%q is %q, want %q", tc.typed, got.Peer, tc.want)
		case err == nil:
		case tc.want != "" || !errors.As(err, &fault) || fault.Kind != tc.kind || fault.Where != tc.where:
			t.Errorf("%q: %v, want %q %d %q", tc.typed, err, tc.want, tc.kind, tc.where)
		}
	}
}

// A label such as xn--… costs the square of its length to read, so nothing reads one that
// is longer than addresses are.
func TestParse_TooLong(t *testing.T) {
	for _, s := range []string{"xn--" + strings.Repeat("a", longest), strings.Repeat("a", longest) + "@example.org"} {
		if _, err := Parse(s); err != errLength {
			t.Errorf("%.20q: %v", s, err)
		}
	}
	local := strings.Repeat("a", 1023)
	if got, err := Parse(local + "@example.org/" + local); err != nil || got.Local() != local {
		t.Errorf("what is as long as it may be: %v", err)
	}
}

func TestParseLink(t *testing.T) {
	for _, tc := range []struct {
		link string
		want Link
	}{
		{"xmpp:ada@example.org", Link{"ada@example.org", "", ""}},
		{"XmPp:ADA@EXAMPLE.ORG", Link{"ada@example.org", "", ""}},
		{"xmpp:ada@example.org/phone#top", Link{"ada@example.org", "", ""}},
		{"xmpp:lounge@rooms.example.org?join", Link{"lounge@rooms.example.org", "join", ""}},
		{"xmpp:lounge@rooms.example.org?JOIN;password=x", Link{"lounge@rooms.example.org", "join", ""}},
		{"xmpp:ada@example.org?message;subject=Hi;body=Good%20morning%3B%20J%C3%B6rg%3F", Link{"ada@example.org", "message", "Good morning; Jörg?"}},
		{"xmpp:ada@example.org?subscribe;body=x", Link{"ada@example.org", "subscribe", ""}},
		{"xmpp:nasty!%23$%25()*+,-.;=%3F%5B%5C%5D%5E_%60%7B%7C%7D~node@example.com", Link{"nasty!#$%()*+,-.;=?[\\]^_`{|}~node@example.com", "", ""}},
		{"xmpp:ada%5C40example.com@gateway.example", Link{`ada\40example.com@gateway.example`, "", ""}},
		{"xmpp://guest@example.com/support@example.com?message", Link{"support@example.com", "message", ""}},
		{"xmpp://ada@example.org/phone", Link{"ada@example.org", "", ""}},
		{"xmpp:jörg@münchen.example", Link{"jörg@münchen.example", "", ""}},
	} {
		if got, ok := ParseLink(tc.link); !ok || got != tc.want {
			t.Errorf("%s: %+v %t, want %+v", tc.link, got, ok, tc.want)
		}
	}
	for _, link := range []string{
		"", "xmpp:", "xmpp:@", "xmpp:@@", "xmpp:?join", "xmpp:@example.org", "ada@example.org", "xmpp:a%40b@example.org", "xmpp:a%2Fb@example.org",
		"xmpp:a%@example.org", "xmpp:a%4@example.org", "xmpp:a%zz@example.org", "xmpp:a%E2%80%8Bb@example.org", "xmpp:a%20b@example.org",
		"xmpp:a%ffb@example.org", "xmpp:a@b@example.org", "http:ada@example.org", "xmpp:" + strings.Repeat("a", 200_000) + "@example.org",
	} {
		if got, ok := ParseLink(link); ok {
			t.Errorf("%.60q leads to %+v", link, got)
		}
	}
}

func TestShown(t *testing.T) {
	for _, tc := range []struct{ jid, want string }{
		{"ada@example.org/phone", "ada@example.org"},
		{"cheogram.com", "cheogram.com"},
		{`d\27artagnan@musketeers.example`, "d'artagnan@musketeers.example"},
		{`ada\40example.com@gateway.example`, "ada@example.com@gateway.example"},
		{`c\3a\5ccool\5c5cfiles@example.com`, `c:\cool\5cfiles@example.com`},
		{`at\26t\3cguy\3e\22@example.com`, `at&t<guy>"@example.com`},
		{`a\b\4@example.com`, `a\b\4@example.com`},
		// What follows would look as if it were no part of the address.
		{`grace@bank.example\2flogin@evil.example`, `grace@bank.example\2flogin@evil.example`},
		{`grace\40bank.example\20\2f@evil.example`, `grace@bank.example\20\2f@evil.example`},
		{"gra\u202ece@evil.example", "grace@evil.example"},
	} {
		if got := JID(tc.jid).Shown(); got != tc.want {
			t.Errorf("%s is shown as %s, want %s", tc.jid, got, tc.want)
		}
	}
}

// What is shown can be typed, and is the same address then.
func FuzzTyped(f *testing.F) {
	for _, s := range []string{"ada@example.org", "d'artagnan@x.example", "xmpp:j%C3%B6rg@example.org?message;body=a", `a\5c40@x.example`, " \u200bcheogram.com", "a@b@c.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := Typed(typed)
		if err != nil {
			return
		}
		j := got.Peer.Bare()
		if again, err := Typed(string(j)); err != nil || again.Peer != j {
			t.Errorf("%q is %q, and that %q, %v", typed, j, again.Peer, err)
		}
		if j.Shown() == "" {
			t.Errorf("%q is drawn as nothing", j)
		}
	})
}
