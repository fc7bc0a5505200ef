package framing

import (
	"errors"
	"fmt"
)

// The stream error conditions of RFC 6120 §4.9.3.
const (
	BadFormat              = "bad-format"
	BadNamespacePrefix     = "bad-namespace-prefix"
	Conflict               = "conflict"
	ConnectionTimeout      = "connection-timeout"
	HostGone               = "host-gone"
	HostUnknown            = "host-unknown"
	ImproperAddressing     = "improper-addressing"
	InternalServerError    = "internal-server-error"
	InvalidFrom            = "invalid-from"
	InvalidNamespace       = "invalid-namespace"
	InvalidXML             = "invalid-xml"
	NotAuthorized          = "not-authorized"
	NotWellFormed          = "not-well-formed"
	PolicyViolation        = "policy-violation"
	RemoteConnectionFailed = "remote-connection-failed"
	Reset                  = "reset"
	ResourceConstraint     = "resource-constraint"
	RestrictedXML          = "restricted-xml"
	SeeOtherHost           = "see-other-host"
	SystemShutdown         = "system-shutdown"
	UndefinedCondition     = "undefined-condition"
	UnsupportedEncoding    = "unsupported-encoding"
	UnsupportedFeature     = "unsupported-feature"
	UnsupportedStanzaType  = "unsupported-stanza-type"
	UnsupportedVersion     = "unsupported-version"
)

// Conditions lists all 25 of them in the order of the RFC.
var Conditions = []string{
	BadFormat, BadNamespacePrefix, Conflict, ConnectionTimeout, HostGone,
	HostUnknown, ImproperAddressing, InternalServerError, InvalidFrom,
	InvalidNamespace, InvalidXML, NotAuthorized, NotWellFormed, PolicyViolation,
	RemoteConnectionFailed, Reset, ResourceConstraint, RestrictedXML, SeeOtherHost,
	SystemShutdown, UndefinedCondition, UnsupportedEncoding, UnsupportedFeature,
	UnsupportedStanzaType, UnsupportedVersion,
}

var known = func() map[string]bool {
	m := make(map[string]bool, len(Conditions))
	for _, c := range Conditions {
		m[c] = true
	}
	return m
}()

// ErrClosed reports that the stream was ended with <close/>, by the peer or by us.
var ErrClosed = errors.New("the stream is closed")

// ErrOldDraft reports a server that answers with <stream:stream: it speaks the
// draft from before RFC 7395, whose messages are no documents.
var ErrOldDraft = errors.New("the server speaks the WebSocket draft from before RFC 7395")

// ErrName reports an element that cannot be written because its name is not an
// XML name.
var ErrName = errors.New("the element has no valid XML name")

// SyntaxError reports input that is no document we accept.
type SyntaxError struct {
	Condition string // stream error condition: what to tell the peer
	Offset    int    // in bytes
	Msg       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Condition, e.Offset, e.Msg)
}

// SizeError reports an element that was not sent because the peer would end the
// stream over it (RFC 6120 §13.12, XEP-0478 §3). The stream lives on.
type SizeError struct{ Size, Max int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("the message has %d bytes, the server takes %d", e.Size, e.Max)
}

// RedirectError reports a <close see-other-uri="…"/>. The URI is the peer's
// claim: whoever follows it checks it first (RFC 7395 §3.6.1 and §6).
type RedirectError struct{ URI string }

func (e *RedirectError) Error() string { return "the server sends us to " + e.URI }

// StreamError is a stream error of RFC 6120 §4.9: one the peer sent when Read
// returns it, one of ours when handed to Fail.
type StreamError struct {
	Condition    string
	Text         string   // for people; code never branches on it
	App          *Element // application-specific condition, nil if none
	SeeOtherHost string   // only with the condition see-other-host
}

func (e *StreamError) Error() string {
	if e.Text == "" {
		return "stream error " + e.Condition
	}
	return "stream error " + e.Condition + ": " + e.Text
}

// Element returns the error document. A condition that is not of RFC 6120 is
// sent as undefined-condition.
func (e *StreamError) Element() *Element {
	condition := e.Condition
	if !known[condition] {
		condition = UndefinedCondition
	}
	c := New(NSStreamError, condition)
	if condition == SeeOtherHost {
		c.AddText(e.SeeOtherHost)
	}
	el := New(NSStream, "error").Add(c)
	if e.Text != "" {
		el.Add(New(NSStreamError, "text").AddText(e.Text))
	}
	return el.Add(e.App)
}

// ReadStreamError reads an error document, or returns nil if e is something
// else. An unknown condition, or none, is undefined-condition (RFC 6120 §4.9.2).
func ReadStreamError(e *Element) *StreamError {
	if !e.Is(NSStream, "error") {
		return nil
	}
	s := &StreamError{Condition: UndefinedCondition}
	for _, c := range e.Elements() {
		switch {
		case c.Name.Space != NSStreamError:
			if s.App == nil {
				s.App = c
			}
		case c.Name.Local == "text":
			s.Text = c.Text()
		case known[c.Name.Local]:
			s.Condition = c.Name.Local
			if s.Condition == SeeOtherHost {
				s.SeeOtherHost = c.Text()
			}
		}
	}
	return s
}

// StanzaError is what a stanza of type error says (RFC 6120 §8.3): why the other side, or a
// server on the way, did not take one of ours.
type StanzaError struct {
	Type      string   // auth, cancel, continue, modify or wait; cancel if it is none of them
	Condition string   // undefined-condition if it is none of RFC 6120 §8.3.3
	Text      string   // the other side's words, never shown as ours
	App       *Element // application-specific condition, nil if none
}

func (e *StanzaError) Error() string {
	if e.Text == "" {
		return "stanza error " + e.Condition
	}
	return "stanza error " + e.Condition + ": " + e.Text
}

// ReadStanzaError reads the error of a stanza. What is missing or unknown becomes
// undefined-condition, two errors in one stanza are none, and an application's own condition
// only ever adds to it (RFC 6120 §8.3.3.21, §8.3.4).
func ReadStanzaError(st *Element) *StanzaError {
	e := &StanzaError{Type: "cancel", Condition: UndefinedCondition}
	el := st.Only(st.Name.Space, "error")
	switch t := el.Attr("type"); t {
	case "auth", "continue", "modify", "wait":
		e.Type = t
	}
	for _, c := range el.Elements() {
		switch {
		case c.Name.Space != NSStanzaError:
			if e.App == nil {
				e.App = c
			}
		case c.Name.Local == "text":
			e.Text = c.Text()
		case stanzaConditions[c.Name.Local]:
			e.Condition = c.Name.Local
		}
	}
	return e
}

// stanzaConditions are those of RFC 6120 §8.3.3.
var stanzaConditions = map[string]bool{
	"bad-request": true, "conflict": true, "feature-not-implemented": true,
	"forbidden": true, "gone": true, "internal-server-error": true,
	"item-not-found": true, "jid-malformed": true, "not-acceptable": true,
	"not-allowed": true, "not-authorized": true, "policy-violation": true,
	"recipient-unavailable": true, "redirect": true, "registration-required": true,
	"remote-server-not-found": true, "remote-server-timeout": true,
	"resource-constraint": true, "service-unavailable": true,
	"subscription-required": true, "undefined-condition": true,
	"unexpected-request": true,
}
