package view

import (
	"strings"
	"testing"
)

func TestSlash(t *testing.T) {
	for text, want := range map[string]string{
		"/me waves": "me", "/me": "me", "/join room": "join", "/Join\nx": "Join", "/": "", "//join": "", "/usr/bin": "", "/ join": "", " /join": "", "/1": "", "/é": "", "join": "", "/a-b": "", "": "",
	} {
		if got := slash(text); got != want {
			t.Errorf("%q is the command %q, want %q", text, got, want)
		}
	}
}

// A command that is unknown is not told to others; it is the person's again, who may send it as text.
func TestSlash_UnknownIsNotSent(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.did, b.settling = nil, Settling{}
	b.sig("send", grace, "/kick grace")
	b.wants(t)
	if b.settling != (Settling{Focus: "message", Fill: true, Words: "/kick grace"}) {
		t.Errorf("%+v", b.settling)
	}
	if html := tight(b.html()); !strings.Contains(html, "There is no command<bdi>/kick</bdi>.") || !strings.Contains(b.html(), `data-do="send-text"`) {
		t.Errorf("it is not said: %s", html)
	}
	b.happened(Signal{Do: doMessage, Conv: grace, Text: "/kick grace"}) // it is in the composer again
	if html := b.html(); !strings.Contains(html, "There is no command") {
		t.Error("it is said no longer")
	}
	b.did = nil
	b.happened(Signal{Do: doSend, Conv: grace, Text: "/kick grace", Also: "text"})
	if len(b.did) != 1 || !strings.Contains(b.did[0], "Body:/kick grace") || strings.Contains(b.html(), "There is no command") {
		t.Errorf("wanted %q", b.did)
	}
	b.sig("send", grace, "/kick grace")
	b.happened(Signal{Do: doMessage, Conv: grace, Text: "/kic"})
	if html := b.html(); strings.Contains(html, "There is no command") {
		t.Error("it is said of something else")
	}
	b.did = nil
	for _, text := range []string{"/me waves", "/usr/bin/env", "/ a"} {
		b.sig("send", grace, text)
	}
	if got := strings.Join(b.did, "\n"); strings.Count(got, "SendMessage") != 3 {
		t.Errorf("wanted %s", got)
	}
}

// One that was sent from a page which no longer has its conversation open waits there as a draft.
func TestSlash_UnknownElsewhere(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.receive(alan, "hello")
	b.sig("open", alan, "")
	b.did = nil
	b.sig("send", grace, "/kick alan")
	b.wants(t)
	if got := b.draft(grace); got != "/kick alan" {
		t.Errorf("the draft is %q", got)
	}
}
