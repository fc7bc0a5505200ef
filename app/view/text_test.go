package view

import (
	"math"
	"strings"
	"testing"
)

func TestSecurity31_Links(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{"see https://example.org/a", "see [https://example.org/a]"},
		{"HTTPS://EXAMPLE.org", "[https://EXAMPLE.org]"},
		{"(https://example.org/a_(b)).", "([https://example.org/a_(b)])."},
		{"https://example.org/?q=1, and", "[https://example.org/?q=1], and"},
		{"mailto:ada@example.org!", "[mailto:ada@example.org]!"},
		{"tel:+4912345 geo:48.2,16.3", "[tel:+4912345] [geo:48.2,16.3]"},
		{"xmpp:grace@example.org?message", "<grace@example.org>"},
		{"xmpp:@@", "xmpp:@@"},
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

func TestSecurity32_RealHost(t *testing.T) {
	for _, tc := range []struct{ link, host string }{
		{"https://bank.example@evil.example/login", "evil.example"},
		{"https://a:b@evil.example:8443", "evil.example:8443"},
		{"https://p\u0430ypal.example/", "p\u0430ypal.example"}, // a Cyrillic а
		{"https://example.org/@ada", ""},
		{"https://example.org/?x=a@b", ""},
		{"https://пример.example", "пример.example"},
		{"https://münchen.example", ""},
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

func TestSecurity13_Names(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"Grace Hopper", "Grace Hopper"},
		{"محمد بن موسى", "محمد بن موسى"},
		{"a\u202eb\u2066c\u200bd\ufeff", "abcd"},
		{" a\n\tb\x00c ", "a b c"},
		{strings.Repeat("x", 300), strings.Repeat("x", 100) + "…"},
	} {
		if got := plain(tc.name); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.name, got, tc.want)
		}
	}
	if address := strings.Repeat("x", 300) + "@evil.example"; clean(address) != address {
		t.Error("an address lost its end")
	}
	if got := straight("safe\u202egpj.exe \u200fשלום"); got != "safegpj.exe \u200fשלום" {
		t.Errorf("got %q", got)
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
