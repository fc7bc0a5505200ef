//go:build js && wasm

package browser

import (
	"context"

	"natter/app/connect/sasl"
)

// Crypto returns WebCrypto, which works off the page's thread, or the standard
// library where a page has none (http on a host that is not this machine).
func Crypto() sasl.Crypto {
	if global.Get("crypto").Get("subtle").Truthy() {
		return webCrypto{}
	}
	return sasl.Standard{}
}

type webCrypto struct{}

func (webCrypto) PBKDF2(ctx context.Context, hash sasl.Hash, password, salt []byte, iterations, keyLen int) ([]byte, error) {
	if len(password) == 0 {
		return sasl.Standard{}.PBKDF2(ctx, hash, password, salt, iterations, keyLen) // importKey refuses an empty key
	}
	subtle := global.Get("crypto").Get("subtle")
	key, err := await(ctx, subtle.Call("importKey", "raw", bytesToJS(password), "PBKDF2", false, []any{"deriveBits"}))
	if err != nil {
		return nil, err
	}
	bits, err := await(ctx, subtle.Call("deriveBits", map[string]any{
		"name": "PBKDF2", "hash": string(hash), "salt": bytesToJS(salt), "iterations": iterations,
	}, key, keyLen*8))
	if err != nil {
		return nil, err
	}
	return bytesToGo(bits), nil
}

func (webCrypto) HMAC(ctx context.Context, hash sasl.Hash, key, data []byte) ([]byte, error) {
	subtle := global.Get("crypto").Get("subtle")
	k, err := await(ctx, subtle.Call("importKey", "raw", bytesToJS(key),
		map[string]any{"name": "HMAC", "hash": string(hash)}, false, []any{"sign"}))
	if err != nil {
		return nil, err
	}
	mac, err := await(ctx, subtle.Call("sign", "HMAC", k, bytesToJS(data)))
	if err != nil {
		return nil, err
	}
	return bytesToGo(mac), nil
}

func (webCrypto) Sum(ctx context.Context, hash sasl.Hash, data []byte) ([]byte, error) {
	sum, err := await(ctx, global.Get("crypto").Get("subtle").Call("digest", string(hash), bytesToJS(data)))
	if err != nil {
		return nil, err
	}
	return bytesToGo(sum), nil
}
