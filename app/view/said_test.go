package view

import (
	"strings"
	"testing"

	"natter/app/jid"
)

// drawnText is what is on the page of one message.
func drawnText(t *testing.T, from jid.JID, body string) string {
	t.Helper()
	b := sit(t)
	b.receive(from, body)
	b.sig("open", from, "")
	_, html, ok := strings.Cut(b.html(), `<div class="text`)
	if !ok {
		t.Fatal("there is no message")
	}
	html, _, _ = strings.Cut(html, `<span class="meta`)
	return strings.Join(strings.Fields(html), " ")
}

func TestText_NothingReordersIt(t *testing.T) {
	for _, body := range []string{"safe\u202egpj.exe", "\u202dsafegpj\u202e.exe"} {
		if html := drawnText(t, grace, body); !strings.Contains(html, ">safegpj.exe</div>") {
			t.Errorf("%q is drawn as %s", body, html)
		}
	}
}
