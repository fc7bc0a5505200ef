package sasl

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Tokens and the servers' final messages of the first two were recorded from Prosody
// 13.0.1 and ejabberd 24.12; all messages were computed by Python's hmac.
var tokens = []struct{ token, initial, final string }{
	{"secret-token:fast-_SAchdqXQCHdwSAi2oxisOrmjwxio7-u4HEW", "YWxpY2UAhvpzBuCq6WpqSEmF/lOvO8NCUWqXY2dvnLv9yXG+pPw=", "IK/y0h/jBQ26yDpaPHBURfKpx8Mh/DvGqDm2Y/s+83c="},
	{"/NEKP/oLwHg+rbXfrT4bplOjIJQ+cVAdTFA5u4LX670=", "YWxpY2UAYYDQv7EK+i0pPRfT55MPnDERueCFi8YQuffkCxj+tJc=", "7rHj2P2hsx9pzwNPcmDDNC+wpLEW6HldV1EwrHH80Uo="},
	{"tökën", "YWxpY2UAnCBnF6DCzl5IxlRWs+9J7Lqrcz3NWolmNjMwzK7tP3w=", "o4clNWy3d4CbdAzZERfM2Je0QjmpFIMSYEgPYsErAdM="},
}

func hashed(t *testing.T, token string) Mechanism {
	t.Helper()
	m, err := New(HTSHA256None, Login{User: "alice", Token: token, Password: "unused"}, Standard{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestP11_HashedToken(t *testing.T) {
	for _, tc := range tokens {
		t.Run("P11 P12 "+tc.token, func(t *testing.T) {
			m := hashed(t, tc.token)
			initial, err := m.Start(ctx)
			if err != nil || m.Name() != "HT-SHA-256-NONE" || Encode(initial) != tc.initial {
				t.Errorf("%s begins with %s, %v", m.Name(), Encode(initial), err)
			}
			final, err := Decode(tc.final)
			if err != nil {
				t.Fatal(err)
			}
			wantReason(t, m.Done(ctx, final, true), "")

			user, proof, err := ReadHashedToken(initial)
			if err != nil || user != "alice" {
				t.Fatal(user, err)
			}
			answer, ok := HashToken(tc.token).Check(proof)
			if !ok || !bytes.Equal(answer, final) {
				t.Errorf("the server's answer is %x, %v", answer, ok)
			}
			if answer, ok := HashToken(tc.token + "x").Check(proof); ok || answer != nil {
				t.Errorf("another token is accepted, with %x", answer)
			}
		})
	}
}

func TestA09_HashedTokenServer(t *testing.T) {
	right, err := Decode(tokens[0].final)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := Decode(tokens[0].initial)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		final   []byte
		present bool
		want    Reason
	}{
		{"honest", right, true, ""},
		{"nothing", nil, false, NoSignature},
		{"empty", []byte{}, true, NoSignature},
		{"our own message back", initial[len("alice")+1:], true, BadSignature},
		{"one byte short", right[:31], true, BadSignature},
		{"one byte more", append(bytes.Clone(right), 0), true, BadSignature},
	} {
		t.Run("A09 sec26 "+tc.name, func(t *testing.T) {
			m := hashed(t, tokens[0].token)
			if _, err := m.Start(ctx); err != nil {
				t.Fatal(err)
			}
			wantReason(t, m.Done(ctx, tc.final, tc.present), tc.want)
			wantReason(t, m.Done(ctx, right, true), EarlySuccess) // it is over
		})
	}
	t.Run("A16 success before anything", func(t *testing.T) {
		wantReason(t, hashed(t, tokens[0].token).Done(ctx, right, true), EarlySuccess)
	})
	t.Run("a challenge", func(t *testing.T) {
		m := hashed(t, tokens[0].token)
		_, err := m.Next(ctx, []byte("x"))
		wantReason(t, err, Unexpected)
	})
}

func TestHashedTokenNeeds(t *testing.T) {
	for what, login := range map[string]Login{
		"token": {User: "alice", Password: "x"},
		"name":  {User: "al\x00ice", Token: "t"},
	} {
		_, err := New(HTSHA256None, login, Standard{})
		var prep *PrepError
		if !errors.As(err, &prep) || prep.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Choose([]string{HTSHA256None}, Policy{Protected: true}); !errors.Is(err, ErrNoMechanism) {
		t.Errorf("a token's mechanism is chosen for a password: %v", err)
	}
}

func TestV09_ReadHashedToken(t *testing.T) {
	proof := strings.Repeat("p", 32)
	for message, good := range map[string]bool{
		"alice\x00" + proof:         true,
		"alice\x00" + proof + "p":   false,
		"alice\x00" + proof[1:]:     false,
		"alice" + proof:             false,
		"\x00" + proof:              false,
		"":                          false,
		"al\xffice\x00" + proof:     false,
		"al\u0007ice\x00" + proof:   false,
		"alice\x00\x00" + proof[1:]: true, // a proof may have any byte
	} {
		user, got, err := ReadHashedToken([]byte(message))
		var no *FailureError
		switch {
		case good && (err != nil || user != "alice" || len(got) != 32):
			t.Errorf("%q: %q, %q, %v", message, user, got, err)
		case !good && (!errors.As(err, &no) || no.Condition != MalformedRequest):
			t.Errorf("%q: %v", message, err)
		}
	}
}
