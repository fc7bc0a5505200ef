// Package sasl authenticates with SCRAM, PLAIN, ANONYMOUS and, with a token instead
// of a password, HT-SHA-256-NONE. It computes the messages; the caller puts them into the
// elements of SASL (RFC 6120) or SASL2 (XEP-0388).
//
// A page cannot bind to its TLS channel, so SCRAM always says so ("n,,") and the
// -PLUS mechanisms are ignored. Instead the server proves itself by its signature and,
// with many servers, by the hash over the list of mechanisms in its first message
// (XEP-0474). A success without the signature is a failure.
//
// The expensive part is behind Crypto: 100,000 iterations of PBKDF2 in WebAssembly would
// freeze the page for a quarter of a second.
package sasl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// Names of the mechanisms.
const (
	SCRAMSHA512 = "SCRAM-SHA-512"
	SCRAMSHA256 = "SCRAM-SHA-256"
	SCRAMSHA1   = "SCRAM-SHA-1"
	Plain       = "PLAIN"
	Anonymous   = "ANONYMOUS"
)

// Mechanism is our side of one authentication. It is used once, by one goroutine. The
// order of calls is: Start, Next for every challenge, Done at success. After the first
// error the caller aborts.
//
// Errors are *ServerError when the server broke the rules, *FailureError when
// SCRAM itself carried the refusal, *PrepError when the name or password cannot
// be used, and those of Crypto.
type Mechanism interface {
	Name() string

	// Start returns the initial response. Nil means that there is none, which is not the
	// same as an empty one.
	Start(ctx context.Context) (initial []byte, err error)

	// Next answers a challenge.
	Next(ctx context.Context, challenge []byte) (response []byte, err error)

	// Done checks the data that came with success; present says whether there was any. The
	// server is trusted only if Done returns nil.
	Done(ctx context.Context, additional []byte, present bool) error
}

// Login has the name and the secret, and what the server offers.
type Login struct {
	User     string // localpart of the address (RFC 6120 §6.3.7)
	Password string
	Token    string // instead of Password, for HTSHA256None
	Keys     *Keys  // instead of Password, for SCRAM; from an earlier exchange

	// Keep has SCRAM keep its keys for KeysOf.
	Keep bool

	// Authzid is the bare address to act as, only if it is not that of User
	// (RFC 6120 §6.3.8).
	Authzid string

	// Offered are the mechanisms of the profile in use, SASL or SASL2, as the
	// server listed them. Bindings are its channel-binding types (XEP-0440), nil
	// if it did not list any. XEP-0474 checks both.
	Offered  []string
	Bindings []string

	// Nonce makes the nonce of SCRAM, printable ASCII without commas. Nil means
	// 192 random bits.
	Nonce func() string
}

// Policy says which mechanisms may be used.
type Policy struct {
	Anonymous bool // only ANONYMOUS, otherwise never
	Protected bool // the stream is encrypted or does not leave the machine
	NoPlain   bool // the deployment forbids PLAIN altogether
	SCRAMSeen bool // the account has used SCRAM before (XEP-0474 §7)
}

// Reasons for which Choose finds nothing.
var (
	// ErrPlainAfterSCRAM reports a server that has used SCRAM for this account before and
	// now requests the password itself. It may be an attacker (XEP-0474 §7).
	ErrPlainAfterSCRAM = errors.New("the server now asks for the password itself, after it had a safer way for this account")

	// ErrPlainUnprotected reports that the password would be readable in the network, or
	// that the deployment forbids to send it.
	ErrPlainUnprotected = errors.New("the server wants the password itself, which must not be sent here")

	ErrNoMechanism = errors.New("the server offers no way to sign in that we know")
)

// strongest first, whatever the order of the server's list (RFC 6120 §6.3.3).
var strongest = []string{SCRAMSHA512, SCRAMSHA256, SCRAMSHA1}

// Choose returns the mechanism to use. It ignores those it does not know, such as -PLUS
// (XEP-0440 §3).
func Choose(offered []string, policy Policy) (name string, err error) {
	if policy.Anonymous {
		if slices.Contains(offered, Anonymous) {
			return Anonymous, nil
		}
		return "", ErrNoMechanism
	}
	for _, name := range strongest {
		if slices.Contains(offered, name) {
			return name, nil
		}
	}
	switch {
	case !slices.Contains(offered, Plain):
		return "", ErrNoMechanism
	case policy.SCRAMSeen:
		return "", ErrPlainAfterSCRAM
	case !policy.Protected || policy.NoPlain:
		return "", ErrPlainUnprotected
	}
	return Plain, nil
}

// IsSCRAM reports whether an account that has used this mechanism is to be
// remembered for Policy.SCRAMSeen.
func IsSCRAM(name string) bool { return slices.Contains(strongest, name) }

// New returns the mechanism that Choose named, or HTSHA256None; ErrNoMechanism for
// any other name, a *PrepError if user, password or what stands in for it cannot be
// used. Crypto is for SCRAM and tokens only.
func New(name string, login Login, crypto Crypto) (Mechanism, error) {
	switch name {
	case SCRAMSHA512:
		return newSCRAM(SHA512, login, crypto)
	case SCRAMSHA256:
		return newSCRAM(SHA256, login, crypto)
	case SCRAMSHA1:
		return newSCRAM(SHA1, login, crypto)
	case Plain:
		return newPlain(login)
	case HTSHA256None:
		return newHashedToken(login, crypto)
	case Anonymous:
		return &oneShot{name: Anonymous, initial: []byte{}}, nil
	}
	return nil, ErrNoMechanism
}

// newPlain sends name and password as they were typed. The server prepares them (RFC 4616
// §2), and it may pass them to an LDAP directory that compares bytes.
func newPlain(login Login) (Mechanism, error) {
	for _, s := range []struct{ what, value string }{{"name", login.User}, {"password", login.Password}} {
		if s.value == "" || strings.ContainsRune(s.value, 0) || !utf8.ValidString(s.value) {
			return nil, &PrepError{s.what}
		}
	}
	if strings.ContainsRune(login.Authzid, 0) || !utf8.ValidString(login.Authzid) {
		return nil, &PrepError{"name"}
	}
	return &oneShot{name: Plain, initial: []byte(login.Authzid + "\x00" + login.User + "\x00" + login.Password)}, nil
}

// oneShot is a mechanism with a single message.
type oneShot struct {
	name    string
	initial []byte
	started bool
}

func (m *oneShot) Name() string { return m.name }

func (m *oneShot) Start(context.Context) ([]byte, error) {
	initial := m.initial
	m.initial, m.started = nil, true
	return initial, nil
}

func (m *oneShot) Next(context.Context, []byte) ([]byte, error) {
	return nil, &ServerError{Unexpected, "a challenge in " + m.name}
}

func (m *oneShot) Done(_ context.Context, additional []byte, _ bool) error {
	if !m.started {
		return &ServerError{EarlySuccess, ""}
	}
	if len(additional) > 0 {
		return &ServerError{Unexpected, "data with the success of " + m.name}
	}
	return nil
}
