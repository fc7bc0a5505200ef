//go:build js && wasm

package browser

import (
	"context"
	"syscall/js"

	"natter/app/connect/sasl"
)

// Crypto returns WebCrypto, which works off the page's thread. What it cannot do the
// standard library does: where a page has none (http on a host that is not this machine),
// or with an empty key, which importKey refuses.
func Crypto() sasl.Crypto { return webCrypto{} }

type webCrypto struct{ sasl.Standard }

func (c webCrypto) PBKDF2(ctx context.Context, hash sasl.Hash, password, salt []byte, iterations, keyLen int) ([]byte, error) {
	bits := keyed(ctx, password, "PBKDF2", "deriveBits", map[string]any{
		"name": "PBKDF2", "hash": string(hash), "salt": bytesToJS(salt), "iterations": iterations,
	}, keyLen*8)
	if bits == nil {
		return c.Standard.PBKDF2(ctx, hash, password, salt, iterations, keyLen)
	}
	return bits, nil
}

func (c webCrypto) HMAC(ctx context.Context, hash sasl.Hash, key, data []byte) ([]byte, error) {
	mac := keyed(ctx, key, map[string]any{"name": "HMAC", "hash": string(hash)}, "sign", "HMAC", bytesToJS(data))
	if mac == nil {
		return c.Standard.HMAC(ctx, hash, key, data)
	}
	return mac, nil
}

func (c webCrypto) Sum(ctx context.Context, hash sasl.Hash, data []byte) ([]byte, error) {
	sum, err := ask(ctx, subtle(), "digest", string(hash), bytesToJS(data))
	if err != nil {
		return c.Standard.Sum(ctx, hash, data)
	}
	return bytesToGo(sum), nil
}

func subtle() js.Value { return global.Get("crypto").Get("subtle") }

// keyed does something with a key, between what it is done with and what to. It is nil if
// that cannot be done.
func keyed(ctx context.Context, key []byte, algorithm any, what string, with, to any) []byte {
	k, err := ask(ctx, subtle(), "importKey", "raw", bytesToJS(key), algorithm, false, []any{what})
	if err != nil {
		return nil
	}
	result, err := ask(ctx, subtle(), what, with, k, to)
	if err != nil {
		return nil
	}
	return bytesToGo(result)
}
