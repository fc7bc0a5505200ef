package sasl

import (
	"bytes"
	"context"
	"crypto/subtle"
	"strings"
	"unicode/utf8"
)

// HTSHA256None is the Hashed Token mechanism (draft-schmaus-kitten-sasl-ht) that is
// not bound to the TLS channel, the only one a page can use.
//
// The message it sends is the same every time. Whoever has seen one can sign in with
// it, so it is a secret like the token itself and goes over protected streams only.
const HTSHA256None = "HT-SHA-256-NONE"

// hashedToken is the client's side: one message, and one with success in which the
// server shows that it knows the token too.
type hashedToken struct {
	user, token string
	crypto      Crypto
	started     bool
}

func newHashedToken(login Login, crypto Crypto) (Mechanism, error) {
	if login.User == "" || strings.ContainsRune(login.User, 0) || !utf8.ValidString(login.User) {
		return nil, &PrepError{"name"}
	}
	if login.Token == "" {
		return nil, &PrepError{"token"}
	}
	return &hashedToken{user: login.User, token: login.Token, crypto: crypto}, nil
}

func (m *hashedToken) Name() string { return HTSHA256None }

func (m *hashedToken) Start(ctx context.Context) ([]byte, error) {
	proof, err := m.mac(ctx, "Initiator")
	if err != nil {
		return nil, err
	}
	m.started = true
	return append([]byte(m.user+"\x00"), proof...), nil
}

func (m *hashedToken) Next(context.Context, []byte) ([]byte, error) {
	return nil, &ServerError{Unexpected, "a challenge in " + HTSHA256None}
}

func (m *hashedToken) Done(ctx context.Context, additional []byte, present bool) error {
	started := m.started
	m.started = false // there is one answer
	switch {
	case !started:
		return &ServerError{EarlySuccess, ""}
	case !present || len(additional) == 0:
		return &ServerError{NoSignature, ""}
	}
	want, err := m.mac(ctx, "Responder")
	if err != nil {
		return err
	}
	defer clear(want)
	if subtle.ConstantTimeCompare(additional, want) != 1 {
		return &ServerError{BadSignature, ""}
	}
	return nil
}

func (m *hashedToken) mac(ctx context.Context, role string) ([]byte, error) {
	token := []byte(m.token)
	defer clear(token)
	return m.crypto.HMAC(ctx, SHA256, token, []byte(role))
}

// HashedToken is the form in which a server stores a token for HTSHA256None. It is
// enough to sign in, so it is a secret too.
type HashedToken struct{ initiator, responder []byte }

// HashToken returns what to keep of a token.
func HashToken(token string) HashedToken {
	return HashedToken{mac(SHA256, []byte(token), "Initiator"), mac(SHA256, []byte(token), "Responder")}
}

// Check reports whether proof was made with the token, and returns what goes with
// success then.
func (t HashedToken) Check(proof []byte) (answer []byte, ok bool) {
	if subtle.ConstantTimeCompare(proof, t.initiator) != 1 {
		return nil, false
	}
	return t.responder, true
}

// ReadHashedToken splits the client's message in HTSHA256None. The error is the
// *FailureError malformed-request.
func ReadHashedToken(message []byte) (user string, proof []byte, err error) {
	name, proof, ok := bytes.Cut(message, []byte{0})
	if !ok || len(name) == 0 || !utf8.Valid(name) || len(proof) != SHA256.Size() {
		return "", nil, malformed
	}
	user, err = prepare("name", string(name))
	if err != nil {
		return "", nil, malformed
	}
	return user, proof, nil
}
