package view

import (
	"math"
	"strings"
	"testing"
)

func TestSec31_Links(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{"see https://example.org/a", "see [https://example.org/a]"},
		{"HTTPS://EXAMPLE.org", "[https://EXAMPLE.org]"},
		{"(https://example.org/a_(b)).", "([https://example.org/a_(b)])."},
		{"https://example.org/?q=1, and", "[https://example.org/?q=1], and"},
		{"mailto:ada@example.org!", "[mailto:ada@example.org]!"},
		{"tel:+4912345 geo:48.2,16.3", "[tel:+4912345] [geo:48.2,16.3]"},
		{"xmpp:grace@example.org?message", "<grace@example.org>"},
		{"xmpp:@@", "xmpp:@@"},
		{"XMPP:j%C3%B6rg@example.org?message, xmpp:cheogram.com", "<jörg@example.org>, <cheogram.com>"},
		{"urn:xmpp:ping is no link, nor is xmpp:a%ff@b.example", "urn:xmpp:ping is no link, nor is xmpp:a%ff@b.example"},
		{"https://", "https://"},
		{"https://.../", "https://.../"},
		{"javascript:alert(1)", "javascript:alert(1)"},
		{"java\tscript:alert(1)", "java\tscript:alert(1)"},
		{"JaVaScRiPt:alert(1)//https", "JaVaScRiPt:alert(1)//https"},
		{"data:text/html,x vbscript:x blob:x filesystem:x intent:x file:///etc/passwd", "data:text/html,x vbscript:x blob:x filesystem:x intent:x file:///etc/passwd"},
		{"javascript://%0ahttps:alert", "javascript://%0ahttps:alert"},
		{"nohttps://example.org", "nohttps://example.org"},
		{`https://a.example"onclick=x`, `[https://a.example]"onclick=x`},
		{"https://a.example\u202egpj", "[https://a.example]\u202egpj"},
		{`https://good.example\@evil.example`, `[https://good.example]\@evil.example`},
		{"<https://a.example>", "<[https://a.example]>"},
		{"https://www.example.org/name_ https://example.org/~", "[https://www.example.org/name_] [https://example.org/~]"},
		{"_https://a.example/b_ ~~https://a.example/b~~ *https://a.example*", "_[https://a.example/b]_ ~~[https://a.example/b]~~ *[https://a.example]*"},
		{"https://[2001:db8::1]/ https://a.example/[1] [https://a.example]", "[https://[2001:db8::1]/] [https://a.example/[1]] [[https://a.example]]"},
		{"https://a.example)))] x", "[https://a.example])))] x"},
		{"https://:https://", "https://:https://"}, {"http://: http://a.example", "http://: [http://a.example]"},
		{"h", "h"}, {"", ""}, {"\xff\xfehttps://a.example", "\xff\xfe[https://a.example]"},
	} {
		got := ""
		for _, tok := range tokens(tc.body) {
			switch {
			case tok.Peer != "":
				got += "<" + string(tok.Peer) + ">"
			case tok.Href != "":
				got += "[" + tok.Href + "]"
			default:
				got += tok.Text
			}
		}
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.body, got, tc.want)
		}
	}
}

