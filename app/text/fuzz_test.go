//go:build !js

package text

import (
	"strings"
	"testing"
	"unicode/utf8"

	"natter/app/steps"
)

// FuzzLinear shows that the steps grow with the text and not with its square.
func FuzzLinear(f *testing.F) {
	for _, seed := range [][2]string{
		{"", "*a "}, {"", " *a"}, {"", "*_~`"}, {"", "*_"}, {"", "_*a"}, {"", " `a*"}, {"*", "_a "}, {"", "* "}, {"", "**a"}, {"`", "*"},
		{"", ">"}, {"", "> "}, {"", ">\n"}, {"", ">>\n"}, {"> ```\n", "> a\n"}, {"", "```\n"}, {"```\n", "``\n"}, {"", "\n"}, {"a", "\n\n>"}, {"", " \n"},
		{"http://a", ")"}, {"http://a", "))]"}, {"", "http://:"}, {"", "xmpp:@"}, {"", "xmpp:a@b.example "}, {"", "https://a.example/(("},
		{"https://", "_"}, {"_https://a.example/", "_"}, {"*_https://a.example/", "_*"}, {"https://@", "@:"}, {"", "tel:"}, {"", "mailto:a "},
		{"", "_https://a.example/_ "}, {"", "h"}, {"", "\u200d"}, {"", "🦋"}, {"https://", "ä"}, {"", "\xff"}, {"https://xn--", "a"}, {"https://", "а."},
	} {
		f.Add(seed[0], seed[1], uint16(20_000))
	}
	f.Fuzz(func(t *testing.T, head, piece string, times uint16) {
		body := head + strings.Repeat(piece, int(times)*len("xmpp:@")/max(len(piece), 6))
		n := steps.Of(func() {
			blocks, _ := Parse(body, Rules{})
			Line(blocks, len(body), false)
		})
		if n > 30*len(body)+1000 {
			t.Errorf("%d steps for %d bytes of %.40q", n, len(body), body)
		}
		if depth(blocksOf(body)) > deepest+2 {
			t.Errorf("%.40q becomes a tree of %d", body, depth(blocksOf(body)))
		}
	})
}

func blocksOf(body string) []Block { blocks, _ := Parse(body, Rules{}); return blocks }

func depth(blocks []Block) (deep int) {
	for _, b := range blocks {
		deep = max(deep, depth(b.Blocks))
	}
	return deep + 1
}

// FuzzParse shows that all that was written is in the tree, but for the signs of blocks and white
// space, and that a link is a link.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a https://x.example b xmpp:a@b.example?x", "> *a*\n> ```\n> b\n\n\nc", "```a\nb\n```\n", "/me _b `c_`", ">>>>>>>>>\n>\n```"} {
		f.Add(seed, uint8(9))
	}
	signs := strings.NewReplacer(">", "", "`", "", "\n", "", " ", "")
	f.Fuzz(func(t *testing.T, body string, size uint8) {
		if !utf8.ValidString(body) {
			return // XML has none of these
		}
		var all strings.Builder
		var walk func([]Block)
		walk = func(blocks []Block) {
			for _, b := range blocks {
				all.WriteString(b.Label + b.Code)
				for _, r := range b.Runs {
					all.WriteString(r.Text)
					ok := r.Href == ""
					for _, scheme := range schemes {
						ok = ok || strings.HasPrefix(r.Href, scheme)
					}
					if !ok || r.Href != "" && r.Style&Pre != 0 {
						t.Errorf("link to %q", r.Href)
					}
				}
				walk(b.Blocks)
			}
		}
		bare := func(s string) string {
			return signs.Replace(strings.Map(func(r rune) rune {
				if white(r) {
					return -1
				}
				return r
			}, s))
		}
		walk(blocksOf(body))
		if bare(all.String()) != bare(body) {
			t.Errorf("%q became %q", body, all.String())
		}
		all.Reset()
		part, more := Parse(body, Rules{Size: int(size)})
		walk(part)
		if int(size) > 0 && (!strings.HasPrefix(bare(body), bare(all.String())) || !more && bare(all.String()) != bare(body)) {
			t.Errorf("%q to %d became %q, more: %t", body, size, all.String(), more)
		}
		all.Reset()
		plain, _ := Parse(body, Rules{Plain: true})
		if walk(plain); all.String() != body {
			t.Errorf("%q became %q", body, all.String())
		}
	})
}
