//go:build !js

package xmpptest

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"log"
	"strings"

	"natter/framing"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsBind  = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2 = "urn:xmpp:bind:0"
	nsSM    = "urn:xmpp:sm:3"
)

// BoundFeatures is what Login offers once the client is known.
const BoundFeatures = `<stream:features xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>` +
	`<bind xmlns='` + nsBind + `'/><sm xmlns='` + nsSM + `'/></stream:features>`

var quiet = log.New(io.Discard, "", 0)

// Open reads the client's <open/>, which sets Domain, and answers with <open/> and
// these features, if any.
func (c *PeerConn) Open(features ...string) *framing.Element {
	e := c.Next()
	if !e.Is(framing.NSFraming, "open") {
		c.fail("the client began with <%s xmlns=%q>", e.Name.Local, e.Name.Space)
	}
	c.Domain = e.Attr("to")
	c.opened++
	c.Sendf(`<open xmlns='%s' from='%s' id='stream-%d-%d' version='1.0' xml:lang='en'/>`,
		framing.NSFraming, escape(c.Domain), c.N, c.opened)
	c.Send(features...)
	return e
}

// Mechanisms returns the features of a server that offers these SASL mechanisms.
func Mechanisms(names ...string) string {
	return `<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='` + nsSASL + `'>` +
		mechanisms(names) + `</mechanisms></stream:features>`
}

// Mechanisms2 returns the features of a server that offers these mechanisms by
// SASL2 with Bind 2 and Stream Management inline, and by old SASL too.
func Mechanisms2(names ...string) string {
	return `<stream:features xmlns:stream='http://etherx.jabber.org/streams'>` +
		`<authentication xmlns='` + nsSASL2 + `'>` + mechanisms(names) +
		`<inline><bind xmlns='` + nsBind2 + `'><inline><feature var='urn:xmpp:carbons:2'/><feature var='` + nsSM + `'/></inline></bind>` +
		`<sm xmlns='` + nsSM + `'/></inline></authentication>` +
		`<mechanisms xmlns='` + nsSASL + `'>` + mechanisms(names) + `</mechanisms></stream:features>`
}

func mechanisms(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("<mechanism>" + escape(n) + "</mechanism>")
	}
	return b.String()
}

// Login plays everything from the first <open/> to the answer of bind: the
// mechanism (PLAIN, ANONYMOUS, SCRAM-SHA-1, -256, -512) by old SASL, the restart,
// and bind, which gives local@Domain the resource the client asked for or "peer".
func (c *PeerConn) Login(mechanism, local, password string) {
	c.Open(Mechanisms(mechanism))
	c.Authenticate(mechanism, local, password)
	c.Open(BoundFeatures)
	c.Bind(local)
}

// Authenticate plays one exchange of old SASL (RFC 6120 §6) that must succeed.
func (c *PeerConn) Authenticate(mechanism, local, password string) {
	e := c.Next()
	if !e.Is(nsSASL, "auth") || e.Attr("mechanism") != mechanism {
		c.fail("the client began SASL by <%s mechanism=%q>, expected %s", e.Name.Local, e.Attr("mechanism"), mechanism)
	}
	final, err := c.prove(mechanism, local, password, e.Text(), func(challenge string) (string, error) {
		c.Sendf(`<challenge xmlns='%s'>%s</challenge>`, nsSASL, base64.StdEncoding.EncodeToString([]byte(challenge)))
		e := c.Next()
		if !e.Is(nsSASL, "response") {
			return "", fmt.Errorf("<%s> instead of a response", e.Name.Local)
		}
		return e.Text(), nil
	})
	if err != nil {
		c.fail("%s: %v", mechanism, err)
	}
	c.Sendf(`<success xmlns='%s'>%s</success>`, nsSASL, base64.StdEncoding.EncodeToString([]byte(final)))
}

