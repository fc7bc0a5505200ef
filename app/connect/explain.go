package connect

import (
	"context"
	"errors"
	"strings"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
)

// Problem is a failure in words a person understands. It has the fields of
// state.Problem, which this package must not import.
type Problem struct {
	Kind   string // stable, for tests and for drawing
	Text   string // what happened
	Advice string // what to try
	Detail string // for those who ask: phase, condition, the server's own text
	Field  string // the form field it is about: "address", "password", "server" or ""

	// Account is, with the kind "another-account", who the person would be.
	Account jid.JID
}

// sentence has the words for all problems of one kind.
type sentence struct{ text, advice, field string }

// sentences has the words for each Problem.Kind. A server's text is never shown in their
// place: it could say anything, in any language. It is in Detail.
var sentences = map[string]sentence{
	// The sign-in form.
	"address-empty":      {"An XMPP address is needed to sign in.", "Enter it in full, like name@example.org.", "address"},
	"address-no-at":      {"This address has no server: the part from the @ on is missing.", "Enter the address in full, like name@example.org.", "address"},
	"address-no-domain":  {"There is nothing after the @ in this address.", "Add the name of the server, like name@example.org.", "address"},
	"address-no-name":    {"There is nothing before the @ in this address.", "Put the account's name in front of it, like name@example.org.", "address"},
	"address-characters": {"This address has a character that XMPP addresses cannot have.", "Check it for spaces and typing mistakes.", "address"},
	"bad-name":           {"The name in this address cannot be used to sign in.", "Check the part before the @ for unusual characters.", "address"},
	"bad-password":       {"This password is empty or has characters that no password can have.", "Enter it again.", "password"},

	// Discovery.
	"bad-domain":          {"The part of this address after the @ is not the name of a server.", "Check it for typing mistakes.", "address"},
	"unreachable":         {"The server of this address could not be reached. It may not exist, be down, have a certificate that this browser does not accept, or not let web clients ask where to connect; a page cannot tell which.", "Check the part after the @ and your connection to the internet, then try again.", "address"},
	"no-answer-discovery": {"The server of this address takes too long to say where to connect.", "Try again in a while, or check your connection to the internet.", ""},
	"no-host-meta":        {"The server of this address does not say where web clients can connect to it.", "Check the part after the @. If it is right, ask the provider for the WebSocket address and enter it under Advanced.", "server"},
	"host-meta-status":    {"The server of this address answered with an error when asked where to connect.", "Try again in a while. If you know the WebSocket address, enter it under Advanced.", "server"},
	"host-meta-page":      {"The server of this address answered with a web page when asked where to connect.", "Check the part after the @. If you know the WebSocket address, enter it under Advanced.", "server"},
	"bad-host-meta":       {"The server of this address says where to connect in a form that cannot be read.", "Tell its provider that its host-meta is broken. If you know the WebSocket address, enter it under Advanced.", "server"},
	"no-websocket":        {"The server of this address can be reached, but offers no way in for web clients (no WebSocket).", "Ask the provider for one, or use another app for this account.", "server"},
	"insecure-websocket":  {"The server of this address offers web clients only a connection that is not encrypted.", "Ask the provider for one that begins with wss://.", "server"},
	"bad-server":          {"The server address under Advanced is not the address of a WebSocket.", "It looks like wss://example.org/xmpp-websocket. Leave it empty to have it found.", "server"},
	"unencrypted":         {"The connection to this server would not be encrypted, so nothing was sent.", "Use an address that begins with wss://.", "server"},

	// Dialing and opening.
	"no-network":          {"This device is not connected to the internet.", "Connect it, then try again.", ""},
	"no-connection":       {"The connection could not be opened. The server may be down, or its certificate may not be accepted by this browser; a page cannot tell which.", "Check your connection to the internet and try again. If it stays so, the server's provider has to look.", ""},
	"not-xmpp":            {"Something answered at this address, but it is not an XMPP server.", "Check the server address under Advanced, or tell the provider.", "server"},
	"no-answer-dial":      {"The server did not answer when it was called.", "Try again in a while, or check your connection to the internet.", ""},
	"no-answer-open":      {"The connection was made, but the server never said hello.", "Try again in a while. If it stays so, tell the provider that the WebSocket does not answer.", ""},
	"no-answer-features":  {"The server greeted but never said how to sign in.", "Try again in a while. If it stays so, tell the provider.", ""},
	"no-answer-sign-in":   {"The server did not answer while the password was being checked.", "Try again in a while; the password may be right.", ""},
	"no-answer-after":     {"The password was accepted, but then the server fell silent.", "Try again in a while. If it stays so, tell the provider.", ""},
	"no-answer-bind":      {"The server accepted the password but never opened the session.", "Try again in a while; the server may be overloaded.", ""},
	"old-draft":           {"This server speaks an outdated form of XMPP for the web, from before 2014.", "Ask its provider to update it, or use another app for this account.", ""},
	"old-version":         {"This server speaks a version of XMPP that Natter does not.", "Ask its provider to update it.", ""},
	"protocol":            {"The server answered in a way that makes no sense in XMPP.", "Try again. If it stays so, tell the provider, with the details.", ""},
	"unsupported-feature": {"The server requires something that Natter cannot do.", "Use another app for this account, or tell us, with the details.", ""},
	"no-binding":          {"The server let you in but offers no sessions.", "Tell its provider, with the details.", ""},
	"no-address":          {"The server let you in but gave the session no address that can be used.", "Nothing was sent. Tell its provider, with the details.", ""},
	"another-domain":      {"The server let you in as somebody of another server, so the sign-in was stopped.", "Nothing was sent. Tell its provider, with the details.", ""},
	"another-account":     {"The server knows this name and password as another account.", "Nothing was sent or changed. Go on as that account only if it is yours.", ""},
	"redirect-bosh":       {"The server sent the connection to a way in that Natter does not speak (BOSH).", "Ask the provider for a WebSocket, or use another app for this account.", ""},
	"redirected":          {"The server sent the connection on to another place.", "Natter goes there by itself. If this happens again and again, tell the provider.", ""},
	"redirect-refused":    {"The server sent the connection to another place that was not safe to follow.", "Nothing was sent there. Try again later, and tell the provider if it happens again.", ""},

	// Signing in.
	"wrong-password":      {"The server did not accept this password.", "Check the address and the password, and try again.", "password"},
	"account-disabled":    {"This account has been disabled.", "Ask the server's provider why.", "address"},
	"credentials-expired": {"The password of this account has expired.", "Set a new one with the server's provider, then sign in with it.", "password"},
	"temporary-failure":   {"The server cannot check passwords at the moment.", "Try again in a few minutes; the password may be right.", ""},
	"encryption-required": {"The server only lets you sign in over an encrypted connection.", "Use a server address that begins with wss://.", "server"},
	"not-yourself":        {"The server did not let this name act for this account.", "Check the address.", "address"},
	"sign-in-rejected":    {"The server did not understand how Natter signed in.", "Tell its provider, with the details.", ""},
	"mechanism-rejected":  {"The server offered a way to sign in and then refused it.", "Try again. If it stays so, a new password may help, or the provider.", ""},
	"sign-in-aborted":     {"The sign-in was broken off.", "Try again.", ""},
	"plain-after-scram":   {"This server used to check the password without seeing it, and now asks for the password itself. Somebody may be listening, so it was not sent.", "Try again from another network, and ask the provider before going on.", ""},
	"plain-unprotected":   {"This server wants the password in the clear over a connection that others could read, so it was not sent.", "Use a server address that begins with wss://.", "server"},
	"no-mechanism":        {"The server offers no way to sign in that Natter knows.", "Use another app for this account, or ask the provider to enable SCRAM.", ""},
	"second-factor":       {"This account needs more than a password to sign in, which Natter cannot do yet.", "Use another app for this account.", ""},
	"impostor":            {"The server could not prove that it knows this password, so it may not be the real one.", "Do not try again on this network. Ask the provider if it happens elsewhere too.", ""},
	"tampered":            {"What the server offered was changed on the way here. Somebody may be in the middle, so the sign-in was stopped.", "Try again from another network.", ""},
	"bad-sign-in":         {"The server answered the sign-in in a way that cannot be right, so it was stopped.", "Try again. If it stays so, tell the provider, with the details.", ""},
	"sign-in-expired":     {"The server no longer remembers this device.", "Type the password to sign in again.", "password"},
	"away-too-long":       {"This device signs you in for two weeks after your last visit. By its clock they are over.", "Type the password to sign in again.", "password"},
	"password-changed":    {"The password of this account has been changed, or this is not its server.", "Type the new password to sign in again.", "password"},
	"not-remembered":      {"The server does not offer to sign in without the password at the moment.", "Type the password to sign in.", "password"},
	"unread":              {"What this device keeps to sign you in cannot be read at the moment.", "Natter tries again by itself. If it stays so, restart the browser.", ""},
	"too-many-sessions":   {"This account has as many sessions as the server allows.", "Sign out on another device, then try again.", ""},
	"bind-not-allowed":    {"The server does not allow this account to start a session.", "Ask the server's provider why.", ""},
	"bind-conflict":       {"The server says this session exists already, whatever name it is given.", "Sign out on your other devices, then try again.", ""},
	"bind-refused":        {"The server refused to start the session.", "Try again. If it stays so, tell the provider, with the details.", ""},

	// The end of a stream.
	"unknown-host":        {"The server that answered does not know this address's domain.", "Check the part after the @, and the server address under Advanced if there is one.", "address"},
	"host-gone":           {"The server no longer serves this address's domain.", "Ask the provider where it has moved.", "address"},
	"signed-in-elsewhere": {"This session was ended because another one took its place.", "Sign in again to continue here; the other session will then end.", ""},
	"policy-violation":    {"The server ended the connection because it broke one of its rules, such as too many attempts or a message that is too large.", "Wait a few minutes before you try again.", ""},
	"not-authorized":      {"The server ended the session because it no longer accepts the sign-in.", "Sign in again.", ""},
	"system-shutdown":     {"The server is shutting down.", "It usually comes back by itself; Natter keeps trying.", ""},
	"server-reset":        {"The server asked for a fresh start of the connection.", "Natter connects again by itself.", ""},
	"connection-timeout":  {"The server believed that this device had gone and ended the connection.", "Natter connects again by itself.", ""},
	"resource-constraint": {"The server is too busy to go on.", "Try again in a few minutes.", ""},
	"internal-error":      {"Something went wrong inside the server.", "Try again in a few minutes. If it stays so, tell the provider.", ""},
	"remote-failed":       {"The server could not reach a system it depends on.", "Try again in a few minutes.", ""},
	"misunderstanding":    {"The server ended the connection over something that Natter sent.", "Sign in again. If it happens again, tell us, with the details.", ""},
	"server-ended":        {"The server ended the connection for a reason of its own.", "Try again. If it stays so, ask the provider, with the details.", ""},
	"server-closed":       {"The server closed the connection without saying why.", "Natter connects again by itself.", ""},
	"connection-lost":     {"The connection was lost.", "Check your connection to the internet; Natter connects again by itself.", ""},
	"bad-data":            {"The server, or something on the way to it, sent data that is not XMPP.", "Try again. If it stays so, try another network or tell the provider.", ""},
	"cancelled":           {"The attempt was cancelled.", "Try again when you are ready.", ""},
	"unknown":             {"Something went wrong that Natter has no words for.", "Try again. If it stays so, tell us, with the details.", ""},
}