func TestSec32_RealHost(t *testing.T) {
	for _, tc := range []struct{ link, host string }{
		{"https://bank.example@evil.example/login", "evil.example"},
		{"https://a:b@evil.example:8443", "evil.example:8443"},
		{"https://p\u0430ypal.example/", "xn--pypal-4ve.example"}, // a Cyrillic а
		{"https://ada@p\u0430ypal.example:8443/", "xn--pypal-4ve.example:8443"},
		{"https://p%D0%B0ypal.example/", "xn--pypal-4ve.example"},
		{"https://bank%2eexample%40evil.example/", "bank.example@evil.example"},
		{"https://bank.example\u2044login.evil.example/", "bank.xn--examplelogin-xk0g.evil.example"}, // no slash
		{"https://bank\u3002example/", "bank.example"},
		{"https://\uff42ank.example/", "bank.example"},
		{"https://b\u0251nk.example/", "xn--bnk-gsb.example"}, // a Latin alpha
		{"https://ban\u0137.example/", ""},
		{"https://example.org/@ada", ""},
		{"https://example.org/?x=a@b", ""},
		{"https://пример.example", "xn--e1afmkfd.example"},
		{"https://пример.рф", ""},
		{"https://münchen.example", ""}, {"https://例え.example", ""}, {"https://[2001:db8::1]:8443/", ""}, {"https://example.org:8443", ""},
	} {
		toks := tokens(tc.link)
		if len(toks) != 1 || toks[0].Host != tc.host {
			t.Errorf("%s: got %+v, want host %q", tc.link, toks, tc.host)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("a https://x.example b xmpp:a@b.example?x")
	f.Fuzz(func(t *testing.T, body string) {
		var all strings.Builder
		for _, tok := range tokens(body) {
			all.WriteString(tok.Text)
			ok := tok.Href == ""
			for _, scheme := range schemes {
				ok = ok || strings.HasPrefix(tok.Href, scheme)
			}
			if !ok {
				t.Errorf("link to %q", tok.Href)
			}
		}
		if all.String() != body {
			t.Errorf("%q became %q", body, all.String())
		}
	})
}

func TestLink_EndsAt2048Bytes(t *testing.T) {
	for _, tc := range []struct {
		body string
		want int
	}{
		{"https://a.example/" + strings.Repeat("a", 1000), 1018},
		{"https://a.example/" + strings.Repeat("a", 200_000), 2048},
		{"https://a.example/a" + strings.Repeat("ä", 2000), 2047}, // between characters
		{"https://a.example/(" + strings.Repeat("(", 3000) + strings.Repeat(")", 3000), 2048},
	} {
		toks := tokens(tc.body)
		if got := len(toks[0].Href); got != tc.want {
			t.Errorf("%.40s: a link of %d bytes, want %d", tc.body, got, tc.want)
		}
	}
	if toks := tokens("http://a" + strings.Repeat(")", 200_000)); len(toks) != 2 || toks[0].Href != "http://a" {
		t.Errorf("%d pieces, the first %.60q", len(toks), toks[0].Href)
	}
}

func TestFolded(t *testing.T) {
	line := strings.Repeat("x", 71) + "\n"
	for _, tc := range []struct {
		name, body string
		screens    int
		want       int // bytes that are shown
	}{
		{"a word", "hello", 1, 5},
		{"nothing", "", 1, 0},
		{"a screen", strings.Repeat(line, 30), 1, 30 * 72},
		{"hardly more", strings.Repeat(line, 39), 1, 39 * 72},
		{"more", strings.Repeat(line, 50), 1, 30 * 72},
		{"more of it", strings.Repeat(line, 50), 11, 50 * 72},
		{"short lines", strings.Repeat("a\n", 1000), 1, 60},
		{"no lines", strings.Repeat("a", 200_000), 1, 30 * 72},
		{"words", strings.Repeat("word ", 40_000), 1, 30 * 72},
		{"no character in two", strings.Repeat("ä", 10_000), 1, 2 * 30 * 72},
		{"a link across", strings.Repeat("word ", 410) + "https://a.example/" + strings.Repeat("a", 4000), 1, 410*5 + 2048},
		{"a link after", strings.Repeat("word ", 430) + "https://a.example/" + strings.Repeat("a", 4000), 1, 430 * 5},
		{"a link at the end", strings.Repeat("word ", 410) + "https://a.example/" + strings.Repeat("a", 1000), 1, 410*5 + 1018},
	} {
		toks, more := folded(tc.body, tc.screens)
		got := ""
		for _, tok := range toks {
			got += tok.Text
		}
		if len(got) != tc.want || more != (tc.want < len(tc.body)) || !strings.HasPrefix(tc.body, got) {
			t.Errorf("%s: %d bytes of %d, more: %t; want %d", tc.name, len(got), len(tc.body), more, tc.want)
		}
	}
	if toks, more := folded("\u200b \u2800", 1); toks[0].Text != "Empty message" || more {
		t.Errorf("got %q", toks[0].Text)
	}
	if toks, _ := folded("safe\u202egpj.exe", 1); toks[0].Text != "safegpj.exe" {
		t.Errorf("got %q", toks[0].Text)
	}
}

func TestHue_XEP0392(t *testing.T) {
	for _, tc := range []struct {
		identity string
		want     float64
	}{
		{"Romeo", 327.255249},
		{"juliet@capulet.lit", 209.410400},
		{"😺", 331.199341},
		{"council", 359.994507},
	} {
		if got := hue(tc.identity); math.Abs(got-tc.want) > 1e-5 {
			t.Errorf("%s: got %f, want %f", tc.identity, got, tc.want)
		}
	}
	if got := hueClass("council"); got != "tinted hue-0" {
		t.Errorf("a hue next to 360 is not next to 0: %s", got)
	}
}

func TestOnlyEmoji(t *testing.T) {
	for body, want := range map[string]bool{
		"🦋": true, "👩‍🚀 ": true, "👍🏽👍🏽": true, "🇩🇪": true, "❤️": true,
		"": false, "a": false, "🦋!": false, "1": false, "🦋🦋🦋🦋🦋🦋🦋": false,
	} {
		if got := onlyEmoji(body); got != want {
			t.Errorf("%q: got %t", body, got)
		}
	}
}

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"— grace": "G", "…": "#", "محمد": "م", "7of9": "7"} {
		if got := initial(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