// Bind answers the client's request for a resource (RFC 6120 §7) and sets JID.
func (c *PeerConn) Bind(local string) {
	e := c.Next()
	bind := e.Child(nsBind, "bind")
	if !e.Is(framing.NSClient, "iq") || bind == nil {
		c.fail("the client sent <%s> instead of bind", e.Name.Local)
	}
	resource := bind.Child(nsBind, "resource").Text()
	if resource == "" {
		resource = "peer"
	}
	c.JID = local + "@" + c.Domain + "/" + resource
	c.Sendf(`<iq xmlns='jabber:client' type='result' id='%s'><bind xmlns='%s'><jid>%s</jid></bind></iq>`,
		escape(e.Attr("id")), nsBind, escape(c.JID))
}

// LoginSASL2 plays SASL2 (XEP-0388) with Bind 2 (XEP-0386): everything from the
// first <open/> to <success/> and the features after it. Carbons and Stream
// Management are enabled if the client asked. It returns <authenticate/>, for
// tests that look at the rest of it.
func (c *PeerConn) LoginSASL2(mechanism, local, password string) *framing.Element {
	c.Open(Mechanisms2(mechanism))
	e := c.Next()
	if !e.Is(nsSASL2, "authenticate") || e.Attr("mechanism") != mechanism {
		c.fail("the client began SASL2 by <%s mechanism=%q>, expected %s", e.Name.Local, e.Attr("mechanism"), mechanism)
	}
	initial := e.Child(nsSASL2, "initial-response").Text()
	final, err := c.prove(mechanism, local, password, initial, func(challenge string) (string, error) {
		c.Sendf(`<challenge xmlns='%s'>%s</challenge>`, nsSASL2, base64.StdEncoding.EncodeToString([]byte(challenge)))
		e := c.Next()
		if !e.Is(nsSASL2, "response") {
			return "", fmt.Errorf("<%s> instead of a response", e.Name.Local)
		}
		return e.Text(), nil
	})
	if err != nil {
		c.fail("%s: %v", mechanism, err)
	}
	c.JID = local + "@" + c.Domain
	inline := ""
	if bind := e.Child(nsBind2, "bind"); bind != nil {
		tag := bind.Child(nsBind2, "tag").Text()
		if tag == "" {
			tag = "peer"
		}
		c.JID += "/" + tag + ".1"
		if bind.Child("urn:xmpp:carbons:2", "enable") != nil {
			inline += `<enabled xmlns='urn:xmpp:carbons:2'/>`
		}
		if bind.Child(nsSM, "enable") != nil {
			c.counting, c.Handled = true, 0
			inline += fmt.Sprintf(`<enabled xmlns='%s' id='sm-%d' resume='true' max='300'/>`, nsSM, c.N)
		}
		inline = `<bound xmlns='` + nsBind2 + `'>` + inline + `</bound>`
	}
	data := ""
	if final != "" {
		data = `<additional-data>` + base64.StdEncoding.EncodeToString([]byte(final)) + `</additional-data>`
	}
	c.Sendf(`<success xmlns='%s'>%s<authorization-identifier>%s</authorization-identifier>%s</success>`,
		nsSASL2, data, escape(c.JID), inline)
	c.Send(`<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>`)
	return e
}

// Resume answers the client's <resume/> (XEP-0198 §5): it was handled up to h here,
// and it is the session of this full JID. It returns <resume/>, whose h says what
// the client had received.
func (c *PeerConn) Resume(jid string, h uint32) *framing.Element {
	e := c.Expect("<resume", nsSM)
	c.JID, c.counting, c.Handled = jid, true, h
	c.Sendf(`<resumed xmlns='%s' previd='%s' h='%d'/>`, nsSM, escape(e.Attr("previd")), h)
	return e
}

// Redirect reads <open/> and answers with <close see-other-uri/> (RFC 7395 §3.6.1),
// then waits until the client has gone.
func (c *PeerConn) Redirect(uri string) {
	c.Expect("<open")
	c.RedirectNow(uri)
}

// RedirectNow is Redirect without waiting for <open/>, for the middle of a session.
func (c *PeerConn) RedirectNow(uri string) {
	c.Sendf(`<close xmlns='%s' see-other-uri='%s'/>`, framing.NSFraming, escape(uri))
	c.ExpectGone()
}

