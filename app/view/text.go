package view

import (
	"crypto/sha1"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"natter/app/jid"
)

// plain makes a name that a stranger chose safe to stand beside other text, and no
// longer than anyone reads.
func plain(s string) string {
	if len(s) <= 100 && tidy(s) {
		return s
	}
	name := []rune(clean(s))
	if len(name) > 100 {
		return string(name[:100]) + "…"
	}
	return string(name)
}

// clean takes out what reorders or hides the text around it (CVE-2021-42574) and
// makes it one line. Addresses are cleaned and never shortened: their end is what
// tells whose they are.
func clean(s string) string {
	if tidy(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case hides(r):
		case unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// tidy reports whether a name is as most are: nothing in it has to be cleaned away.
func tidy(s string) bool {
	space := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && space {
			return false
		}
		space = s[i] == ' '
	}
	return !space || s == ""
}

// straight takes the overrides out of a body: "gpj.exe" must not read as "exe.jpg".
// What Arabic and Hebrew are written with stays.
func straight(body string) string {
	return strings.Map(func(r rune) rune {
		if r == 0x202D || r == 0x202E {
			return -1
		}
		return r
	}, body)
}

// hides reports whether r changes the order of text or cannot be seen. U+200D stays:
// many emoji are made with it, and it cannot reorder anything.
func hides(r rune) bool {
	switch {
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0x200B, r == 0x200C, r == 0x200E, r == 0x200F, r == 0x2060, r == 0xFEFF, r == 0x061C:
		return true
	}
	return false
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// token is a piece of a message: text, or a link if Href is set.
type token struct {
	Text string
	Href string  // https:, http:, mailto:, tel: or geo:, nothing else ever
	Peer jid.JID // of an xmpp: link
	Host string  // where it really goes, when its text pretends otherwise
}

var schemes = []string{"https://", "http://", "xmpp:", "mailto:", "tel:", "geo:"}

// tokens splits a body into text and links. Only what begins with one of the
// schemes is a link, so javascript: in any spelling stays text.
func tokens(body string) []token {
	var out []token
	text := 0
	for at := 0; at < len(body); {
		scheme := schemeAt(body, at)
		if scheme == "" {
			_, size := utf8.DecodeRuneInString(body[at:])
			at += size
			continue
		}
		end := linkEnd(body, at+len(scheme))
		link, ok := makeLink(scheme, body[at:end])
		if !ok {
			at += len(scheme)
			continue
		}
		if at > text {
			out = append(out, token{Text: body[text:at]})
		}
		out = append(out, link)
		at, text = end, end
	}
	if text < len(body) {
		out = append(out, token{Text: body[text:]})
	}
	return out
}

// schemeAt returns the scheme of a link that begins at this place, "" if none does.
func schemeAt(body string, at int) string {
	c := body[at] | 0x20
	if c != 'h' && c != 'x' && c != 'm' && c != 't' && c != 'g' {
		return ""
	}
	if before, _ := utf8.DecodeLastRuneInString(body[:at]); at > 0 && (unicode.IsLetter(before) || unicode.IsDigit(before)) {
		return ""
	}
	for _, scheme := range schemes {
		if len(body)-at > len(scheme) && strings.EqualFold(body[at:at+len(scheme)], scheme) {
			return scheme
		}
	}
	return ""
}

// linkEnd returns where the link ends: at white space, a control or an invisible
// character, a backslash or quote, and without the punctuation of the sentence.
func linkEnd(body string, from int) int {
	end := from
	for i, r := range body[from:] {
		if unicode.IsSpace(r) || unicode.IsControl(r) || hides(r) || strings.ContainsRune("<>\"\\^`{|}", r) {
			break
		}
		end = from + i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			end = from + i
			break
		}
	}
	for end > from {
		r, size := utf8.DecodeLastRuneInString(body[from:end])
		closes := strings.IndexRune(")]", r)
		unmatched := closes >= 0 &&
			strings.Count(body[from:end], ")]"[closes:closes+1]) > strings.Count(body[from:end], "(["[closes:closes+1])
		if !unmatched && !strings.ContainsRune(".,:;!?'*_~…。，", r) {
			break
		}
		end -= size
	}
	return end
}

func makeLink(scheme, link string) (token, bool) {
	rest := link[len(scheme):]
	if rest == "" {
		return token{}, false
	}
	switch scheme {
	case "xmpp:":
		address, _, _ := strings.Cut(rest, "?")
		peer, err := jid.Parse(strings.TrimPrefix(address, "//"))
		if err != nil || peer.Local() == "" {
			return token{}, false
		}
		return token{Text: link, Peer: peer.Bare()}, true
	case "http://", "https://":
		authority := rest
		if i := strings.IndexAny(authority, "/?#"); i >= 0 {
			authority = authority[:i]
		}
		host := authority[strings.LastIndexByte(authority, '@')+1:]
		if name, _, _ := strings.Cut(host, ":"); name == "" || strings.Trim(name, ".") == "" {
			return token{}, false
		}
		t := token{Text: link, Href: scheme + rest}
		if host != authority || mixed(host) {
			t.Host = host
		}
		return t, true
	}
	return token{Text: link, Href: scheme + rest}, true
}

// mixed reports whether a host has letters of scripts that look alike.
func mixed(host string) bool {
	var latin, other bool
	for _, r := range host {
		latin = latin || unicode.Is(unicode.Latin, r)
		other = other || unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
	}
	return latin && other
}

// onlyEmoji reports whether a body is a few emoji and nothing else.
func onlyEmoji(body string) bool {
	n := 0
	for _, r := range strings.TrimSpace(body) {
		switch {
		case r == 0x200D, r == 0xFE0F, r == 0x20E3, r >= 0x1F3FB && r <= 0x1F3FF, r >= 0xE0020 && r <= 0xE007F:
		case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF, r >= 0x2B00 && r <= 0x2BFF, r >= 0x2300 && r <= 0x23FF:
			n++
		default:
			return false
		}
		if n > 6 {
			return false
		}
	}
	return n > 0
}

// hue is the angle of a colour for an identity (XEP-0392 §5.1).
func hue(identity string) float64 {
	sum := sha1.Sum([]byte(identity))
	return float64(int(sum[0])|int(sum[1])<<8) / 65536 * 360
}

// hues is how many colour classes app.css has.
const hues = 48

func hueClass(identity string) string {
	return "tinted hue-" + strconv.Itoa(int(hue(identity)/360*hues+0.5)%hues)
}

// initial is what stands in an avatar for a name.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return strings.ToUpper(string(r))
		}
	}
	return "#"
}
