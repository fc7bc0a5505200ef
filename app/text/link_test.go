package text

import (
	"strings"
	"testing"
)

// runs are those of a text without blocks and spans.
func runs(body string) []Run {
	blocks, _ := Parse(body, Rules{Plain: true})
	if len(blocks) == 0 {
		return nil
	}
	return blocks[0].Runs
}

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
		for _, tok := range runs(tc.body) {
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
		toks := runs(tc.link)
		if len(toks) != 1 || toks[0].Host != tc.host {
			t.Errorf("%s: got %+v, want host %q", tc.link, toks, tc.host)
		}
	}
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
		toks := runs(tc.body)
		if got := len(toks[0].Href); got != tc.want {
			t.Errorf("%.40s: a link of %d bytes, want %d", tc.body, got, tc.want)
		}
	}
	if toks := runs("http://a" + strings.Repeat(")", 200_000)); len(toks) != 2 || toks[0].Href != "http://a" {
		t.Errorf("%d pieces, the first %.60q", len(toks), toks[0].Href)
	}
}
