package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/framing"
)

// kinds is an error for every kind of problem, and whether it is worth another try.
var kinds = []struct {
	kind  string
	field string
	retry bool
	err   error
}{
	{"bad-domain", "address", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.BadDomain}}},
	{"unreachable", "address", true, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.Unreachable}}},
	{"no-answer-discovery", "", true, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.Timeout, Err: context.DeadlineExceeded}}},
	{"no-host-meta", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.NoHostMeta}}},
	{"host-meta-status", "server", true, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.BadStatus}}},
	{"host-meta-page", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.WebPage}}},
	{"bad-host-meta", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.TooLong}}},
	{"bad-host-meta", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.Malformed}}},
	{"no-websocket", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.NoWebSocket}}},
	{"insecure-websocket", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.Insecure}}},
	{"bad-server", "server", false, &Error{Phase: Discovery, Err: &discover.Error{Kind: discover.BadEntry}}},

	{"unencrypted", "server", false, insecure("ws://chat.example.com")},
	{"no-connection", "", true, &Error{Phase: Dial, Err: errRefused}},
	{"no-connection", "", true, &Error{Phase: Dial, Err: &framing.CloseError{Code: 1006}}},
	{"not-xmpp", "server", false, &Error{Phase: Dial, Err: fmt.Errorf("dial: %w", framing.ErrSubprotocol)}},
	{"no-answer-dial", "", true, &Error{Phase: Dial, Err: &TimeoutError{ToDial}}},
	{"no-answer-open", "", true, &Error{Phase: Opening, Err: &TimeoutError{ToOpen}}},
	{"no-answer-features", "", true, &Error{Phase: Opening, Err: &TimeoutError{ToFeatures}}},
	{"no-answer-sign-in", "", true, &Error{Phase: Authenticate, Err: &TimeoutError{ToAuthenticate}}},
	{"no-answer-after", "", true, &Error{Phase: Opening, Err: &TimeoutError{ToReopen}}},
	{"no-answer-after", "", true, &Error{Phase: Opening, Err: &TimeoutError{ToRefeatures}}},
	{"no-answer-bind", "", true, &Error{Phase: Binding, Err: &TimeoutError{ToResume}}},
	{"no-answer-bind", "", true, &Error{Phase: Binding, Err: &TimeoutError{ToBind}}},
	{"old-draft", "", false, &Error{Phase: Opening, Err: framing.ErrOldDraft}},
	{"old-version", "", false, &Error{Phase: Opening, Condition: "unsupported-version", Err: &ProtocolError{"x"}}},
	{"protocol", "", true, &Error{Phase: Opening, Condition: "bad-format", Err: &ProtocolError{"x"}}},
	{"unsupported-feature", "", false, &Error{Phase: Binding, Condition: "unsupported-feature", Err: &ProtocolError{"x"}}},
	{"no-binding", "", false, &Error{Phase: Binding, Condition: "unsupported-feature", Err: errNoBinding}},
	{"redirect-refused", "", false, &Error{Phase: Redirected, Err: &RedirectError{Reason: Loop}}},
	{"redirect-bosh", "", false, &Error{Phase: Redirected, Err: &RedirectError{Reason: NotWebSocket}}},
	{"bad-data", "", true, &Error{Phase: Opening, Err: &framing.SyntaxError{Condition: "not-well-formed"}}},
	{"bad-data", "", true, &Error{Phase: Opening, Err: framing.ErrBinary}},
	{"bad-data", "", true, framing.ErrBinary},

	{"bad-name", "address", false, &Error{Phase: Authenticate, Err: &sasl.PrepError{What: "name"}}},
	{"bad-password", "password", false, &Error{Phase: Authenticate, Err: &sasl.PrepError{What: "password"}}},
	{"wrong-password", "password", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("not-authorized", "")}},
	{"wrong-password", "password", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("anything-else", "")}},
	{"account-disabled", "address", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("account-disabled", "")}},
	{"credentials-expired", "password", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("credentials-expired", "")}},
	{"temporary-failure", "", true, &Error{Phase: Authenticate, Err: sasl.NewFailure("temporary-auth-failure", "")}},
	{"encryption-required", "server", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("encryption-required", "")}},
	{"not-yourself", "address", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("invalid-authzid", "")}},
	{"sign-in-rejected", "", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("malformed-request", "")}},
	{"sign-in-rejected", "", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("incorrect-encoding", "")}},
	{"mechanism-rejected", "", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("invalid-mechanism", "")}},
	{"mechanism-rejected", "", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("mechanism-too-weak", "")}},
	{"sign-in-aborted", "", false, &Error{Phase: Authenticate, Err: sasl.NewFailure("aborted", "")}},
	{"plain-after-scram", "", false, &Error{Phase: Authenticate, Err: sasl.ErrPlainAfterSCRAM}},
	{"plain-unprotected", "server", false, &Error{Phase: Authenticate, Err: sasl.ErrPlainUnprotected}},
	{"no-mechanism", "", false, &Error{Phase: Authenticate, Err: sasl.ErrNoMechanism}},
	{"second-factor", "", false, &Error{Phase: Authenticate, Err: &TaskError{[]string{"TOTP"}}}},
	{"impostor", "", false, &Error{Phase: Authenticate, Err: &sasl.ServerError{Reason: sasl.BadSignature}}},
	{"impostor", "", false, &Error{Phase: Authenticate, Err: &sasl.ServerError{Reason: sasl.NoSignature}}},
	{"impostor", "", false, &Error{Phase: Authenticate, Err: &sasl.ServerError{Reason: sasl.EarlySuccess}}},
	{"tampered", "", false, &Error{Phase: Authenticate, Err: &sasl.ServerError{Reason: sasl.Downgraded}}},
	{"bad-sign-in", "", false, &Error{Phase: Authenticate, Err: &sasl.ServerError{Reason: sasl.BadNonce}}},

	{"no-address", "", false, &Error{Phase: Binding, Condition: "bad-format", Err: errNoAddress}},
	{"another-domain", "", false, &Error{Phase: Binding, Err: &IdentityError{Want: "ada@example.com", Said: "ada@example.net"}}},
	{"another-account", "", false, &Error{Phase: Binding, Err: &IdentityError{Want: "ada@example.com", Said: "eve@example.com"}}},
	{"unread", "", true, &Error{Phase: Authenticate, Err: ErrUnread}},
	{"not-remembered", "password", false, credentialError(Foreign)},
	{"not-remembered", "password", false, credentialError(NotOffered)},
	{"away-too-long", "password", false, credentialError(Expired)},
	{"sign-in-expired", "password", false, credentialError(Missing)},
	{"sign-in-expired", "password", false, &Error{Phase: Authenticate, Condition: "credentials-expired", Err: &CredentialError{Refused, sasl.NewFailure("credentials-expired", "")}}},
	{"password-changed", "password", false, &Error{Phase: Authenticate, Err: &CredentialError{Changed, sasl.ErrOtherSalt}}},

	{"too-many-sessions", "", true, &Error{Phase: Binding, Err: &framing.StanzaError{Condition: "resource-constraint"}}},
	{"bind-not-allowed", "", false, &Error{Phase: Binding, Err: &framing.StanzaError{Condition: "not-allowed"}}},
	{"bind-conflict", "", false, &Error{Phase: Binding, Err: &framing.StanzaError{Condition: "conflict"}}},
	{"bind-refused", "", false, &Error{Phase: Binding, Err: &framing.StanzaError{Condition: "bad-request"}}},
	{"bind-refused", "", true, &Error{Phase: Binding, Err: &framing.StanzaError{Condition: "internal-server-error"}}},

	{"misunderstanding", "", false, ended("bad-format")},
	{"misunderstanding", "", false, ended("bad-namespace-prefix")},
	{"signed-in-elsewhere", "", false, ended("conflict")},
	{"connection-timeout", "", true, ended("connection-timeout")},
	{"host-gone", "address", false, ended("host-gone")},
	{"unknown-host", "address", false, ended("host-unknown")},
	{"misunderstanding", "", false, ended("improper-addressing")},
	{"internal-error", "", true, ended("internal-server-error")},
	{"misunderstanding", "", false, ended("invalid-from")},
	{"misunderstanding", "", false, ended("invalid-namespace")},
	{"misunderstanding", "", false, ended("invalid-xml")},
	{"not-authorized", "", false, ended("not-authorized")},
	{"misunderstanding", "", false, ended("not-well-formed")},
	{"policy-violation", "", false, ended("policy-violation")},
	{"remote-failed", "", true, ended("remote-connection-failed")},
	{"server-reset", "", true, ended("reset")},
	{"resource-constraint", "", true, ended("resource-constraint")},
	{"misunderstanding", "", false, ended("restricted-xml")},
	{"redirected", "", true, ended("see-other-host")},
	{"system-shutdown", "", true, ended("system-shutdown")},
	{"server-ended", "", true, ended("undefined-condition")},
	{"misunderstanding", "", false, ended("unsupported-encoding")},
	{"misunderstanding", "", false, ended("unsupported-feature")},
	{"misunderstanding", "", false, ended("unsupported-stanza-type")},
	{"old-version", "", false, ended("unsupported-version")},

	{"server-closed", "", true, framing.ErrClosed},
	{"redirected", "", true, &framing.RedirectError{URI: other}},
	{"connection-lost", "", true, &framing.CloseError{Code: 1006}},
	{"policy-violation", "", false, &framing.SizeError{Size: 2, Max: 1}},
	{"no-answer-dial", "", true, context.DeadlineExceeded},
	{"cancelled", "", false, context.Canceled},
	{"cancelled", "", false, &Error{Phase: Authenticate, Err: context.Canceled}},
	{"connection-lost", "", true, &Error{Phase: Established, Endpoint: endpoint, Condition: Timeout, Err: errors.New("the server does not answer any more")}},
	{"unknown", "", true, errors.New("something")},
}

