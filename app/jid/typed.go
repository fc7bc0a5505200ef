package jid

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"natter/app/legible"
	"natter/app/steps"
)

// Typed reads an address as people type and paste it: with white space and invisible
// characters around it, as an xmpp: link, with characters in the name that XEP-0106
// escapes. The error is a *Fault.
func Typed(s string) (Link, error) {
	s = strings.TrimFunc(s, func(r rune) bool {
		steps.Add(1)
		return unicode.IsSpace(r) || unicode.IsControl(r) || legible.Unseen(r) || r == 0x200D
	})
	switch {
	case s == "":
		return Link{}, &Fault{Kind: Empty}
	case isLink(s):
		link, ok := ParseLink(s)
		if !ok {
			return Link{}, &Fault{Characters, "this link leads to none"}
		}
		return link, nil
	case len(s) > longest:
		return Link{}, &Fault{Characters, "it is too long"}
	}
	bare, resource, _ := strings.Cut(s, "/")
	at := strings.LastIndexByte(bare, '@')
	local, domain := bare[:max(at, 0)], bare[at+1:]
	switch {
	case domain == "":
		return Link{}, &Fault{NoDomain, "there is nothing after the @"}
	case at == 0:
		return Link{}, &Fault{NoName, "there is nothing before the @"}
	}
	if where := odd(bare, false); where != "" {
		return Link{}, &Fault{Characters, where}
	}
	if strings.HasSuffix(local, "@") || strings.Contains(local, "@") && strings.ContainsAny(local, ",;") {
		return Link{}, &Fault{Characters, "it has more than one @"} // a slip of the finger, or two addresses
	}
	j, ok := join(escape(local), domain, resource)
	if !ok {
		return Link{}, &Fault{Characters, odd(bare, true)}
	}
	return Link{Peer: j}, nil
}

// join makes an address of its parts; false if that is none.
func join(local, domain, resource string) (JID, bool) {
	if strings.HasPrefix(domain, ".") || strings.Contains(domain, "..") {
		return "", false
	}
	j, err := enforce(local, domain, resource)
	return j, err == nil
}

// longest is the longest address there is, in bytes (RFC 7622 §3.1).
const longest = 3071

// Fault is why something that was typed is no address.
type Fault struct {
	Kind  FaultKind
	Where string // "there is a space after “a”"; "" if there is no more to say
}

func (f *Fault) Error() string { return "no XMPP address: " + f.Where }

// FaultKind is what is wrong with what was typed.
type FaultKind int

const (
	Empty      FaultKind = iota
	NoDomain             // nothing after the @
	NoName               // nothing before it
	Characters           // some that cannot be there
)

// odd says where in an address there is a space, or something that cannot be seen; all
// of that includes what is at home in some names: joiners.
func odd(s string, all bool) string {
	for i, r := range s {
		steps.Add(1)
		what := ""
		switch {
		case r == ' ':
			what = "a space"
		case unicode.IsSpace(r), unicode.IsControl(r), legible.Unseen(r) && (all || r != 0x200C), legible.Joins(r) && all:
			what = "an invisible character (" + code(r) + ")"
		default:
			continue
		}
		before := []rune(legible.Line(s[:i]))
		if len(before) > 20 {
			return "there is " + what + " after “…" + string(before[len(before)-20:]) + "”"
		}
		return "there is " + what + " after “" + string(before) + "”"
	}
	return ""
}

// code is how Unicode names a character.
func code(r rune) string {
	hex := strings.ToUpper(strconv.FormatInt(int64(r), 16))
	return "U+" + strings.Repeat("0", max(0, 4-len(hex))) + hex
}

// escapes are what XEP-0106 §4.2 has for the characters that the name of an account
// cannot have.
var escapes = [...]struct{ char, code string }{
	{" ", `\20`}, {`"`, `\22`}, {"&", `\26`}, {"'", `\27`}, {"/", `\2f`},
	{":", `\3a`}, {"<", `\3c`}, {">", `\3e`}, {"@", `\40`}, {`\`, `\5c`},
}

// escape makes a name of what was typed. A backslash stays: who types \27 means it.
func escape(local string) string {
	for _, e := range escapes[:len(escapes)-1] {
		steps.Add(len(local))
		local = strings.ReplaceAll(local, e.char, e.code)
	}
	return local
}

// Shown is the bare address as people read it, on one line: with the characters that
// XEP-0106 escapes. A slash and a space stay escaped, for what comes after them would
// look as if it were no longer part of the address.
func (j JID) Shown() string {
	local := j.Local()
	if local == "" {
		return legible.Line(j.Domain())
	}
	return legible.Line(Unescape(local) + "@" + j.Domain())
}

// Unescape is a name as Shown shows it.
func Unescape(local string) string {
	if !strings.Contains(local, `\`) {
		return local
	}
	var b strings.Builder
	for at := 0; at < len(local); at++ {
		steps.Add(1)
		char := local[at : at+1]
		if char == `\` {
			for _, e := range escapes {
				if strings.HasPrefix(local[at:], e.code) && e.char != " " && e.char != "/" {
					char = e.char
					at += len(e.code) - 1
				}
			}
		}
		b.WriteString(char)
	}
	return b.String()
}

// Link is what an xmpp: link leads to (RFC 5122).
type Link struct {
	Peer   JID    // bare
	Action string // what to do there: "message", "join", …; "" if it does not say
	Body   string // of the message
}

const scheme = "xmpp:"

func isLink(s string) bool {
	return len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme)
}

// ParseLink reads an xmpp: link; false if it leads nowhere. What a link says after // is
// who is to go there; most that have it mean the address itself.
func ParseLink(s string) (Link, bool) {
	steps.Add(len(s))
	if !isLink(s) || len(s) > 2*longest {
		return Link{}, false
	}
	s, _, _ = strings.Cut(s[len(scheme):], "#")
	path, query, _ := strings.Cut(s, "?")
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
		if _, target, _ := strings.Cut(rest, "/"); strings.Contains(target, "@") {
			path = target
		}
	}
	bare, _, _ := strings.Cut(path, "/")
	at := strings.IndexByte(bare, '@')
	local, ok := Decode(bare[:max(at, 0)])
	domain, ok2 := Decode(bare[at+1:])
	if !ok || !ok2 || at == 0 || len(local) > longest/3 || len(domain) > longest/3 || odd(local+domain, false) != "" {
		return Link{}, false
	}
	j, ok := join(local, domain, "")
	if !ok {
		return Link{}, false
	}
	l := Link{Peer: j}
	for i, pair := range strings.Split(query, ";") {
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case i == 0:
			l.Action = strings.ToLower(key)
		case key == "body" && l.Action == "message":
			l.Body, _ = Decode(value)
		}
	}
	return l, true
}

// Decode undoes the percent-encoding; false if something stands there that is none.
func Decode(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for at := 0; at < len(s); at++ {
		steps.Add(1)
		if s[at] != '%' {
			b = append(b, s[at])
			continue
		}
		if at+2 >= len(s) {
			return "", false
		}
		high, low := nibble(s[at+1]), nibble(s[at+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		at += 2
	}
	return string(b), true
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// ASCII is a domain as the DNS has it: with A-labels (RFC 5890 §2.3.2.1). Where there is
// no such domain, its letters are spelt all the same.
func ASCII(domain string) string {
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	a, _ := idna.Punycode.ToASCII(domain)
	return a
}
