package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

var ctx = context.Background()

// exchange plays a client against fixed messages of a server.
func exchange(t *testing.T, name string, login Login, serverFirst, serverFinal string) (first, final string, err error) {
	t.Helper()
	m, err := New(name, login, Standard{})
	if err != nil {
		return "", "", err
	}
	if m.Name() != name {
		t.Errorf("Name() = %q, want %q", m.Name(), name)
	}
	a, err := m.Start(ctx)
	if err != nil {
		return "", "", err
	}
	b, err := m.Next(ctx, []byte(serverFirst))
	if err != nil {
		return string(a), "", err
	}
	return string(a), string(b), m.Done(ctx, []byte(serverFinal), true)
}

func fixed(nonce string) func() string { return func() string { return nonce } }

func TestVectors(t *testing.T) {
	const long = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	proof512, signature512 := scramSHA512("n=user,r=rOprNGfwEbeRWgbNEkqO", long, "n,,", "pencil")
	for _, tc := range []struct{ rule, mechanism, nonce, serverFirst, first, final, serverFinal string }{
		{
			"RFC 5802 §5", SCRAMSHA1, "fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"RFC 7677 §3", SCRAMSHA256, "rOprNGfwEbeRWgbNEkqO", long,
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
		{
			"SHA-512 as computed below", SCRAMSHA512, "rOprNGfwEbeRWgbNEkqO", long,
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=" + proof512,
			"v=" + signature512,
		},
	} {
		t.Run("A02 A03 "+tc.rule, func(t *testing.T) {
			first, final, err := exchange(t, tc.mechanism, Login{User: "user", Password: "pencil", Nonce: fixed(tc.nonce)}, tc.serverFirst, tc.serverFinal)
			if err != nil {
				t.Fatal(err)
			}
			if first != tc.first || final != tc.final {
				t.Errorf("sent\n%s\n%s, want\n%s\n%s", first, final, tc.first, tc.final)
			}
		})
	}
}

// scramSHA512 is SCRAM once more, from the formulas of RFC 5802 §3 and RFC 2898
// §5.2, with nothing of the package under test.
func scramSHA512(firstBare, serverFirst, gs2, password string) (proof, signature string) {
	mac := func(key []byte, data string) []byte {
		m := hmac.New(sha512.New, key)
		m.Write([]byte(data))
		return m.Sum(nil)
	}
	fields := strings.Split(serverFirst, ",")
	salt, _ := base64.StdEncoding.DecodeString(fields[1][2:])
	u := mac([]byte(password), string(binary.BigEndian.AppendUint32(salt, 1)))
	salted := append([]byte{}, u...)
	for range 4095 {
		u = mac([]byte(password), string(u))
		for i := range salted {
			salted[i] ^= u[i]
		}
	}
	authMessage := firstBare + "," + serverFirst + ",c=" + base64.StdEncoding.EncodeToString([]byte(gs2)) + "," + fields[0]
	key := mac(salted, "Client Key")
	stored := sha512.Sum512(key)
	for i, b := range mac(stored[:], authMessage) {
		key[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), authMessage))
}

func TestP15_HashOverTheOffer(t *testing.T) {
	const nonce = "12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6"
	mechanisms := []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"}
	bindings := []string{"tls-server-end-point", "tls-exporter"}

	t.Run("P15 the text and hash of XEP-0474 §6.3", func(t *testing.T) {
		if got, want := offerText(mechanisms, bindings), "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point"; got != want {
			t.Errorf("offerText = %q, want %q", got, want)
		}
		if got, _ := offerHash(ctx, Standard{}, SHA1, mechanisms, bindings); got != "G6k/rBLDqgOhRRaCuuatSDFkJ08=" {
			t.Errorf("offerHash = %q", got)
		}
	})
	t.Run("P15 none announced is not the same as an empty list", func(t *testing.T) {
		if got := offerText(mechanisms, nil); got != "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS" {
			t.Errorf("offerText without bindings = %q", got)
		}
		if got := offerText(mechanisms, []string{}); got != "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1f" {
			t.Errorf("offerText with no binding = %q", got)
		}
	})

	const challenge = "r=" + nonce + "a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="
	for _, tc := range []struct {
		name                 string
		mechanisms, bindings []string
		want                 Reason
	}{
		{"honest", mechanisms, bindings, ""},
		{"a mechanism taken away", mechanisms[1:], bindings, Downgraded},
		{"a mechanism added", append([]string{"PLAIN"}, mechanisms...), bindings, Downgraded},
		{"a binding taken away", mechanisms, bindings[:1], Downgraded},
		{"all bindings taken away", mechanisms, nil, Downgraded},
	} {
		t.Run("P15 "+tc.name, func(t *testing.T) {
			m, err := New(SCRAMSHA1, Login{User: "user", Password: "pencil", Offered: tc.mechanisms, Bindings: tc.bindings, Nonce: fixed(nonce)}, Standard{})
			if err != nil {
				t.Fatal(err)
			}
			m.Start(ctx)
			_, err = m.Next(ctx, []byte(challenge))
			wantReason(t, err, tc.want)
		})
	}
}

// wantReason checks that err is a *ServerError for this reason, or nil if the
// reason is "".
func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	var e *ServerError
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && !errors.As(err, &e):
		t.Errorf("error %v, want reason %q", err, want)
	case want != "" && e.Reason != want:
		t.Errorf("reason %q, want %q", e.Reason, want)
	}
}