// Explain returns the words for an error of this package or of a stream it made.
func Explain(err error) Problem {
	p := problem(kind(err))
	p.Detail = detail(err)
	var other *IdentityError
	if errors.As(err, &other) && p.Kind == "another-account" {
		p.Account = other.Said
		p.Text = "The server knows you as " + string(other.Said) + ", not as " + string(other.Want) + "."
	}
	return p
}

// ExplainOffline is Explain for when the browser says that there is no network: then the
// network is the reason, not a server or a certificate.
func ExplainOffline(err error) Problem {
	p := Explain(err)
	var e *Error
	var timeout *TimeoutError
	switch {
	case p.Kind == "connection-lost", errors.As(err, &timeout):
	case errors.As(err, &e) && (e.Phase == Discovery || e.Phase == Dial) && Retry(err):
	default:
		return p
	}
	offline := problem("no-network")
	offline.Detail = p.Detail
	return offline
}

// TypedAddress reads the address of an account as a person typed it. The Problem says
// what is wrong with it. A second @ and the like is a mistake in one's own address,
// although XEP-0106 could escape it.
func TypedAddress(typed string) (jid.JID, *Problem) {
	to, err := jid.Typed(typed)
	k, where := "address-characters", ""
	if fault := (*jid.Fault)(nil); errors.As(err, &fault) {
		switch where = fault.Where; {
		case fault.Kind == jid.Empty:
			k = "address-empty"
		case fault.Kind == jid.NoDomain:
			k = "address-no-domain"
		case fault.Kind == jid.NoName:
			k = "address-no-name"
		case !strings.Contains(typed, "@"):
			k = "address-no-at"
		}
	} else if to.Peer.Local() == "" {
		k = "address-no-at"
	} else if _, link := jid.ParseLink(strings.TrimSpace(typed)); link || !needlesslyEscaped(typed, to.Peer.Local()) {
		return to.Peer.Bare(), nil
	}
	p := problem(k)
	if k == "address-characters" && where != "" {
		p.Advice = strings.ToUpper(where[:1]) + where[1:] + ". " + p.Advice
	}
	return "", &p
}