// ended is the end of an established session, as package stream reports it.
func ended(condition string) error {
	return fmt.Errorf("stream: %w", &Error{Phase: Established, Endpoint: endpoint, Condition: condition, Err: &framing.StreamError{Condition: condition, Text: "in its own words"}})
}

func TestA14_E05_Explain(t *testing.T) {
	covered := map[string]bool{}
	var conditions []string
	for _, tc := range kinds {
		t.Run(tc.err.Error(), func(t *testing.T) {
			p := Explain(tc.err)
			if p.Kind != tc.kind || p.Field != tc.field {
				t.Errorf("explained as %+v, expected %s", p, tc.kind)
			}
			if got := Retry(tc.err); got != tc.retry {
				t.Errorf("retry is %v", got)
			}
			if !strings.Contains(p.Detail, tc.err.Error()) {
				t.Errorf("the details are %q", p.Detail)
			}
		})
		covered[tc.kind] = true
		var broken *framing.StreamError
		if errors.As(tc.err, &broken) {
			conditions = append(conditions, broken.Condition)
		}
	}
	if slices.Sort(conditions); !slices.Equal(conditions, slices.Sorted(slices.Values(framing.Conditions))) {
		t.Errorf("of the 25 stream errors these are judged: %v", conditions)
	}
	if len(retryStream) != len(framing.Conditions) || len(streamErrorKinds) != len(framing.Conditions) {
		t.Error("a table does not have 25 rows")
	}
	for kind := range sentences {
		if kind == "no-network" {
			continue // see ExplainOffline
		}
		if !covered[kind] && !strings.HasPrefix(kind, "address-") {
			t.Errorf("no error is explained as %q", kind)
		}
	}
	if Retry(nil) {
		t.Error("retries what did not fail")
	}
}

