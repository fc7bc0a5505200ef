package sasl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on what a server may ask for. The lower one for iterations is that of
// RFC 7677 §4; the upper one is what a fast machine does in half a second.
const (
	minIterations = 4096
	maxIterations = 1_000_000
	minSalt       = 8
	maxMessage    = 4096
)

// attr is one attribute of a SCRAM message.
type attr struct {
	name  byte
	value string
}

// parseAttrs splits a message of SCRAM (RFC 5802 §7). Each attribute is a letter,
// "=" and at least one character, and comes once.
func parseAttrs(message string) ([]attr, error) {
	bad := func(detail string) error { return &ServerError{BadMessage, detail} }
	if len(message) > maxMessage {
		return nil, bad("too long")
	}
	if !utf8.ValidString(message) || strings.IndexByte(message, 0) >= 0 {
		return nil, bad("not text")
	}
	var (
		attrs []attr
		seen  [128]bool
	)
	for field := range strings.SplitSeq(message, ",") {
		if len(field) < 3 || field[1] != '=' || !isLetter(field[0]) {
			return nil, bad("not an attribute")
		}
		name := field[0]
		if name == 'm' {
			return nil, &ServerError{MandatoryExtension, ""}
		}
		if seen[name] {
			return nil, bad("an attribute comes twice")
		}
		seen[name] = true
		attrs = append(attrs, attr{name, field[2:]})
	}
	return attrs, nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// extensions checks what follows the attributes a message must have. The unknown
// is passed over; what RFC 5802 gives another place is not.
func extensions(attrs []attr) error {
	for _, a := range attrs {
		if strings.IndexByte("anrcsipve", a.name) >= 0 {
			return &ServerError{BadMessage, fmt.Sprintf("%c is out of place", a.name)}
		}
	}
	return nil
}

// serverFirst is the challenge of SCRAM.
type serverFirst struct {
	nonce      string // ours and the server's
	salt       []byte
	iterations int
	offered    string // the hash of XEP-0474 as it came, "" if there is none
}

// parseServerFirst reads the first message of a server to a client whose nonce
// was ours.
func parseServerFirst(message, ours string) (*serverFirst, error) {
	attrs, err := parseAttrs(message)
	if err != nil {
		return nil, err
	}
	if attrs[0].name == 'e' {
		return nil, serverFailure(attrs[0].value)
	}
	if len(attrs) < 3 || attrs[0].name != 'r' || attrs[1].name != 's' || attrs[2].name != 'i' {
		return nil, &ServerError{BadMessage, "not nonce, salt, iterations"}
	}
	if err := extensions(attrs[3:]); err != nil {
		return nil, err
	}

	first := &serverFirst{nonce: attrs[0].value}
	if !isPrintable(first.nonce) || len(first.nonce) <= len(ours) || !strings.HasPrefix(first.nonce, ours) {
		return nil, &ServerError{BadNonce, ""}
	}
	if first.salt, err = decode(attrs[1].value); err != nil {
		return nil, &ServerError{BadSalt, err.Error()}
	}
	if len(first.salt) < minSalt {
		return nil, &ServerError{BadSalt, fmt.Sprintf("%d bytes", len(first.salt))}
	}
	if first.iterations = parseCount(attrs[2].value); first.iterations < minIterations || first.iterations > maxIterations {
		return nil, &ServerError{BadIterations, "between 4,096 and 1,000,000 are allowed"}
	}
	for _, a := range attrs[3:] {
		if a.name == 'h' {
			first.offered = a.value
		}
	}
	return first, nil
}

// parseServerFinal returns the server's signature.
func parseServerFinal(message string) ([]byte, error) {
	attrs, err := parseAttrs(message)
	if err != nil {
		return nil, err
	}
	if err := extensions(attrs[1:]); err != nil {
		return nil, err
	}
	switch attrs[0].name {
	case 'e':
		return nil, serverFailure(attrs[0].value)
	case 'v':
		signature, err := decode(attrs[0].value)
		if err != nil {
			return nil, &ServerError{BadSignature, err.Error()}
		}
		return signature, nil
	}
	return nil, &ServerError{NoSignature, ""}
}

// serverFailure translates the errors of SCRAM into those of XMPP. Most servers
// send the latter at once, as RFC 5802 §5.1 allows.
func serverFailure(value string) error {
	if value == "no-resources" {
		return &FailureError{TemporaryAuthFailure, value}
	}
	return &FailureError{NotAuthorized, value}
}

// parseCount returns a positive number without leading zeros, 0 for anything
// else and for what has more than seven digits.
func parseCount(s string) int {
	if len(s) > 7 || s[0] == '0' {
		return 0
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x21 || c > 0x7e || c == ',' {
			return false
		}
	}
	return s != ""
}

var nameEscapes = strings.NewReplacer("=", "=3D", ",", "=2C")

// escapeName writes a name as RFC 5802 §5.1 wants it.
func escapeName(s string) string { return nameEscapes.Replace(s) }

// unescapeName undoes escapeName. Any other use of "=" is not a name.
func unescapeName(s string) (name string, ok bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "=")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), true
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		s = after[2:]
	}
}