// needlesslyEscaped reports whether a name was escaped because of characters that are
// more likely a mistake.
func needlesslyEscaped(typed, local string) bool {
	return jid.Unescape(local) != local && (strings.ContainsAny(typed, `<>"&:`) || strings.Count(typed, "@") > 1)
}

func problem(kind string) Problem {
	s := sentences[kind]
	return Problem{Kind: kind, Text: s.text, Advice: s.advice, Field: s.field}
}

// detail returns the error and its Attempts, one per line.
func detail(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	var lines []string
	for _, a := range e.Attempts {
		lines = append(lines, a.Error())
	}
	return strings.Join(append(lines, err.Error()), "\n")
}

// kind returns the key of an error in sentences. The most specific cause decides.
func kind(err error) string {
	var (
		e        *Error
		timeout  *TimeoutError
		redirect *RedirectError
		away     *framing.RedirectError
		broken   *framing.StreamError
		syntax   *framing.SyntaxError
		size     *framing.SizeError
		lost     *framing.CloseError
		prep     *sasl.PrepError
		failure  *sasl.FailureError
		server   *sasl.ServerError
		task     *TaskError
		stanza   *framing.StanzaError
		protocol *ProtocolError
		nowhere  *discover.Error
		kept     *CredentialError
		other    *IdentityError
	)
	errors.As(err, &e)
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.As(err, &kept):
		return credentialKinds[kept.Reason]
	case errors.Is(err, ErrUnread):
		return "unread"
	case errors.As(err, &other) && other.Said.Domain() != other.Want.Domain():
		return "another-domain"
	case errors.As(err, &other):
		return "another-account"
	case errors.As(err, &redirect) && redirect.Reason == NotWebSocket:
		return "redirect-bosh"
	case errors.As(err, &redirect):
		return "redirect-refused"
	case errors.As(err, &away):
		return "redirected"
	case errors.As(err, &timeout):
		return timeoutKinds[timeout.Step]
	case errors.As(err, &failure):
		return failureKinds[failure.Condition]
	case errors.As(err, &prep):
		return "bad-" + prep.What
	case errors.As(err, &server):
		return serverErrorKind(server.Reason)
	case errors.Is(err, sasl.ErrPlainAfterSCRAM):
		return "plain-after-scram"
	case errors.Is(err, sasl.ErrPlainUnprotected):
		return "plain-unprotected"
	case errors.Is(err, sasl.ErrNoMechanism):
		return "no-mechanism"
	case errors.As(err, &task):
		return "second-factor"
	case errors.As(err, &stanza):
		return bindKind(stanza.Condition)
	case errors.Is(err, ErrUnprotected):
		return "unencrypted"
	case errors.Is(err, framing.ErrSubprotocol):
		return "not-xmpp"
	case errors.Is(err, framing.ErrOldDraft):
		return "old-draft"
	case errors.As(err, &broken):
		return streamErrorKinds[broken.Condition]
	case errors.As(err, &protocol):
		return protocolKind(e)
	case errors.As(err, &syntax), errors.Is(err, framing.ErrBinary):
		return "bad-data"
	case errors.As(err, &size):
		return "policy-violation"
	case errors.As(err, &nowhere):
		return discoveryKinds[nowhere.Kind]
	case e != nil && e.Phase == Dial:
		return "no-connection"
	case errors.As(err, &lost):
		return "connection-lost"
	case errors.Is(err, framing.ErrClosed):
		return "server-closed"
	case errors.Is(err, context.DeadlineExceeded):
		return "no-answer-dial"
	case e != nil && e.Phase == Established:
		return "connection-lost" // the server no longer answers, or a redirect could not be followed
	}
	return "unknown"
}

