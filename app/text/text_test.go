package text

import (
	"strings"
	"testing"
)

// show writes a tree: the blocks between bars, a quotation in braces, code in brackets behind its
// label, spans as elements and their directives not at all.
func show(blocks []Block) string {
	var out []string
	for _, b := range blocks {
		switch b.Kind {
		case Quote:
			out = append(out, "{"+show(b.Blocks)+"}")
		case Code:
			out = append(out, "["+b.Label+":"+b.Code+"]")
		default:
			text, last := "", Style(0)
			elements := func(now Style) {
				for i := len(styles) - 1; i >= 0; i-- {
					if last&styles[i] != 0 && now&styles[i] == 0 {
						text += "</" + directives[i:i+1] + ">"
					}
				}
				for i, s := range styles {
					if now&s != 0 && last&s == 0 {
						text += "<" + directives[i:i+1] + ">"
					}
				}
				last = now
			}
			for _, r := range b.Runs {
				elements(r.Style)
				switch {
				case r.Mark:
				case r.Href != "":
					text += "(" + r.Href + ")"
				default:
					text += r.Text
				}
			}
			elements(0)
			out = append(out, text)
		}
	}
	return strings.Join(out, "|")
}

func TestY03_Y04_Spans(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		// The examples of §6.2, in other words.
		{"nothing to see", "nothing to see"},
		{"*all of it*", "<*>all of it</*>"},
		{"some _stress_ here", "some <_>stress</_> here"},
		{"`x := 1` and *so on*", "<`>x := 1</`> and <*>so on</*>"},
		{"*first*second*", "<*>first</*>second*"},
		{"* one *two*", "* one <*>two</*>"},
		{"late*", "late*"}, {"*early", "*early"}, {"*over \n lines*", "*over \n lines*"}, {"*one *two", "*one *two"},
		{"**", "**"}, {"***", "***"}, {"****", "****"},

		// Each kind, and one in the other.
		{"*a* _b_ ~c~ `d`", "<*>a</*> <_>b</_> <~>c</~> <`>d</`>"},
		{"*_~`x`~_*", "<*><_><~><`>x</`></~></_></*>"},
		{"_so *very* much_", "<_>so <*>very</*> much</_>"},
		{"`*as it is*`", "<`>*as it is*</`>"},
		{"_in `the *code*` not_", "<_>in <`>the *code*</`> not</_>"},

		// What opens and what closes.
		{"a*b*", "a*b*"}, {"(*b*)", "(*b*)"}, {"\u3000*b*", "\u3000<*>b</*>"}, {"\u2028*b*", "\u2028<*>b</*>"},
		{"* b*", "* b*"}, {"*b *", "*b *"}, {"*b\u00a0*", "*b\u00a0*"}, {"*\u00a0b*", "*\u00a0b*"},
		{"*b *c*", "<*>b *c</*>"}, {"_*b_", "<_>*b</_>"}, {"*_b*", "<*>_b</*>"},
		{"~dis~likes", "<~>dis</~>likes"}, {"*b*_c_", "<*>b</*>_c_"}, {"*cannot _cross*_", "<*>cannot _cross</*>_"},
		{"**b**", "**b**"}, {"*a**", "<*>a</*>*"}, {"*_*", "<*>_</*>"}, {"*_b_", "*_b_"}, {"*é*", "<*>é</*>"}, {"*\xff*", "<*>\xff</*>"},

		// Links keep their letters, and lose what is around them.
		{"*https://a.example/x*", "<*>(https://a.example/x)</*>"},
		{"_see https://a.example/a_b_c_", "<_>see (https://a.example/a_b_c_)</_>"}, // the span ends within the link, which looks as it begins
		{"_see https://a.example/b_", "<_>see (https://a.example/b)</_>"},
		{"*_https://a.example/b_*!", "<*><_>(https://a.example/b)</_></*>!"},
		{"`https://a.example`", "<`>https://a.example</`>"},
		{"https://a.example/_x_ ~y~", "(https://a.example/_x_) <~>y</~>"},
	} {
		blocks, more := Parse(tc.body, Rules{})
		if got := show(blocks); got != tc.want || more {
			t.Errorf("%q: got %q, want %q", tc.body, got, tc.want)
		}
	}
}

