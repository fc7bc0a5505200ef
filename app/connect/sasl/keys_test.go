package sasl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The keys of the example in RFC 7677 §3, computed by Python's hashlib.
const (
	rfc7677ClientKey = "a60fc923d67e8644a92d16b96eda5ef4656b0c725c484374be25535576996e8b"
	rfc7677ServerKey = "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5"
	rfc7677First     = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfc7677Final     = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	rfc7677Proof     = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)

func rfc7677Keys(t *testing.T) *Keys {
	t.Helper()
	salt, err := Decode("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	k := &Keys{Salt: salt, Iterations: 4096}
	for from, to := range map[string]*[]byte{rfc7677ClientKey: &k.ClientKey, rfc7677ServerKey: &k.ServerKey} {
		if *to, err = hex.DecodeString(from); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func TestA18_KeysInsteadOfThePassword(t *testing.T) {
	login := Login{User: "user", Keys: rfc7677Keys(t), Nonce: fixed("rOprNGfwEbeRWgbNEkqO")}
	w := &watched{}
	m, err := New(SCRAMSHA256, login, w)
	if err != nil {
		t.Fatal(err)
	}
	m.Start(ctx)
	final, err := m.Next(ctx, []byte(rfc7677First))
	if err != nil || !strings.HasSuffix(string(final), rfc7677Proof) {
		t.Fatalf("%s, %v", final, err)
	}
	wantReason(t, m.Done(ctx, []byte(rfc7677Final), true), "")
	if len(w.secrets) != 0 {
		t.Error("something was derived of a password")
	}
	if hex.EncodeToString(login.Keys.ClientKey) != rfc7677ClientKey {
		t.Error("the caller's keys have been overwritten")
	}
	if KeysOf(m) != nil {
		t.Error("keys were kept that nobody asked for")
	}
}

func TestA09_KeysKnowTheServer(t *testing.T) {
	m, err := New(SCRAMSHA256, Login{User: "user", Keys: rfc7677Keys(t), Nonce: fixed("rOprNGfwEbeRWgbNEkqO")}, Standard{})
	if err != nil {
		t.Fatal(err)
	}
	m.Start(ctx)
	if _, err := m.Next(ctx, []byte(rfc7677First)); err != nil {
		t.Fatal(err)
	}
	wantReason(t, m.Done(ctx, []byte("v="+Encode(make([]byte, 32))), true), BadSignature)
}

func TestSec51_KeysAreForOneSalt(t *testing.T) {
	for name, first := range map[string]string{
		"other salt":       strings.Replace(rfc7677First, "s=W22Z", "s=X22Z", 1),
		"longer salt":      strings.Replace(rfc7677First, "b6gQ==", "b6gQAA", 1),
		"fewer iterations": strings.Replace(rfc7677First, "4096", "4097", 1),
		"more iterations":  strings.Replace(rfc7677First, "4096", "10000", 1),
	} {
		m, err := New(SCRAMSHA256, Login{User: "user", Keys: rfc7677Keys(t), Nonce: fixed("rOprNGfwEbeRWgbNEkqO")}, Standard{})
		if err != nil {
			t.Fatal(err)
		}
		m.Start(ctx)
		if answer, err := m.Next(ctx, []byte(first)); answer != nil || err == nil {
			t.Errorf("%s: answered %s, %v", name, answer, err)
		} else if strings.Contains(name, "iterations") && !errors.Is(err, ErrOtherSalt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysOf(t *testing.T) {
	start := func(keep bool) Mechanism {
		m, err := New(SCRAMSHA256, Login{User: "user", Password: "pencil", Keep: keep, Nonce: fixed("rOprNGfwEbeRWgbNEkqO")}, Standard{})
		if err != nil {
			t.Fatal(err)
		}
		m.Start(ctx)
		if _, err := m.Next(ctx, []byte(rfc7677First)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := start(true)
	if KeysOf(m) != nil {
		t.Error("keys before the server is believed")
	}
	wantReason(t, m.Done(ctx, []byte(rfc7677Final), true), "")
	k := KeysOf(m)
	if k == nil || hex.EncodeToString(k.ClientKey) != rfc7677ClientKey || hex.EncodeToString(k.ServerKey) != rfc7677ServerKey || k.Iterations != 4096 {
		t.Errorf("the keys are %v", k)
	}
	if KeysOf(m) != nil {
		t.Error("the keys are given away twice")
	}

	m = start(true)
	wantReason(t, m.Done(ctx, []byte("v="+Encode(make([]byte, 32))), true), BadSignature)
	if KeysOf(m) != nil || m.(*scram).kept != nil {
		t.Error("keys although the server is not believed")
	}

	m = start(false)
	wantReason(t, m.Done(ctx, []byte(rfc7677Final), true), "")
	if KeysOf(m) != nil {
		t.Error("keys that were not to be kept")
	}

	plain, err := New(Plain, Login{User: "user", Password: "pencil", Keep: true}, Standard{})
	if err != nil || KeysOf(plain) != nil {
		t.Errorf("keys of PLAIN, %v", err)
	}
}

func TestSec51_KeysStayOutOfLogs(t *testing.T) {
	k := rfc7677Keys(t)
	said := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", k, k, k, k, *k, *k, *k)
	for _, secret := range []string{rfc7677ClientKey, fmt.Sprint(k.ClientKey), fmt.Sprintf("%#v", k.ClientKey)} {
		if strings.Contains(said, secret) {
			t.Errorf("printed as %s", said)
		}
	}
	short := rfc7677Keys(t)
	short.ServerKey = short.ServerKey[:20]
	_, err := New(SCRAMSHA256, Login{User: "user", Keys: short}, Standard{})
	var prep *PrepError
	if !errors.As(err, &prep) || prep.What != "keys" {
		t.Errorf("keys of another hash: %v", err)
	}
}