var discoveryKinds = map[discover.Kind]string{
	discover.BadEntry:    "bad-server",
	discover.BadDomain:   "bad-domain",
	discover.Unreachable: "unreachable",
	discover.Timeout:     "no-answer-discovery",
	discover.NoHostMeta:  "no-host-meta",
	discover.BadStatus:   "host-meta-status",
	discover.WebPage:     "host-meta-page",
	discover.TooLong:     "bad-host-meta",
	discover.Malformed:   "bad-host-meta",
	discover.NoWebSocket: "no-websocket",
	discover.Insecure:    "insecure-websocket",
}

var timeoutKinds = map[Step]string{
	ToDial:         "no-answer-dial",
	ToOpen:         "no-answer-open",
	ToFeatures:     "no-answer-features",
	ToAuthenticate: "no-answer-sign-in",
	ToReopen:       "no-answer-after",
	ToRefeatures:   "no-answer-after",
	ToResume:       "no-answer-bind",
	ToBind:         "no-answer-bind",
}

// failureKinds has the eleven conditions of RFC 6120 §6.5; sasl.NewFailure makes no others.
var failureKinds = map[string]string{
	sasl.Aborted:              "sign-in-aborted",
	sasl.AccountDisabled:      "account-disabled",
	sasl.CredentialsExpired:   "credentials-expired",
	sasl.EncryptionRequired:   "encryption-required",
	sasl.IncorrectEncoding:    "sign-in-rejected",
	sasl.InvalidAuthzid:       "not-yourself",
	sasl.InvalidMechanism:     "mechanism-rejected",
	sasl.MalformedRequest:     "sign-in-rejected",
	sasl.MechanismTooWeak:     "mechanism-rejected",
	sasl.NotAuthorized:        "wrong-password",
	sasl.TemporaryAuthFailure: "temporary-failure",
}