// Where the browser says that there is no network, no server and no certificate is to blame
// for it; what a server has said is said all the same.
func TestExplainOffline(t *testing.T) {
	var offline []string
	for _, tc := range kinds {
		p := ExplainOffline(tc.err)
		switch {
		case p.Kind != tc.kind && p.Kind != "no-network":
			t.Errorf("%v is explained as %q", tc.err, p.Kind)
		case p.Kind == tc.kind:
		case p.Detail != Explain(tc.err).Detail || p.Field != "":
			t.Errorf("explained as %+v", p)
		default:
			offline = append(offline, tc.kind)
		}
	}
	slices.Sort(offline)
	want := []string{"connection-lost", "host-meta-status", "no-answer-after", "no-answer-bind", "no-answer-dial", "no-answer-discovery",
		"no-answer-features", "no-answer-open", "no-answer-sign-in", "no-connection", "unreachable"}
	if got := slices.Compact(offline); !slices.Equal(got, want) {
		t.Errorf("the network is blamed for\n%q, want\n%q", got, want)
	}
	s := sentences["no-network"]
	for _, word := range []string{"server", "certificate"} {
		if strings.Contains(s.text+s.advice, word) {
			t.Errorf("%q speaks of a %s", s.text+s.advice, word)
		}
	}
}

