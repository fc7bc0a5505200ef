package sasl

import (
	"bytes"
	"context"
	"errors"
	"slices"
)

// Keys are SCRAM's keys, which a client can store instead of the password. They are
// enough to sign in and to check the server until the password is changed; the password
// cannot be computed from them (RFC 5802 §9).
type Keys struct {
	Salt       []byte
	Iterations int
	ClientKey  []byte
	ServerKey  []byte
}

// String keeps the keys out of logs.
func (k Keys) String() string { return "keys" }

// GoString does too.
func (k Keys) GoString() string { return "sasl.Keys{}" }

// ErrOtherSalt reports keys that were made for another salt or number of iterations
// than the server has now: the password has been changed, or this is another server. No
// proof was sent.
var ErrOtherSalt = errors.New("the kept keys are not for the salt and iterations the server names")

// KeysOf returns the keys that a SCRAM with Login.Keep has used, nil unless the
// server is believed. The caller owns them.
func KeysOf(m Mechanism) *Keys {
	s, ok := m.(*scram)
	if !ok || !s.believed || s.kept == nil {
		return nil
	}
	k := s.kept
	s.kept = nil
	return k
}

// keys returns those for the server's first message: the kept ones, else made of the
// password. The caller overwrites them.
func (s *scram) keys(ctx context.Context, first *serverFirst) (*Keys, error) {
	if k := s.login.Keys; k != nil {
		if k.Iterations != first.iterations || !bytes.Equal(k.Salt, first.salt) {
			return nil, ErrOtherSalt
		}
		return &Keys{k.Salt, k.Iterations, slices.Clone(k.ClientKey), slices.Clone(k.ServerKey)}, nil
	}
	password := []byte(s.login.Password)
	defer clear(password)
	salted, err := s.crypto.PBKDF2(ctx, s.hash, password, first.salt, first.iterations, s.hash.Size())
	if err != nil {
		return nil, err
	}
	defer clear(salted)
	k := &Keys{Salt: first.salt, Iterations: first.iterations}
	if k.ClientKey, err = s.crypto.HMAC(ctx, s.hash, salted, []byte("Client Key")); err != nil {
		return nil, err
	}
	if k.ServerKey, err = s.crypto.HMAC(ctx, s.hash, salted, []byte("Server Key")); err != nil {
		k.Wipe()
		return nil, err
	}
	return k, nil
}

func (k *Keys) clone() *Keys {
	return &Keys{slices.Clone(k.Salt), k.Iterations, slices.Clone(k.ClientKey), slices.Clone(k.ServerKey)}
}

// Wipe overwrites the keys. A nil Keys has none.
func (k *Keys) Wipe() {
	if k == nil {
		return
	}
	clear(k.ClientKey)
	clear(k.ServerKey)
}

// complete reports whether the keys can be those of a hash at all.
func (k *Keys) complete(hash Hash) bool {
	return len(k.ClientKey) == hash.Size() && len(k.ServerKey) == hash.Size()
}
