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
