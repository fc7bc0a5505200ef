package framing

import (
	"reflect"
	"testing"
)

func TestE04_Conditions(t *testing.T) {
	if len(Conditions) != 25 {
		t.Errorf("%d conditions", len(Conditions))
	}
	for _, c := range Conditions {
		want := &StreamError{Condition: c, Text: "why", App: New("u:app", "more")}
		if c == SeeOtherHost {
			want.SeeOtherHost = "other.example:5222"
		}
		if got := ReadStreamError(must(t, want.Element().String())); !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v", got, want)
		}
	}
	// Known conditions are the only ones sent and read.
	if got := (&StreamError{Condition: "made-up"}).Element(); got.Child(NSStreamError, UndefinedCondition) == nil || len(got.Elements()) != 1 {
		t.Errorf("an unknown condition is sent as %s", got)
	}
	for _, doc := range []string{
		`<error xmlns="http://etherx.jabber.org/streams"/>`,
		`<error xmlns="http://etherx.jabber.org/streams">conflict</error>`,
		`<error xmlns="http://etherx.jabber.org/streams"><made-up xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`,
		`<error xmlns="http://etherx.jabber.org/streams"><conflict/></error>`,
		`<error xmlns="http://etherx.jabber.org/streams"><text xmlns="urn:ietf:params:xml:ns:xmpp-streams">conflict</text></error>`,
	} {
		if got := ReadStreamError(must(t, doc)); got == nil || got.Condition != UndefinedCondition {
			t.Errorf("%s is read as %v", doc, got)
		}
	}
	for _, doc := range []string{`<error/>`, `<error xmlns="jabber:client"/>`, `<features xmlns="http://etherx.jabber.org/streams"/>`} {
		if got := ReadStreamError(must(t, doc)); got != nil {
			t.Errorf("%s is read as %v", doc, got)
		}
	}
}
