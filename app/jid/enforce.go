package jid

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/unicode/norm"
)

var (
	errUTF8      = errors.New("it is not valid UTF-8")
	errLength    = errors.New("each part of an address has 1 to 1023 bytes")
	errCharacter = errors.New("it has a character that addresses do not have")
	errContext   = errors.New("it has a character that addresses do not have in this place")
)

// split takes an address apart at the first slash and the first @ before it
// (RFC 7622 §3.1): before anything is mapped, for that could make more of them.
func split(s string) (local, domain, resource string, err error) {
	s, resource, slash := strings.Cut(s, "/")
	local, domain, at := strings.Cut(s, "@")
	if !at {
		local, domain = "", s
	}
	if slash && resource == "" || at && local == "" {
		return "", "", "", errLength
	}
	return local, domain, resource, nil
}

// enforced parses an address and brings it into the form in which it is compared.
func enforced(s string) (JID, error) {
	local, domain, resource, err := split(s)
	if err != nil {
		return "", err
	}
	return enforce(local, domain, resource)
}

// enforce brings the parts of an address into the form in which they are compared
// (RFC 7622 §3.2 to 3.4); "" is a part that is not there. It does what
// mellium.im/xmpp/jid does, without the tables of all languages of the world that this
// links, 0.1 MB on the wire: what the tests compare it with.
func enforce(local, domain, resource string) (JID, error) {
	j, err := enforceDomain(domain)
	if err != nil {
		return "", err
	}
	if local != "" {
		if local, err = enforceLocal(local); err != nil {
			return "", err
		}
		j = local + "@" + j
	}
	if resource != "" {
		if resource, err = enforceResource(resource); err != nil {
			return "", err
		}
		j += "/" + resource
	}
	return JID(j), nil
}

func enforceDomain(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errUTF8
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && ip.Zone() == "" {
		if strings.HasPrefix(s, "[") == strings.HasSuffix(s, "]") && strings.HasPrefix(s, "[") == (ip.Is6() && !ip.Is4In6()) {
			return s, nil
		}
	}
	s, err := idna.Display.ToUnicode(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", err
	}
	if s == "" || len(s) > 1023 {
		return "", errLength
	}
	return s, nil
}

// enforceLocal is the profile UsernameCaseMapped (RFC 8265 §3.3), less what
// RFC 7622 §3.3.1 forbids.
func enforceLocal(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errUTF8
	}
	var mapped strings.Builder
	ascii := true
	for _, r := range s {
		ascii = ascii && r < utf8.RuneSelf
		switch {
		case r == 0x3000 || 0xFF01 <= r && r <= 0xFFEE: // fullwidth and halfwidth forms
			mapped.WriteString(strings.ToLower(norm.NFKC.String(string(r))))
		case r == 'İ': // the only one that becomes two
			mapped.WriteString("i̇")
		default:
			mapped.WriteRune(unicode.ToLower(r))
		}
	}
	s = norm.NFC.String(mapped.String())
	switch {
	case s == "" || len(s) > 1023:
		return "", errLength
	case strings.ContainsAny(s, `"&'/:<>@`) || strings.ContainsFunc(s, notInIdentifiers):
		return "", errCharacter
	case !ascii && !bidirule.ValidString(s) || !inContext(s):
		return "", errContext
	}
	return s, nil
}

// enforceResource is the profile OpaqueString (RFC 8265 §4.2).
func enforceResource(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errUTF8
	}
	s = norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s))
	switch {
	case s == "" || len(s) > 1023:
		return "", errLength
	case strings.ContainsFunc(s, func(r rune) bool { return notInIdentifiers(r) && !freeform(r) }):
		return "", errCharacter
	case !inContext(s):
		return "", errContext
	}
	return s, nil
}

// notInIdentifiers reports whether a character is not in the IdentifierClass. The order is
// that of RFC 8264 §8; what depends on its neighbours counts as in.
func notInIdentifiers(r rune) bool {
	switch r {
	case 0xDF, 0x3C2, 0x6FD, 0x6FE, 0xF0B, 0x3007, 0xB7, 0x375, 0x5F3, 0x5F4, 0x30FB, 0x200C, 0x200D:
		return false
	}
	switch {
	case r < utf8.RuneSelf:
		return r <= ' ' || r == 0x7F
	case never(r), compatible(r):
		return true
	}
	return !unicode.In(r, unicode.Ll, unicode.Lu, unicode.Lo, unicode.Nd, unicode.Lm, unicode.Mn, unicode.Mc)
}

// freeform reports whether the FreeformClass has a character that the IdentifierClass
// does not have.
func freeform(r rune) bool {
	return r == ' ' || r > 0x7F && !never(r) &&
		(compatible(r) || unicode.In(r, unicode.Lt, unicode.Nl, unicode.No, unicode.Me, unicode.Zs, unicode.S, unicode.P))
}

// never reports whether a character is in neither class whatever its category: exceptions, old Hangul
// jamo, what is drawn as nothing.
func never(r rune) bool {
	switch {
	case r == 0x640, r == 0x7FA, r == 0x302E, r == 0x302F, 0x3031 <= r && r <= 0x3035, r == 0x303B,
		0x1100 <= r && r <= 0x11FF, 0xA960 <= r && r <= 0xA97C, 0xD7B0 <= r && r <= 0xD7FB:
		return true
	}
	return unicode.In(r, unicode.C, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// compatible reports whether a character is another way to write others.
func compatible(r rune) bool {
	s := string(r)
	return !norm.NFKC.IsNormalString(s)
}

// inContext reports whether characters that need certain others have them (RFC 5892,
// Appendix A).
func inContext(s string) bool {
	var before rune
	var arabic, extended, joiners, dots, japanese bool
	for i, r := range s {
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		switch {
		case r == 0xB7 && (before != 'l' || next != 'l'),
			r == 0x375 && !unicode.Is(unicode.Greek, next),
			(r == 0x5F3 || r == 0x5F4) && !unicode.Is(unicode.Hebrew, before):
			return false
		case r == 0x30FB:
			dots = true
		case r == 0x200C || r == 0x200D:
			joiners = true
		case 0x660 <= r && r <= 0x669:
			arabic = true
		case 0x6F0 <= r && r <= 0x6F9:
			extended = true
		}
		japanese = japanese || unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
		before = r
	}
	if arabic && extended || dots && !japanese {
		return false
	}
	return !joiners || joined(s)
}

var joining = idna.New(idna.CheckJoiners(true))

// joined reports whether the joiners of s stand where they change something. Which letters
// join is in the tables of idna, which lets all pass after a non-joiner that does not join;
// here that must be a letter of a script without capitals.
func joined(s string) bool {
	// The letter keeps idna from taking s for an A-label, or for one that begins with a mark.
	if _, err := joining.ToUnicode("a" + strings.ReplaceAll(s, ".", "-")); err != nil {
		return false
	}
	for i, r := range s {
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		if r != 0x200C || norm.NFC.PropertiesString(string(before)).CCC() == virama {
			continue
		}
		after := strings.TrimLeftFunc(s[i+utf8.RuneLen(r):], func(r rune) bool { return unicode.Is(unicode.Mn, r) })
		if next, _ := utf8.DecodeRuneInString(after); !unicode.Is(unicode.Lo, next) {
			return false
		}
	}
	return true
}

const virama = 9 // the combining class of what kills a vowel
