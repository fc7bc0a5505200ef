package connect

import (
	"context"
	"errors"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/framing"
)

// Retry reports whether to retry after a while without asking the person. It returns
// false if the same would happen again, if each attempt does harm (a wrong password locks
// accounts; two sessions that end each other never stop, RFC 6120 §4.9.3.3), or if the
// person has to know first.
//
// It is true for:
//
//   - everything that may be the network: a dial that failed, a lost connection,
//     silence, discovery that could not reach the domain;
//   - the stream errors that retryStream marks, and a <close/> without a reason (ejabberd
//     gives none in many cases);
//   - a server that is starting: a temporary failure, a constraint, a negotiation that
//     makes no sense.
//
// It is false for: other errors about the account, an authentication that cannot be
// trusted or has no safe mechanism, an address that is not ours or none, a credential that
// cannot be used, a refused redirect, a domain that says it has no endpoint, a context
// that was cancelled.
func Retry(err error) (retry bool) {
	var (
		redirect *RedirectError
		away     *framing.RedirectError
		timeout  *TimeoutError
		failure  *sasl.FailureError
		prep     *sasl.PrepError
		server   *sasl.ServerError
		task     *TaskError
		stanza   *framing.StanzaError
		broken   *framing.StreamError
		size     *framing.SizeError
		protocol *ProtocolError
		kept     *CredentialError
		other    *IdentityError
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &kept), errors.As(err, &other), errors.Is(err, errNoAddress):
		return false
	case errors.As(err, &timeout):
		return true
	case errors.As(err, &redirect), errors.As(err, &prep), errors.As(err, &server),
		errors.As(err, &task), errors.As(err, &size):
		return false
	case errors.Is(err, sasl.ErrPlainAfterSCRAM), errors.Is(err, sasl.ErrPlainUnprotected),
		errors.Is(err, sasl.ErrNoMechanism), errors.Is(err, ErrUnprotected),
		errors.Is(err, framing.ErrSubprotocol), errors.Is(err, framing.ErrOldDraft):
		return false
	case errors.As(err, &away):
		return true // the next attempt follows it, or refuses to
	case errors.As(err, &failure):
		return failure.Condition == sasl.TemporaryAuthFailure
	case errors.As(err, &stanza):
		return retryStanza[stanza.Condition]
	case errors.As(err, &broken):
		return retryStream[broken.Condition]
	case errors.As(err, &protocol):
		var e *Error
		errors.As(err, &e)
		return e == nil || e.Condition != framing.UnsupportedFeature && e.Condition != framing.UnsupportedVersion
	}
	var nowhere *discover.Error
	if errors.As(err, &nowhere) {
		return retryDiscovery[nowhere.Kind]
	}
	return true
}

// retryDiscovery has the failures that may be the network's or are temporary.
var retryDiscovery = map[discover.Kind]bool{
	discover.Unreachable: true,
	discover.Timeout:     true,
	discover.BadStatus:   true,
}

// retryStream has the 25 stream errors of RFC 6120 §4.9.3. There is no retry after those
// about something that we sent: we would send it again.
var retryStream = map[string]bool{
	framing.BadFormat:              false,
	framing.BadNamespacePrefix:     false,
	framing.Conflict:               false,
	framing.ConnectionTimeout:      true,
	framing.HostGone:               false,
	framing.HostUnknown:            false,
	framing.ImproperAddressing:     false,
	framing.InternalServerError:    true,
	framing.InvalidFrom:            false,
	framing.InvalidNamespace:       false,
	framing.InvalidXML:             false,
	framing.NotAuthorized:          false,
	framing.NotWellFormed:          false,
	framing.PolicyViolation:        false,
	framing.RemoteConnectionFailed: true,
	framing.Reset:                  true,
	framing.ResourceConstraint:     true,
	framing.RestrictedXML:          false,
	framing.SeeOtherHost:           true, // as a redirect
	framing.SystemShutdown:         true,
	framing.UndefinedCondition:     true,
	framing.UnsupportedEncoding:    false,
	framing.UnsupportedFeature:     false,
	framing.UnsupportedStanzaType:  false,
	framing.UnsupportedVersion:     false,
}

// retryStanza has the errors of bind that are temporary.
var retryStanza = map[string]bool{
	"resource-constraint":   true,
	"internal-server-error": true,
	"service-unavailable":   true,
	"remote-server-timeout": true,
}
