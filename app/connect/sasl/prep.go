package sasl

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// prepare brings a name or password into the form that is hashed, SASLprep
// (RFC 4013): the form RFC 5802 asks for and the one Prosody and ejabberd store.
// OpaqueString (RFC 8265), its successor, keeps characters apart that SASLprep
// makes one, so "…" typed by a phone would not be the "..." the server has.
//
// Characters newer than Unicode 3.2 are accepted, as for any query (RFC 3454 §7). The
// error is a *PrepError.
func prepare(what, s string) (string, error) {
	if isPlainASCII(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", &PrepError{what}
	}
	s = norm.NFKC.String(strings.Map(mapped, s))
	if s == "" || strings.ContainsFunc(s, prohibited) || !bidiOK(s) {
		return "", &PrepError{what}
	}
	return s, nil
}

func isPlainASCII(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return s != ""
}

// mapped is RFC 4013 §2.1: other spaces to a space, some characters to nothing.
func mapped(r rune) rune {
	switch {
	case r == 0x200B: // a space (C.1.2) and nothing (B.1): nothing, as libidn has it
		return -1
	case r > 0x7f && unicode.Is(unicode.Zs, r):
		return ' '
	case r == 0x00AD, r == 0x034F, r == 0x1806, 0x180B <= r && r <= 0x180D, r == 0x200C, r == 0x200D,
		r == 0x2060, 0xFE00 <= r && r <= 0xFE0F, r == 0xFEFF:
		return -1
	}
	return r
}

// prohibited is RFC 4013 §2.3, less what mapped and NFKC never leave.
func prohibited(r rune) bool {
	switch {
	case unicode.In(r, unicode.Cc, unicode.Co, unicode.Cs, unicode.Noncharacter_Code_Point):
		return true
	case r == 0x0340, r == 0x0341, r == 0x06DD, r == 0x070F, r == 0x180E, r == 0x200E, r == 0x200F,
		0x2028 <= r && r <= 0x202E, 0x2061 <= r && r <= 0x2063, 0x206A <= r && r <= 0x206F,
		0x2FF0 <= r && r <= 0x2FFB, 0xFFF9 <= r && r <= 0xFFFD, 0x1D173 <= r && r <= 0x1D17A,
		r == 0xE0001, 0xE0020 <= r && r <= 0xE007F:
		return true
	}
	return false
}

// bidiOK is RFC 3454 §6: a string with right-to-left letters has no left-to-right
// ones, and begins and ends with right-to-left.
func bidiOK(s string) bool {
	var (
		anyRight, anyLeft   bool
		firstRight, isRight bool
	)
	for i, r := range s {
		p, _ := bidi.LookupRune(r)
		class := p.Class()
		isRight = class == bidi.R || class == bidi.AL
		if i == 0 {
			firstRight = isRight
		}
		anyRight = anyRight || isRight
		anyLeft = anyLeft || class == bidi.L
	}
	return !anyRight || !anyLeft && firstRight && isRight
}
