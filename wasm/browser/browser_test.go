//go:build js && wasm

// These tests run in a page: wasm/e2e builds them, opens it in Chromium and plays the
// server. WS, HTTPS and FOREIGN tell where that is.
package browser_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/framing/sockettest"
	"natter/wasm/browser"
)

// K08: the page's socket keeps the same promises as the others.
func TestSocket(t *testing.T) { sockettest.Test(t, os.Getenv("WS"), browser.DialSocket) }

func TestA17_WebCryptoIsStandard(t *testing.T) {
	ctx := context.Background()
	web, standard := browser.Crypto(), sasl.Crypto(sasl.Standard{})
	if web == standard {
		t.Fatal("the page has no WebCrypto")
	}
	for _, hash := range []sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512} {
		for _, text := range []string{"", "p", "pencil", "пароль\U0001F511", strings.Repeat("long ", 1000)} {
			same := func(what string, f func(sasl.Crypto) ([]byte, error)) {
				t.Helper()
				a, err := f(web)
				if err != nil {
					t.Fatalf("%s %s of %.10q: %v", what, hash, text, err)
				}
				b, err := f(standard)
				if err != nil || !bytes.Equal(a, b) || len(a) == 0 {
					t.Errorf("%s %s of %.10q: %x, the standard library says %x, %v", what, hash, text, a, b, err)
				}
			}
			same("PBKDF2", func(c sasl.Crypto) ([]byte, error) {
				return c.PBKDF2(ctx, hash, []byte(text), []byte("salt of 16 bytes"), 4096, 20)
			})
			same("HMAC", func(c sasl.Crypto) ([]byte, error) { return c.HMAC(ctx, hash, []byte("key"), []byte(text)) })
			same("Sum", func(c sasl.Crypto) ([]byte, error) { return c.Sum(ctx, hash, []byte(text)) })
		}
	}
}

func TestFetch(t *testing.T) {
	const limit = 64 << 10
	get := func(address string) (*discover.Document, error) {
		patience := 30 * time.Second
		if strings.HasSuffix(address, "/hang") {
			patience = 2 * time.Second
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return browser.Fetch{}.Fetch(ctx, address, "application/json", limit)
	}
	base, other := os.Getenv("HTTPS"), os.Getenv("FOREIGN")
	doc, err := get(base + "/document")
	if err != nil || doc.Status != 200 || string(doc.Body) != `{"links":[]}` || !strings.HasPrefix(doc.Type, "application/json") {
		t.Fatalf("an honest document: %+v, %v", doc, err)
	}
	t.Run("D12 no credentials", func(t *testing.T) {
		if doc, err := get(base + "/cookies"); err != nil || string(doc.Body) != "" {
			t.Errorf("the server saw the cookies %q, %v", doc.Body, err)
		}
	})
	t.Run("D12 limits", func(t *testing.T) {
		if doc, err := get(base + "/limit"); err != nil || len(doc.Body) != limit {
			t.Errorf("a document as long as the limit: %v", err)
		}
		for _, path := range []string{"/over", "/endless"} {
			if _, err := get(base + path); !errors.Is(err, discover.ErrTooLong) {
				t.Errorf("%s: %v, want ErrTooLong", path, err)
			}
		}
		if _, err := get(base + "/hang"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a server that hangs: %v", err)
		}
	})
	t.Run("D01 D07 redirects", func(t *testing.T) {
		if doc, err := get(base + "/redirect"); err != nil || !strings.HasSuffix(doc.URL, "/document") {
			t.Errorf("a redirect on https: %+v, %v", doc, err)
		}
		if doc, err := get(base + "/redirect-http"); err == nil {
			t.Errorf("a redirect to http was followed to %s", doc.URL)
		}
	})
	t.Run("D10 CORS", func(t *testing.T) {
		if _, err := get(other + "/open"); err != nil {
			t.Errorf("with CORS: %v", err)
		}
		if _, err := get(other + "/closed"); err == nil {
			t.Error("without CORS the document was read")
		}
		if doc, err := get(other + "/missing"); err != nil || doc.Status != 404 {
			t.Errorf("a status is no error: %+v, %v", doc, err)
		}
	})
}
