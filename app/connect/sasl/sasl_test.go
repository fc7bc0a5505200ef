package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	wss := Policy{Protected: true}
	for _, tc := range []struct {
		rule, offered string
		policy        Policy
		want          string
		err           error
	}{
		{"A01 our order, not the server's", "PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512", wss, SCRAMSHA512, nil},
		{"A01 256 before 1", "SCRAM-SHA-1 SCRAM-SHA-256 PLAIN", wss, SCRAMSHA256, nil},
		{"A02 SCRAM-SHA-1 before PLAIN", "PLAIN SCRAM-SHA-1", wss, SCRAMSHA1, nil},
		{"P14 -PLUS is passed over", "SCRAM-SHA-512-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-1", wss, SCRAMSHA1, nil},
		{"P14 so is the unknown", "OAUTHBEARER X-OAUTH2 EXTERNAL DIGEST-MD5 SCRAM-SHA-256", wss, SCRAMSHA256, nil},
		{"P14 only -PLUS", "SCRAM-SHA-256-PLUS", wss, "", ErrNoMechanism},
		{"T03 PLAIN last", "PLAIN", wss, Plain, nil},
		{"T03 PLAIN never without protection", "PLAIN", Policy{}, "", ErrPlainUnprotected},
		{"T03 SCRAM without protection", "PLAIN SCRAM-SHA-1", Policy{}, SCRAMSHA1, nil},
		{"T03 P16 sec25 PLAIN never after SCRAM", "PLAIN", Policy{Protected: true, SCRAMSeen: true}, "", ErrPlainAfterSCRAM},
		{"P16 another SCRAM after SCRAM is fine", "PLAIN SCRAM-SHA-1", Policy{Protected: true, SCRAMSeen: true}, SCRAMSHA1, nil},
		{"sec25 the deployment forbids PLAIN", "PLAIN", Policy{Protected: true, NoPlain: true}, "", ErrPlainUnprotected},
		{"ANONYMOUS only if asked for", "ANONYMOUS", wss, "", ErrNoMechanism},
		{"ANONYMOUS if asked for", "PLAIN ANONYMOUS", Policy{Anonymous: true}, Anonymous, nil},
		{"ANONYMOUS or nothing", "SCRAM-SHA-1 PLAIN", Policy{Anonymous: true, Protected: true}, "", ErrNoMechanism},
		{"names are exact", "scram-sha-1 Plain", wss, "", ErrNoMechanism},
		{"nothing offered", "", wss, "", ErrNoMechanism},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := Choose(strings.Fields(tc.offered), tc.policy)
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("Choose = %q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
	if !IsSCRAM(SCRAMSHA1) || IsSCRAM(Plain) || IsSCRAM(Anonymous) {
		t.Error("IsSCRAM: SCRAM is what starts with SCRAM")
	}
	if _, err := New("EXTERNAL", Login{User: "u", Password: "p"}, Standard{}); !errors.Is(err, ErrNoMechanism) {
		t.Errorf("New(EXTERNAL): %v", err)
	}
}

func TestPlain(t *testing.T) {
	m, err := New(Plain, Login{User: "ada", Password: "ana=lyt,ical…"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Start(ctx); string(got) != "\x00ada\x00ana=lyt,ical…" {
		t.Errorf("A08 initial response %q", got)
	}
	if err := m.Done(ctx, nil, false); err != nil {
		t.Error(err)
	}
	m, _ = New(Plain, Login{User: "ada", Password: "p", Authzid: "grace@localhost"}, nil)
	if got, _ := m.Start(ctx); string(got) != "grace@localhost\x00ada\x00p" {
		t.Errorf("A07 initial response %q", got)
	}
	_, err = m.Next(ctx, nil)
	wantReason(t, err, Unexpected)

	for _, bad := range []Login{{User: "a\x00b", Password: "p"}, {User: "a", Password: "p\x00q"}, {User: "a"}, {Password: "p"},
		{User: "a", Password: "\xff"}, {User: "a", Password: "p", Authzid: "x\x00y"}} {
		var prep *PrepError
		if _, err := New(Plain, bad, nil); !errors.As(err, &prep) {
			t.Errorf("%+v: error %v, want *PrepError", bad, err)
		}
	}
}

func TestAnonymous(t *testing.T) {
	m, err := New(Anonymous, Login{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, m.Done(ctx, nil, false), EarlySuccess)
	initial, err := m.Start(ctx)
	if initial == nil || len(initial) != 0 || err != nil {
		t.Errorf("initial response %v, %v; want one that is empty", initial, err)
	}
	if got := EncodeInitial(initial); got != "=" {
		t.Errorf("A05 in SASL it is %q, want =", got)
	}
	wantReason(t, m.Done(ctx, []byte("x"), true), Unexpected)
	wantReason(t, m.Done(ctx, []byte{}, true), "")
}

func TestA04_StrictBase64(t *testing.T) {
	for _, bad := range []string{"=", "==", "QQ", "QQ=", "QQ===", "QR==", "QUI", "QUJ=", "Q=Q=", "QUJD\n", "QU\r\nJD", " QUJD", "QUJD ",
		"QU-_", "QUJD!", "QUJDQQ==QUJD", "QUJ\x00", "ＱＵＪＤ"} {
		_, err := Decode(bad)
		if wantReason(t, err, BadEncoding); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	for text, want := range map[string]string{"": "", "QQ==": "A", "QUI=": "AB", "QUJD": "ABC", "+/+/": "\xfb\xff\xbf"} {
		if got, err := Decode(text); err != nil || string(got) != want {
			t.Errorf("Decode(%q) = %q, %v", text, got, err)
		}
	}
}

func TestA05_EqualsSign(t *testing.T) {
	for _, tc := range []struct {
		message []byte
		text    string
	}{{nil, ""}, {[]byte{}, "="}, {[]byte("A"), "QQ=="}} {
		if got := EncodeInitial(tc.message); got != tc.text {
			t.Errorf("EncodeInitial(%q) = %q, want %q", tc.message, got, tc.text)
		}
		message, present, err := DecodeOptional(tc.text)
		if err != nil || !bytes.Equal(message, tc.message) || present != (tc.message != nil) {
			t.Errorf("DecodeOptional(%q) = %q, %v, %v", tc.text, message, present, err)
		}
	}
	if got := Encode([]byte{}); got != "" {
		t.Errorf("P03 an empty message outside of <auth/> is %q", got)
	}
	if _, present, err := DecodeOptional("=="); err == nil || present {
		t.Error("== accepted")
	}
}

func TestA12_Failure(t *testing.T) {
	if len(conditions) != 11 {
		t.Fatalf("RFC 6120 §6.5 has 11 conditions, we %d", len(conditions))
	}
	for _, c := range conditions {
		e := NewFailure(c, "sorry")
		if e.Condition != c || e.Text != "sorry" || e.Error() != c+": sorry" {
			t.Errorf("%s: %v", c, e)
		}
	}
	if e := NewFailure("bad-karma", ""); e.Condition != NotAuthorized || e.Error() != NotAuthorized {
		t.Errorf("unknown condition: %v", e)
	}
}

func TestA11_Prepare(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"user", "user"}, {"USER", "USER"}, {"I\u00adX", "IX"}, {"\u00aa", "a"}, {"\u2168", "IX"}, // RFC 4013 §3
		{"pass\u00a0word", "pass word"}, {"wait…", "wait..."}, {"e\u0301", "\u00e9"}, {"👩\u200d💻", "👩💻"},
		{"\u0627\u0628", "\u0627\u0628"}, {"a b", "a b"}, {"\u0627 1 \u0628", "\u0627 1 \u0628"},
	} {
		if got, err := prepare("password", tc.in); got != tc.want || err != nil {
			t.Errorf("prepare(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	for _, bad := range []string{"", "\x07", "\x7f", "a\u0085b", "\u0627\u0031", "\u0627x\u0627", "\u00ad", "a\u202eb", "\ue000", "\ufffd", "\xff", "a\U000e0041"} {
		_, err := prepare("password", bad)
		var prep *PrepError
		if !errors.As(err, &prep) {
			t.Errorf("prepare(%q) gives %v", bad, err)
			continue
		}
		if bad != "" && strings.Contains(err.Error(), bad) {
			t.Error("the error repeats the password")
		}
	}
}

func TestA07_A11_NamesAreEscaped(t *testing.T) {
	login := Login{User: "a=b,c\u00ad", Password: "p", Nonce: fixed("abc")}
	m, err := New(SCRAMSHA1, login, Standard{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Start(ctx); string(got) != "n,,n=a=3Db=2Cc,r=abc" {
		t.Errorf("A07 A11 first message %q", got)
	}
	login.Authzid = "x,y@example.org"
	m, _ = New(SCRAMSHA1, login, Standard{})
	if got, _ := m.Start(ctx); string(got) != "n,a=x=2Cy@example.org,n=a=3Db=2Cc,r=abc" {
		t.Errorf("A07 first message with authzid %q", got)
	}
	for name, want := range map[string]string{"a=3Db=2Cc": "a=b,c", "=3D": "=", "plain": "plain"} {
		if got, ok := unescapeName(name); !ok || got != want {
			t.Errorf("unescapeName(%q) = %q, %v", name, got, ok)
		}
	}
	for _, bad := range []string{"=", "a=", "a=2", "a=2c", "a=41", "=="} {
		if got, ok := unescapeName(bad); ok {
			t.Errorf("unescapeName(%q) = %q", bad, got)
		}
	}
}

func TestNoncesAreNew(t *testing.T) {
	a, b := randomNonce(), randomNonce()
	if a == b || len(a) != 32 || !isPrintable(a) {
		t.Errorf("nonces %q and %q", a, b)
	}
}

// The messages of RFC 5802 §5, to be spoiled one by one.
const (
	rfcNonce = "fyko+d2lbbFgONRv9qkxdawL"
	rfcFirst = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
	rfcFinal = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
)

var rfcLogin = Login{User: "user", Password: "pencil", Nonce: fixed(rfcNonce)}

func TestSec26_A10_ServerFirst(t *testing.T) {
	const r, s, i = "r=" + rfcNonce + "3rfc", "s=QSXCR+Q6sek8bf92", "i=4096"
	for _, tc := range []struct {
		message string
		want    Reason // "" is the honest twin
	}{
		{r + "," + s + "," + i, ""},
		{r + "," + s + "," + i + ",x=unknown", ""},
		{r + "," + s + "," + i + ",x=a=b,Y=ü", ""},
		{r + "," + s + ",i=10000", ""},
		{r + "," + s + "," + i + ",x=" + strings.Repeat("x", 2000), ""},

		{"", BadMessage},
		{"r", BadMessage},
		{"r=", BadMessage},
		{",,,", BadMessage},
		{r, BadMessage},
		{r + "," + s, BadMessage},
		{r + "," + s + "," + i + ",", BadMessage},
		{"," + r + "," + s + "," + i, BadMessage},
		{r + "," + s + "," + i + ",x", BadMessage},
		{r + "," + s + "," + i + ",x=", BadMessage},
		{r + "," + s + "," + i + ",xy", BadMessage},
		{r + "," + s + "," + i + ",1=y", BadMessage},
		{r + "," + s + "," + i + ",x=\x00", BadMessage},
		{r + "," + s + "," + i + ",x=\xff", BadMessage},
		{r + "," + s + "," + i + ",x=1,x=2", BadMessage},
		{r + "," + r + "," + s + "," + i, BadMessage},
		{r + "," + s + "," + i + ",i=4096", BadMessage},
		{r + "," + s + "," + i + ",v=QSXCR+Q6", BadMessage},
		{r + "," + i + "," + s, BadMessage},
		{s + "," + i + "," + r, BadMessage},
		{r + "," + s + "," + i + ",x=" + strings.Repeat("x", maxMessage), BadMessage},
		{strings.Repeat(",", maxMessage), BadMessage},
		{"m=ext," + r + "," + s + "," + i, MandatoryExtension},
		{r + "," + s + "," + i + ",m=ext", MandatoryExtension},
		{"r=" + rfcNonce + "," + s + "," + i, BadNonce},
		{"r=" + rfcNonce[:10] + "," + s + "," + i, BadNonce},
		{"r=somebodyElse" + rfcNonce + "," + s + "," + i, BadNonce},
		{r + "\u00e9," + s + "," + i, BadNonce},
		{r + " ," + s + "," + i, BadNonce},
		{r + ",s==," + i, BadSalt},
		{r + ",s=!!!!!!!!!!!!!!!!," + i, BadSalt},
		{r + ",s=QSXCR+Q6sek8bf9," + i, BadSalt},
		{r + ",s=QSXCR+Q6s\nek8bf92," + i, BadSalt},
		{r + ",s=QSXCR+Q6sQ==," + i, BadSalt}, // 7 bytes
		{r + "," + s + ",i=0", BadIterations},
		{r + "," + s + ",i=1", BadIterations},
		{r + "," + s + ",i=4095", BadIterations},
		{r + "," + s + ",i=1000001", BadIterations},
		{r + "," + s + ",i=2147483648", BadIterations},
		{r + "," + s + ",i=18446744073709555712", BadIterations}, // 4096 if it wraps around
		{r + "," + s + ",i=-4096", BadIterations},
		{r + "," + s + ",i=+4096", BadIterations},
		{r + "," + s + ",i=04096", BadIterations},
		{r + "," + s + ",i=4e3", BadIterations},
		{r + "," + s + ",i= 4096", BadIterations},
		{r + "," + s + "," + i + ",h=G6k/rBLDqgOhRRaCuuatSDFkJ08=", Downgraded},
	} {
		t.Run(fmt.Sprintf("A10 sec26 %.60q", tc.message), func(t *testing.T) {
			m, err := New(SCRAMSHA1, rfcLogin, Standard{})
			if err != nil {
				t.Fatal(err)
			}
			m.Start(ctx)
			answer, err := m.Next(ctx, []byte(tc.message))
			wantReason(t, err, tc.want)
			if (err == nil) != (answer != nil) {
				t.Errorf("answer %q beside error %v", answer, err)
			}
			if err != nil { // and there is no way on
				wantReason(t, m.Done(ctx, []byte(rfcFinal), true), EarlySuccess)
			}
		})
	}

	const most = r + "," + s + ",i=1000000"
	if first, err := parseServerFirst(most, rfcNonce); err != nil || first.iterations != maxIterations {
		t.Errorf("A10 the upper bound itself: %v, %v", first, err)
	}
}

func TestA09_ServerFinal(t *testing.T) {
	for _, tc := range []struct {
		message string
		want    Reason
	}{
		{rfcFinal, ""},
		{rfcFinal + ",x=unknown", ""},
		{"", BadMessage},
		{"v=", BadMessage},
		{"v", BadMessage},
		{"x=y", NoSignature},
		{"x=y," + rfcFinal, BadMessage},
		{rfcFinal + ",", BadMessage},
		{rfcFinal + "," + rfcFinal, BadMessage},
		{rfcFinal + ",m=ext", MandatoryExtension},
		{rfcFinal + ",e=other-error", BadMessage},
		{"v=rmF9pqV8S7suAoZWja4dJRkFsKR=", BadSignature}, // stray bits
		{"v=smF9pqV8S7suAoZWja4dJRkFsKQ=", BadSignature},
		{"v=rmF9pqV8S7suAoZWja4dJRkFsA==", BadSignature}, // one byte short
		{"v=AAAA", BadSignature},
	} {
		for _, way := range []string{"with success", "as a challenge"} {
			t.Run(fmt.Sprintf("A09 sec26 %q %s", tc.message, way), func(t *testing.T) {
				m, err := New(SCRAMSHA1, rfcLogin, Standard{})
				if err != nil {
					t.Fatal(err)
				}
				m.Start(ctx)
				if _, err := m.Next(ctx, []byte(rfcFirst)); err != nil {
					t.Fatal(err)
				}
				if way == "with success" {
					wantReason(t, m.Done(ctx, []byte(tc.message), true), tc.want)
					return
				}
				answer, err := m.Next(ctx, []byte(tc.message))
				wantReason(t, err, tc.want)
				if err == nil && (answer == nil || len(answer) > 0) {
					t.Errorf("answer %q, want an empty one", answer)
				}
				if err == nil {
					wantReason(t, m.Done(ctx, nil, false), "")
				}
			})
		}
	}
}

func TestA16_EarlySuccess(t *testing.T) {
	for _, tc := range []struct {
		after string // how far the exchange got
		want  Reason
	}{{"nothing", EarlySuccess}, {"first", EarlySuccess}, {"final", NoSignature}} {
		t.Run("A16 success after "+tc.after, func(t *testing.T) {
			m, err := New(SCRAMSHA1, rfcLogin, Standard{})
			if err != nil {
				t.Fatal(err)
			}
			if tc.after != "nothing" {
				m.Start(ctx)
			}
			if tc.after == "final" {
				m.Next(ctx, []byte(rfcFirst))
			}
			wantReason(t, m.Done(ctx, nil, false), tc.want)
		})
	}
	t.Run("A16 the signature before its time", func(t *testing.T) {
		m, _ := New(SCRAMSHA1, rfcLogin, Standard{})
		m.Start(ctx)
		wantReason(t, m.Done(ctx, []byte(rfcFinal), true), EarlySuccess)
	})
	t.Run("A09 data after the signature", func(t *testing.T) {
		m, _ := New(SCRAMSHA1, rfcLogin, Standard{})
		m.Start(ctx)
		m.Next(ctx, []byte(rfcFirst))
		m.Next(ctx, []byte(rfcFinal))
		wantReason(t, m.Done(ctx, []byte("more"), true), Unexpected)
	})
	t.Run("A16 a third challenge", func(t *testing.T) {
		m, _ := New(SCRAMSHA1, rfcLogin, Standard{})
		m.Start(ctx)
		m.Next(ctx, []byte(rfcFirst))
		m.Next(ctx, []byte(rfcFinal))
		_, err := m.Next(ctx, []byte(rfcFinal))
		wantReason(t, err, Unexpected)
	})
}

func TestServerErrorValues(t *testing.T) {
	for value, want := range map[string]string{"invalid-proof": NotAuthorized, "unknown-user": NotAuthorized, "never-heard-of": NotAuthorized, "no-resources": TemporaryAuthFailure} {
		_, _, err := exchange(t, SCRAMSHA1, rfcLogin, rfcFirst, "e="+value)
		var failure *FailureError
		if !errors.As(err, &failure) || failure.Condition != want || failure.Text != value {
			t.Errorf("e=%s in the last message: %v", value, err)
		}
		_, _, err = exchange(t, SCRAMSHA1, rfcLogin, "e="+value, "")
		if !errors.As(err, &failure) || failure.Condition != want {
			t.Errorf("e=%s in the first message: %v", value, err)
		}
	}
}

func TestA15_CancelledWhileHashing(t *testing.T) {
	m, err := New(SCRAMSHA256, rfcLogin, Standard{})
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	m.Start(cancelled)
	cancel()
	if _, err := m.Next(cancelled, []byte(rfcFirst)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// watched remembers the key material that went through it.
type watched struct {
	Standard
	secrets [][]byte
}

func (w *watched) PBKDF2(ctx context.Context, hash Hash, password, salt []byte, iterations, keyLen int) ([]byte, error) {
	key, err := w.Standard.PBKDF2(ctx, hash, password, salt, iterations, keyLen)
	w.secrets = append(w.secrets, password, key)
	return key, err
}

func (w *watched) HMAC(ctx context.Context, hash Hash, key, data []byte) ([]byte, error) {
	sum, err := w.Standard.HMAC(ctx, hash, key, data)
	if strings.HasSuffix(string(data), " Key") {
		w.secrets = append(w.secrets, sum)
	}
	return sum, err
}

func TestA18_KeysAreOverwritten(t *testing.T) {
	w := &watched{}
	m, err := New(SCRAMSHA1, rfcLogin, w)
	if err != nil {
		t.Fatal(err)
	}
	m.Start(ctx)
	if _, err := m.Next(ctx, []byte(rfcFirst)); err != nil {
		t.Fatal(err)
	}
	if len(w.secrets) != 4 {
		t.Fatalf("%d secrets seen, want 4", len(w.secrets))
	}
	for i, secret := range w.secrets {
		if !bytes.Equal(secret, make([]byte, len(secret))) {
			t.Errorf("secret %d is still there", i)
		}
	}
	if m.(*scram).login.Password != "" {
		t.Error("the password is still there")
	}
	wantReason(t, m.Done(ctx, []byte(rfcFinal), true), "")
}

func TestStandardKnowsItsHashes(t *testing.T) {
	for _, h := range []Hash{SHA1, SHA256, SHA512} {
		if sum, err := (Standard{}).Sum(ctx, h, nil); err != nil || len(sum) != h.Size() {
			t.Errorf("%s: %d bytes, %v", h, len(sum), err)
		}
	}
	if Hash("MD5").Size() != 0 {
		t.Error("MD5 has a size")
	}
	_, err1 := Standard{}.Sum(ctx, "MD5", nil)
	_, err2 := Standard{}.HMAC(ctx, "MD5", nil, nil)
	_, err3 := Standard{}.PBKDF2(ctx, "MD5", nil, nil, 1, 16)
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, errHash) {
			t.Errorf("MD5: %v", err)
		}
	}
}

func FuzzServerMessages(f *testing.F) {
	for _, s := range []string{rfcFirst, rfcFinal, "e=invalid-proof", ",,,", "r=", "m=x,r=y", rfcFirst + ",h=G6k/rBLDqgOhRRaCuuatSDFkJ08=", "v=AAAA,x=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		if first, err := parseServerFirst(message, rfcNonce); err == nil {
			if !strings.HasPrefix(first.nonce, rfcNonce) || first.nonce == rfcNonce || len(first.salt) < minSalt ||
				first.iterations < minIterations || first.iterations > maxIterations {
				t.Errorf("%q accepted as %+v", message, first)
			}
		}
		if signature, err := parseServerFinal(message); err == nil && !strings.HasPrefix(message, "v="+Encode(signature)) {
			t.Errorf("%q accepted with signature %x", message, signature)
		}
		if name, ok := unescapeName(message); ok && escapeName(name) != message && !strings.Contains(message, ",") {
			t.Errorf("%q is %q is %q", message, name, escapeName(name))
		}
	})
}
