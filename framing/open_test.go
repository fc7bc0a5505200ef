package framing

import (
	"errors"
	"testing"
)

func TestF11_CloseByNameNotText(t *testing.T) {
	for _, doc := range []string{
		`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`,
		`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`,
		`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'></close>`,
		`<f:close xmlns:f='urn:ietf:params:xml:ns:xmpp-framing'/>`,
		"<?xml version='1.0'?>\n<close\n\txmlns = 'urn:ietf:params:xml:ns:xmpp-framing'\n/>\n",
		`<close id="x" xmlns="urn:ietf:params:xml:ns:xmpp&#45;framing"> </close >`,
	} {
		if e := must(t, doc); !e.Is(NSFraming, "close") {
			t.Errorf("%s is not recognised", doc)
		}
	}
	for _, doc := range []string{`<close/>`, `<close xmlns="jabber:client"/>`, `<closed xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`} {
		if e := must(t, doc); e.Is(NSFraming, "close") {
			t.Errorf("%s passes for a close", doc)
		}
	}
}

func TestF07_OpenThereAndBack(t *testing.T) {
	for _, ns := range []string{NSFraming, NSFramingServer} {
		for _, want := range []Open{
			{},
			{To: "example.org", From: "ada@example.org", ID: "x&y", Lang: "de-CH", Version: "1.0"},
		} {
			got, err := ReadOpen(must(t, want.Element(ns).String()), ns)
			if err != nil || got != want {
				t.Errorf("read %+v, %v, want %+v", got, err, want)
			}
		}
	}
}

func TestF08_W02_OpenInAnotherNamespace(t *testing.T) {
	for _, tc := range []struct{ doc, ns, condition string }{
		{`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing-server"/>`, NSFraming, InvalidNamespace},
		{`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, NSFramingServer, InvalidNamespace},
		{`<open/>`, NSFraming, InvalidNamespace},
		{`<message xmlns="jabber:client"/>`, NSFraming, NotWellFormed},
	} {
		_, err := ReadOpen(must(t, tc.doc), tc.ns)
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Condition != tc.condition {
			t.Errorf("%s: %v, want %s", tc.doc, err, tc.condition)
		}
	}
	if _, err := ReadOpen(nil, NSFraming); err == nil {
		t.Error("nothing passes for a header")
	}
}

func TestO08_VersionIsANumber(t *testing.T) {
	for version, want := range map[string]int{
		"1.0": 1, "1.1": 1, "1.10": 1, "01.0": 1, "": 0, "0.9": 0, "2.0": 2, "10.0": 10,
		"1": 0, "1.": 0, ".1": 0, "1.x": 0, "x": 0, "-1.0": 0, "+1.0": 0, "1.0.0": 0, "99999999999999999999.0": 0,
	} {
		if got := MajorVersion(version); got != want {
			t.Errorf("the major version of %q is %d, want %d", version, got, want)
		}
	}
}
