package view

import (
	"regexp"
	"strings"
	"testing"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/text"
)

// drawnText is what is on the page of one message.
func drawnText(t *testing.T, from jid.JID, body string) string {
	t.Helper()
	b := sit(t)
	b.receive(from, body)
	b.sig("open", from, "")
	_, html, ok := strings.Cut(tight(b.html()), `<div class="text`)
	if !ok {
		t.Fatal("there is no message")
	}
	html, _, _ = strings.Cut(html, `<span class="meta`)
	return html
}

// tight is HTML with classes alone, and without the white space that go-app writes around elements.
func tight(html string) string {
	html = elementsOf.ReplaceAllStringFunc(html, func(element string) string {
		name, rest, _ := strings.Cut(strings.Trim(element, "<>"), " ")
		return strings.TrimSuffix("<"+name+" "+classOf.FindString(rest), " ") + ">"
	})
	return around.ReplaceAllString(strings.Join(strings.Fields(html), " "), "$1")
}

var (
	elementsOf = regexp.MustCompile(`<[^>]*>`)
	classOf    = regexp.MustCompile(`\bclass="[^"]*"`)
	around     = regexp.MustCompile(`\s*(<[^>]*>)\s*`)
)

func TestText_NothingReordersIt(t *testing.T) {
	for _, body := range []string{"safe\u202egpj.exe", "\u202dsafegpj\u202e.exe"} {
		if html := drawnText(t, grace, body); !strings.Contains(html, ">safegpj.exe</div>") {
			t.Errorf("%q is drawn as %s", body, html)
		}
	}
}

func TestY08_TextIsDrawn(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{"no styling\nat all", `">no styling at all</div>`},
		{"*a* _b_ ~c~ `d`", `<strong>(*)a(*)</strong> <em>(_)b(_)</em> <s>(~)c(~)</s> <code>(` + "`)d(`" + `)</code></div>`},
		{"_a *b*_", `<em>(_)a </em><strong><em>(*)b(*)</em></strong><em>(_)</em></div>`},
		{"> a\n\nb", `<blockquote class="quote">a</blockquote><div class="lines">b</div></div>`},
		{"/me waves", ` action">* <bdi>Grace</bdi> waves</div>`},
		{"/me waves\n> a", ` action"><div class="lines">* <bdi>Grace</bdi> waves</div><blockquote class="quote">a</blockquote></div>`},
		{"/me \n> a", ` action"><div class="lines">* <bdi>Grace</bdi> </div><blockquote class="quote">a</blockquote></div>`},
		{"/me ", ` action">* <bdi>Grace</bdi> </div>`},
		{"<b>*<i>*</b>", `">&lt;b&gt;*&lt;i&gt;*&lt;/b&gt;</div>`},
		{"```<b>\n<i>\n```", `<pre><code>&lt;i&gt;</code></pre>`},
		{"*\u202e<img src=x>*", `<strong>(*)&lt;img src=x&gt;(*)</strong>`},
	} {
		html := drawnText(t, grace, tc.body)
		html = signs.ReplaceAllString(html, "($1)")
		if !strings.Contains(html, tight(tc.want)) {
			t.Errorf("%q is drawn as %s, want %s", tc.body, html, tight(tc.want))
		}
	}
}

var signs = regexp.MustCompile(`<span class="sign">(.)</span>`)

// XEP-0393 §7.
func TestY05_UnstyledIsDrawn(t *testing.T) {
	b := sit(t)
	b.play(state.MessageAdded{Conv: grace, Message: state.Message{ID: "1", Author: grace, At: noon, Body: "> _*a*_", Unstyled: true}})
	b.sig("open", grace, "")
	if html := tight(b.html()); !strings.Contains(html, `<div class="text">&gt; _*a*_</div>`) {
		t.Errorf("drawn as %s", html)
	}
}

// A block of code is copied to its end, however much of it is shown, and without what reorders it.
func TestCopyCode(t *testing.T) {
	b := sit(t)
	code := strings.Repeat("x := 1\n", 1000)
	b.receive(grace, "```\na\n```\n> ```\n> b\u202e\n> > c\n\n```\n"+code+"```")
	b.sig("open", grace, "")
	key := keyText(b.State().Chat(grace).Timeline.Last().Key)
	for i, want := range []string{"a", "b\n> c", strings.TrimSuffix(code, "\n"), ""} {
		b.happened(Signal{Do: doCopyCode, Text: key, Number: i + 1})
		if b.copied != want {
			t.Errorf("block %d: %.40q was copied", i+1, b.copied)
		}
	}
	if n := strings.Count(b.html(), `data-do="copy-code"`); n != 3 {
		t.Errorf("%d buttons", n)
	}
}

// The same text in the list, in what was found, in what screen readers are told and in a notification.
func TestText_OnOneLine(t *testing.T) {
	for _, tc := range []struct{ body, row, hit, heard, told string }{
		{"a moth", "<bdi>a moth</bdi>", "<bdi>a<mark>moth</mark></bdi>", "Grace: a moth", "a moth"},
		{"a  *big*\n_moth_ https://a.example", "<bdi>a<strong>big</strong><em>moth</em>https://a.example</bdi>",
			"<bdi>a<strong>big</strong><mark><em>moth</em></mark>https://a.example</bdi>", "Grace: a big moth https://a.example", "a big moth https://a.example"},
		{"*a moth here*", "<bdi><strong>a moth here</strong></bdi>", "<bdi><strong>a</strong><mark><strong>moth</strong></mark><strong>here</strong></bdi>", "Grace: a moth here", "a moth here"},
		{"> a moth?\n\nYes", "<bdi>Yes</bdi>", "<bdi>a<mark>moth</mark>? Yes</bdi>", "Grace: Yes", "Yes"},
		{"/me has a moth", "<bdi>* Grace has a moth</bdi>", "<bdi>* Grace has a<mark>moth</mark></bdi>", "Grace has a moth", "* Grace has a moth"},
		{"```\nmoth\n```", "<bdi><code>moth</code></bdi>", "<bdi><mark><code>moth</code></mark></bdi>", "Grace: moth", "moth"},
		{"<b>moth", "<bdi>&lt;b&gt;moth</bdi>", "<bdi>&lt;b&gt;<mark>moth</mark></bdi>", "Grace: <b>moth", "<b>moth"},
	} {
		b := sit(t)
		b.receive(grace, "before")
		b.sig("open", grace, "")
		b.receive(grace, tc.body)
		m := b.State().Chat(grace).Timeline.Last()
		if b.news != tc.heard {
			t.Errorf("%q: screen readers hear %q", tc.body, b.news)
		}
		if got := text.String(reading(b.State(), m).line(lineShown)); got != tc.told {
			t.Errorf("%q: the notification says %q", tc.body, got)
		}
		html := tight(b.html())
		if !strings.Contains(html, `<span class="row-line">`+tc.row) {
			t.Errorf("%q: the row is %s", tc.body, html)
		}
		found := tight(app.HTMLString((&hit{Said: reading(b.State(), m), Words: state.Words("moth")}).Render()))
		if !strings.Contains(found, tc.hit) {
			t.Errorf("%q: found as %s, want %s", tc.body, found, tc.hit)
		}
	}
}