func TestY01_Y02_Blocks(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"lines", "one\ntwo, *not\nthree*", "one\ntwo, *not\nthree*"},
		{"code", "```go\nfmt.Println(\"*\")\n> 1\n```\nafter", "[go:fmt.Println(\"*\")\n> 1]|after"},
		{"code that does not end", "```\nand so on\n", "[:and so on]"},
		{"accents that end nothing", "```\na ```\n ```\n```` \n```\nb", "[:a ```\n ```\n```` ]|b"},
		{"more accents", "````", "[`:]"},
		{"one line of code", "```now()```\nb", "[now()```:b]"},
		{"accents in a line", "a ```\nb", "a ```\nb"},
		{"quotation", "> Is it?\n\nIt is.", "{Is it?}|It is."},
		{"two of them", "> a\n\n> b", "{a}|{b}"},
		{"nested", ">> Is it?\n> It is.\n\nWho says?", "{{Is it?}|It is.}|Who says?"},
		{"nested with spaces", "> > a\n>  > b\n>c", "{{a}| > b\nc}"}, // of two spaces one is left out, so it is no quotation
		{"code in a quotation ends with it", "> ```\n> x\n\ny", "{[:x]}|y"},
		{"code in a quotation", "> ```\n> x\n> ```\n> y", "{[:x]|y}"},
		{"spans in a quotation", "> *a*\n>_b_", "{<*>a</*>\n<_>b</_>}"},
		{"only a sign", ">", "{}"}, {"a face", "> _ <", "{_ <}"}, {"a sign within", "a > b", "a > b"}, {"a space before", " > b", " > b"},
		{"a space of another kind", ">\u3000a", "{a}"},
		{"empty lines", "\n\na\n\n\nb\n\n> c\n\n\nd\n", "\n\na\n\n\nb|{c}|d\n"},
		{"as deep as that", strings.Repeat(">", 8) + " a", "{{{{{{>> a}}}}}}"},
		{"nothing", "", ""},
	} {
		blocks, _ := Parse(tc.body, Rules{})
		if got := show(blocks); got != tc.want {
			t.Errorf("%s: %q: got %q, want %q", tc.name, tc.body, got, tc.want)
		}
	}
}

// §7: whoever wrote it does not want it to be styled.
func TestY05_Unstyled(t *testing.T) {
	const body = "> _ <\n*a*\n```\nhttps://a.example"
	blocks, _ := Parse(body, Rules{Plain: true})
	if got, want := show(blocks), "> _ <\n*a*\n```\n(https://a.example)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// XEP-0245 §2.
func TestY07_Action(t *testing.T) {
	for body, want := range map[string]string{
		"/me waves": "waves", "/me ": "", "/me *waves* https://a.example\n> so": "<*>waves</*> (https://a.example)|{so}",
		"/me > no quotation": "> no quotation", "/me ```": "```", "/me \n> a": "{a}",
		"/mewaves": "-", "/me's": "-", " /me waves": "-", "\"/me waves\"": "-", "* Ada waves": "-", "/ME waves": "-", "/me\nwaves": "-", "/me": "-",
	} {
		got := "-"
		if rest, ok := Action(body); ok {
			blocks, _ := Parse(rest, Rules{Action: true})
			got = show(blocks)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", body, got, want)
		}
	}
}

func TestParse_Size(t *testing.T) {
	for _, tc := range []struct {
		body string
		size int
		want string
		more bool
	}{
		{"one two", 3, "one", true}, {"one two", 7, "one two", false}, {"one\ntwo", 4, "one\n", true},
		{"> one\n> two", 5, "{one}", true}, {"```\none\n```\ntwo", 6, "[:on]", true}, {"*one two*", 4, "<*>one</*>", true},
		{"a https://a.example/ b", 5, "a (https://a.example/)", true}, {"a https://a.example/", 5, "a (https://a.example/)", false},
		{"```abc", 2, "[:]", true}, {">>> a", 1, "{{{}}}", true},
	} {
		blocks, more := Parse(tc.body, Rules{Size: tc.size})
		if got := show(blocks); got != tc.want || more != tc.more {
			t.Errorf("%q to %d: got %q, more: %t; want %q", tc.body, tc.size, got, more, tc.want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		body   string
		most   int
		answer bool
		want   string
	}{
		{"one  *two*\n _three_ ", 100, false, "one <*>two</*> <_>three</_>"},
		{"`a`b ~c~d", 100, false, "<`>a</`>b <~>c</~>d"},
		{"> why?\n\nso", 100, true, "so"}, {"> why?\n\nso", 100, false, "why? so"}, {"> why?", 100, true, "why?"},
		{"```go\na\nb\n```\nc", 100, true, "<`>a b</`> c"},
		{"one *two three*", 8, true, "one <*>two…</*>"}, {"ab\u202e*c*", 100, true, "ab*c*"}, {" \u200b\n```\n```", 100, true, ""},
		{"see https://a.example/_x_", 100, true, "see https://a.example/_x_"},
	} {
		blocks, _ := Parse(tc.body, Rules{})
		got := show([]Block{{Runs: Line(blocks, tc.most, tc.answer)}})
		if got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.body, got, tc.want)
		}
		if plain := String(Line(blocks, tc.most, tc.answer)); plain != untag.Replace(tc.want) {
			t.Errorf("%q: it says %q", tc.body, plain)
		}
	}
}

var untag = strings.NewReplacer("<*>", "", "</*>", "", "<_>", "", "</_>", "", "<~>", "", "</~>", "", "<`>", "", "</`>", "")