// StreamError sends the stream error with this condition, and <close/>, and waits
// until the client has gone.
func (c *PeerConn) StreamError(condition, text string) {
	if text != "" {
		text = `<text xmlns='` + framing.NSStreamError + `' xml:lang='en'>` + escape(text) + `</text>`
	}
	c.Sendf(`<stream:error xmlns:stream='%s'><%s xmlns='%s'/>%s</stream:error>`, framing.NSStream, condition, framing.NSStreamError, text)
	c.CloseStream()
}

// prove plays the server's side of a mechanism and returns its last words.
func (c *PeerConn) prove(mechanism, local, password, initial string, ask func(string) (string, error)) (string, error) {
	first, err := decode(initial)
	if err != nil {
		return "", err
	}
	switch mechanism {
	case "ANONYMOUS":
		return "", nil
	case "PLAIN":
		if want := "\x00" + local + "\x00" + password; first != want {
			return "", fmt.Errorf("got %q, expected %q", first, want)
		}
		return "", nil
	case "SCRAM-SHA-1":
		return scram(sha1.New, local, password, first, ask)
	case "SCRAM-SHA-256":
		return scram(sha256.New, local, password, first, ask)
	case "SCRAM-SHA-512":
		return scram(sha512.New, local, password, first, ask)
	}
	return "", fmt.Errorf("the peer does not know it")
}

func decode(s string) (string, error) {
	if s == "=" { // RFC 6120 §6.4.2: an empty response that is there
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err
}

// scram is the server's side of RFC 5802 without channel binding. The salt and the
// nonce are fixed: nothing here is secret.
func scram[H hash.Hash](h func() H, local, password, first string, ask func(string) (string, error)) (string, error) {
	sum := func(b []byte) []byte { s := h(); s.Write(b); return s.Sum(nil) }
	mac := func(key []byte, text string) []byte {
		m := hmac.New(func() hash.Hash { return h() }, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}

	header, bare, ok := cutHeader(first)
	if !ok {
		return "", fmt.Errorf("a bad first message %q", first)
	}
	name, nonce, _ := strings.Cut(bare, ",r=")
	if name != "n="+strings.NewReplacer("=", "=3D", ",", "=2C").Replace(local) {
		return "", fmt.Errorf("the user is %q, expected %q", name, local)
	}
	nonce += "peer"
	salt := []byte("salt of the peer")
	challenge := fmt.Sprintf("r=%s,s=%s,i=4096", nonce, base64.StdEncoding.EncodeToString(salt))
	encoded, err := ask(challenge)
	if err != nil {
		return "", err
	}
	last, err := decode(encoded)
	if err != nil {
		return "", err
	}
	withoutProof, proof, _ := strings.Cut(last, ",p=")
	if want := "c=" + base64.StdEncoding.EncodeToString([]byte(header)) + ",r=" + nonce; withoutProof != want {
		return "", fmt.Errorf("got %q, expected %q", withoutProof, want)
	}
	salted, err := pbkdf2.Key(h, password, salt, 4096, h().Size())
	if err != nil {
		return "", err
	}
	auth := bare + "," + challenge + "," + withoutProof
	key := mac(salted, "Client Key")
	signature := mac(sum(key), auth)
	for i := range key {
		key[i] ^= signature[i]
	}
	if got, err := base64.StdEncoding.DecodeString(proof); err != nil || !bytes.Equal(got, key) {
		return "", fmt.Errorf("the proof is wrong: another password")
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), auth)), nil
}

// cutHeader splits "n,,n=user,r=nonce" after the second comma.
func cutHeader(first string) (header, bare string, ok bool) {
	parts := strings.SplitN(first, ",", 3)
	if len(parts) != 3 || (parts[0] != "n" && parts[0] != "y") {
		return "", "", false
	}
	return parts[0] + "," + parts[1] + ",", parts[2], true
}
