package sasl

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
)

// scram is SCRAM (RFC 5802) for clients. The names of what it computes are those
// of RFC 5802 §3.
type scram struct {
	hash   Hash
	login  Login
	crypto Crypto

	step      step
	gs2       string // header: no channel binding, perhaps the authorization identity
	firstBare string // our first message without the header
	nonce     string // our part
	signature []byte // what the server has to send
	kept      *Keys  // with Login.Keep, for KeysOf
	believed  bool   // the server's signature was right and it said success
}

type step int

const (
	idle         step = iota
	sentFirst         // the server has our name
	sentFinal         // the server has our proof
	verified          // we have the server's
	failed            // one of them was wrong
	serverSigned      // only for servers: the proof was right
)

func newSCRAM(hash Hash, login Login, crypto Crypto) (*scram, error) {
	var err error
	if login.User, err = prepare("name", login.User); err != nil {
		return nil, err
	}
	if login.Keys == nil {
		login.Password, err = prepare("password", login.Password)
	} else if !login.Keys.complete(hash) {
		err = &PrepError{"keys"}
	}
	if err != nil {
		return nil, err
	}
	if login.Authzid != "" {
		if login.Authzid, err = prepare("name", login.Authzid); err != nil {
			return nil, err
		}
	}
	if login.Nonce == nil {
		login.Nonce = randomNonce
	}
	return &scram{hash: hash, login: login, crypto: crypto}, nil
}

func randomNonce() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return Encode(b)
}

func (s *scram) Name() string { return "SCRAM-" + string(s.hash) }

func (s *scram) Start(context.Context) ([]byte, error) {
	s.gs2 = "n,,"
	if s.login.Authzid != "" {
		s.gs2 = "n,a=" + escapeName(s.login.Authzid) + ","
	}
	s.nonce = s.login.Nonce()
	s.firstBare = "n=" + escapeName(s.login.User) + ",r=" + s.nonce
	s.step = sentFirst
	return []byte(s.gs2 + s.firstBare), nil
}

// Next answers the server's first message with our proof. A server may also send
// its signature as a challenge instead of with success; the answer to that is
// empty.
func (s *scram) Next(ctx context.Context, challenge []byte) ([]byte, error) {
	now := s.step
	s.step = failed // until the end is reached
	switch now {
	case sentFirst:
		final, err := s.final(ctx, string(challenge))
		if err != nil {
			return nil, err
		}
		s.step = sentFinal
		return final, nil
	case sentFinal:
		if err := s.verify(string(challenge)); err != nil {
			return nil, err
		}
		s.step = verified
		return []byte{}, nil
	}
	return nil, &ServerError{Unexpected, "a challenge"}
}

func (s *scram) Done(_ context.Context, additional []byte, present bool) error {
	err := s.done(additional, present)
	s.believed = err == nil
	if err != nil && s.kept != nil {
		s.kept.Wipe()
		s.kept = nil
	}
	return err
}

func (s *scram) done(additional []byte, present bool) error {
	now := s.step
	s.step = failed
	switch {
	case now == sentFinal && present:
		return s.verify(string(additional))
	case now == sentFinal:
		return &ServerError{NoSignature, ""}
	case now == verified && len(additional) > 0:
		return &ServerError{Unexpected, "data after the signature"}
	case now == verified:
		return nil
	}
	return &ServerError{EarlySuccess, ""}
}

// final computes the proof, and beside it the signature to expect.
func (s *scram) final(ctx context.Context, challenge string) ([]byte, error) {
	first, err := parseServerFirst(challenge, s.nonce)
	if err != nil {
		return nil, err
	}
	if err := s.checkOffer(ctx, first.offered); err != nil {
		return nil, err
	}

	withoutProof := "c=" + Encode([]byte(s.gs2)) + ",r=" + first.nonce
	authMessage := []byte(s.firstBare + "," + challenge + "," + withoutProof)

	keys, err := s.keys(ctx, first)
	if err != nil {
		return nil, err
	}
	defer keys.Wipe()
	storedKey, err := s.crypto.Sum(ctx, s.hash, keys.ClientKey)
	if err != nil {
		return nil, err
	}
	defer clear(storedKey)
	clientSignature, err := s.crypto.HMAC(ctx, s.hash, storedKey, authMessage)
	if err != nil {
		return nil, err
	}
	if s.signature, err = s.crypto.HMAC(ctx, s.hash, keys.ServerKey, authMessage); err != nil {
		return nil, err
	}
	if s.login.Keep {
		s.kept = keys.clone()
	}
	s.login.Password = ""

	proof := make([]byte, len(keys.ClientKey))
	subtle.XORBytes(proof, keys.ClientKey, clientSignature)
	return []byte(withoutProof + ",p=" + Encode(proof)), nil
}

// checkOffer compares the hash the server sent, if any, with the hash of the mechanisms we
// saw (XEP-0474 §6.2). An attacker who changes both the list and the hash makes our proof
// wrong, because it covers the hash.
func (s *scram) checkOffer(ctx context.Context, offered string) error {
	if offered == "" {
		return nil
	}
	want, err := offerHash(ctx, s.crypto, s.hash, s.login.Offered, s.login.Bindings)
	if err != nil {
		return err
	}
	if offered != want {
		return &ServerError{Downgraded, ""}
	}
	return nil
}

func (s *scram) verify(message string) error {
	signature, err := parseServerFinal(message)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(signature, s.signature) != 1 {
		return &ServerError{BadSignature, ""}
	}
	return nil
}