// streamErrorKinds has the 25 conditions of RFC 6120 §4.9.3; framing makes no others.
var streamErrorKinds = map[string]string{
	framing.BadFormat:              "misunderstanding",
	framing.BadNamespacePrefix:     "misunderstanding",
	framing.Conflict:               "signed-in-elsewhere",
	framing.ConnectionTimeout:      "connection-timeout",
	framing.HostGone:               "host-gone",
	framing.HostUnknown:            "unknown-host",
	framing.ImproperAddressing:     "misunderstanding",
	framing.InternalServerError:    "internal-error",
	framing.InvalidFrom:            "misunderstanding",
	framing.InvalidNamespace:       "misunderstanding",
	framing.InvalidXML:             "misunderstanding",
	framing.NotAuthorized:          "not-authorized",
	framing.NotWellFormed:          "misunderstanding",
	framing.PolicyViolation:        "policy-violation",
	framing.RemoteConnectionFailed: "remote-failed",
	framing.Reset:                  "server-reset",
	framing.ResourceConstraint:     "resource-constraint",
	framing.RestrictedXML:          "misunderstanding",
	framing.SeeOtherHost:           "redirected",
	framing.SystemShutdown:         "system-shutdown",
	framing.UndefinedCondition:     "server-ended",
	framing.UnsupportedEncoding:    "misunderstanding",
	framing.UnsupportedFeature:     "misunderstanding",
	framing.UnsupportedStanzaType:  "misunderstanding",
	framing.UnsupportedVersion:     "old-version",
}

var credentialKinds = map[Unusable]string{
	Missing:    "sign-in-expired",
	Foreign:    "not-remembered",
	Expired:    "away-too-long",
	Refused:    "sign-in-expired",
	Changed:    "password-changed",
	NotOffered: "not-remembered",
}

func serverErrorKind(reason sasl.Reason) string {
	switch reason {
	case sasl.BadSignature, sasl.NoSignature, sasl.EarlySuccess:
		return "impostor"
	case sasl.Downgraded:
		return "tampered"
	}
	return "bad-sign-in"
}

func bindKind(condition string) string {
	switch condition {
	case "resource-constraint":
		return "too-many-sessions"
	case "not-allowed":
		return "bind-not-allowed"
	case "conflict":
		return "bind-conflict"
	}
	return "bind-refused"
}

// protocolKind returns the kind of a ProtocolError.
func protocolKind(e *Error) string {
	switch {
	case e == nil:
		return "protocol"
	case e.Condition == framing.UnsupportedVersion:
		return "old-version"
	case e.Err == errNoBinding:
		return "no-binding"
	case e.Err == errNoAddress:
		return "no-address"
	case e.Condition == framing.UnsupportedFeature:
		return "unsupported-feature"
	}
	return "protocol"
}
