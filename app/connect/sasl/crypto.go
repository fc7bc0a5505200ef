package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
)

// Hash names a hash function as WebCrypto does.
type Hash string

const (
	SHA1   Hash = "SHA-1"
	SHA256 Hash = "SHA-256"
	SHA512 Hash = "SHA-512"
)

// Size returns the length of a digest in bytes.
func (h Hash) Size() int {
	switch h {
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// Crypto computes hashes and keys. Standard does it in Go; a page uses WebCrypto, which
// does not block. The caller owns the results and overwrites them after use.
type Crypto interface {
	PBKDF2(ctx context.Context, hash Hash, password, salt []byte, iterations, keyLen int) ([]byte, error)
	HMAC(ctx context.Context, hash Hash, key, data []byte) ([]byte, error)
	Sum(ctx context.Context, hash Hash, data []byte) ([]byte, error)
}

// Standard is Crypto by the standard library. A context that is cancelled in the
// middle of PBKDF2 is noticed at its end: a million iterations take about half a
// second.
type Standard struct{}

var errHash = errors.New("sasl: unknown hash")

func (h Hash) new() func() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return nil
}

func (Standard) PBKDF2(ctx context.Context, hash Hash, password, salt []byte, iterations, keyLen int) ([]byte, error) {
	newHash := hash.new()
	if newHash == nil {
		return nil, errHash
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(newHash, string(password), salt, iterations, keyLen)
	if err != nil {
		return nil, err
	}
	return key, ctx.Err()
}

func (Standard) HMAC(_ context.Context, hash Hash, key, data []byte) ([]byte, error) {
	newHash := hash.new()
	if newHash == nil {
		return nil, errHash
	}
	m := hmac.New(newHash, key)
	m.Write(data)
	return m.Sum(nil), nil
}

func (Standard) Sum(_ context.Context, hash Hash, data []byte) ([]byte, error) {
	newHash := hash.new()
	if newHash == nil {
		return nil, errHash
	}
	h := newHash()
	h.Write(data)
	return h.Sum(nil), nil
}