func TestSentences(t *testing.T) {
	texts := map[string]string{}
	for kind, s := range sentences {
		if before := texts[s.text]; before != "" {
			t.Errorf("%s and %s say the same", kind, before)
		}
		texts[s.text] = kind
		for _, words := range []string{s.text, s.advice} {
			if words == "" || !strings.HasSuffix(words, ".") || strings.Contains(words, "!") {
				t.Errorf("%s: %q is no plain sentence", kind, words)
			}
			for _, jargon := range []string{"SASL", "stanza", "stream", "not-authorized", "JID", "TLS"} {
				if strings.Contains(words, jargon) {
					t.Errorf("%s: %q speaks of %s", kind, words, jargon)
				}
			}
		}
		if !slices.Contains([]string{"", "address", "password", "server"}, s.field) {
			t.Errorf("%s is about a field %q", kind, s.field)
		}
	}
}

func TestTypedAddress(t *testing.T) {
	for _, tc := range []struct{ typed, want, kind, advice string }{
		{typed: "ada@example.org", want: "ada@example.org"},
		{typed: "  ada@example.org\n", want: "ada@example.org"},
		{typed: "\u200bada@example.org\u202c", want: "ada@example.org"},
		{typed: "ada@example.org/phone", want: "ada@example.org"},
		{typed: "ádá@müller.example", want: "ádá@müller.example"},
		{typed: "ada@localhost", want: "ada@localhost"},
		{typed: "ada@127.0.0.1", want: "ada@127.0.0.1"},
		{typed: "xmpp:ada@example.org", want: "ada@example.org"},
		{typed: "XMPP:j%C3%B6rg@example.org?message", want: "jörg@example.org"},
		{typed: `d'artagnan@example.org`, want: `d\27artagnan@example.org`},
		{typed: `ada\40lovelace.example@example.org`, want: `ada\40lovelace.example@example.org`},
		{typed: `xmpp:ada%5C40lovelace.example@example.org`, want: `ada\40lovelace.example@example.org`},
		{kind: "address-empty"},
		{typed: "   ", kind: "address-empty"},
		{typed: "ada", kind: "address-no-at"},
		{typed: "example.org", kind: "address-no-at"},
		{typed: "xmpp:example.org", kind: "address-no-at"},
		{typed: "ada lovelace", kind: "address-no-at"},
		{typed: "ada@", kind: "address-no-domain"},
		{typed: "ada@/phone", kind: "address-no-domain"},
		{typed: "@", kind: "address-no-domain"},
		{typed: "@example.org", kind: "address-no-name"},
		{typed: "a da@example.org", kind: "address-characters", advice: "a space after “a”"},
		{typed: "ada@exam ple.org", kind: "address-characters", advice: "a space after “ada@exam”"},
		{typed: "ada@exam\u200bple.org", kind: "address-characters", advice: "(U+200B) after “ada@exam”"},
		{typed: "ada@lovelace@example.org", kind: "address-characters"},
		{typed: "ada@example.org, grace@example.org", kind: "address-characters"},
		{typed: "a<b@example.org", kind: "address-characters"},
		{typed: "xmpp:@example.org", kind: "address-characters"},
	} {
		got, p := TypedAddress(tc.typed)
		switch {
		case string(got) != tc.want:
			t.Errorf("%q is %q, want %q", tc.typed, got, tc.want)
		case tc.want != "" && p != nil:
			t.Errorf("%q: %+v", tc.typed, *p)
		case tc.want != "":
		case p == nil || p.Kind != tc.kind || p.Field != "address" || p.Advice == "" || p.Text == "" || !strings.Contains(p.Advice, tc.advice):
			t.Errorf("%q: %+v, want %s", tc.typed, p, tc.kind)
		}
	}
}
