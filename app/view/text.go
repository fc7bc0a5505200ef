package view

import (
	"crypto/sha1"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/steps"
)

// plain is a name that a stranger chose, safe to stand beside other text; "" if nothing
// of it can be seen.
func plain(s string) string { return legible.Name(s) }

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// unseen stands for a message of which nothing can be seen.
const unseen = "Empty message"

// A body is folded above this size, which is about a screen. The text of a bubble is at most 72
// characters wide.
const (
	lineLength   = 72
	screenLength = 30
)

// screens returns how much of a body fills so many screens, in bytes: all of it if little
// more is left, for it is no help to hide that.
func screens(body string, n int) int {
	line, column, full := 0, 0, -1
	for i, r := range body {
		steps.Add(1)
		if column == lineLength && r != '\n' {
			line, column = line+1, 0
		}
		switch {
		case full < 0 && line >= n*screenLength:
			full = i
			if space := strings.LastIndexAny(body[max(0, i-lineLength):i], " \n"); space >= 0 {
				full = max(0, i-lineLength) + space + 1
			}
		case full >= 0 && line >= n*screenLength+screenLength/3:
			return full
		}
		if column++; r == '\n' {
			line, column = line+1, 0
		}
	}
	return len(body)
}

// folded is as much of a body as fills so many screens, and whether that is not all. A
// link that goes across the fold belongs to it.
func folded(body string, n int) (shown []token, more bool) {
	if body != "" && oneLine(body) == "" {
		return []token{{Text: unseen}}, false
	}
	fold, at := screens(body, n), 0
	for _, t := range tokens(body[:min(len(body), fold+longestLink)]) {
		if at >= fold {
			break
		}
		if at+len(t.Text) > fold && t.Href == "" && t.Peer == "" {
			t.Text = t.Text[:fold-at]
		}
		at += len(t.Text)
		t.Text = legible.Body(t.Text)
		shown = append(shown, t)
	}
	return shown, at < len(body)
}

// token is a piece of a message: text, or a link if Href is set.
type token struct {
	Text string
	Href string  // https:, http:, mailto:, tel: or geo:, nothing else ever
	Peer jid.JID // of an xmpp: link
	Host string  // where it really goes, when its text pretends otherwise
}

var schemes = []string{"https://", "http://", "xmpp:", "mailto:", "tel:", "geo:"}

// longestLink is where a link ends that does not end before, in bytes: what is longer
// leads nowhere, and nobody can see where.
const longestLink = 2048

// tokens splits a body into text and links. Only what begins with one of the
// schemes is a link, so javascript: in any spelling stays text. It looks at each place
// once: what looks like a link and is none is text up to where it would have ended.
func tokens(body string) []token {
	var out []token
	text := 0
	before := ' '
	for at := 0; at < len(body); {
		steps.Add(1)
		scheme := schemeAt(body[at:], before)
		if scheme == "" {
			var size int
			before, size = utf8.DecodeRuneInString(body[at:])
			at += size
			continue
		}
		end, run := linkEnd(body, at, len(scheme), before)
		steps.Add(run - at)
		if link, ok := makeLink(scheme, body[at:end]); ok {
			if at > text {
				out = append(out, token{Text: body[text:at]})
			}
			out = append(out, link)
			text = end
		}
		at = run
		before, _ = utf8.DecodeLastRuneInString(body[:at])
	}
	if text < len(body) {
		out = append(out, token{Text: body[text:]})
	}
	return out
}

// schemeAt returns the scheme of a link that rest begins with, "" if none does.
func schemeAt(rest string, before rune) string {
	c := rest[0] | 0x20
	if c != 'h' && c != 'x' && c != 'm' && c != 't' && c != 'g' || unicode.IsLetter(before) || unicode.IsDigit(before) {
		return ""
	}
	for _, scheme := range schemes {
		if len(rest) > len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
			return scheme
		}
	}
	return ""
}

// linkEnd returns where the link ends that begins at this place with a scheme of so many
// bytes: at white space, a control or an invisible character, a backslash or quote, and
// without the punctuation of the sentence. run is the end with that punctuation.
func linkEnd(body string, at, scheme int, before rune) (end, run int) {
	run = at + scheme
	var open [2]int // of each pair of brackets
scan:
	for i, r := range body[run:min(len(body), at+longestLink)] {
		steps.Add(1)
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), legible.Unseen(r), strings.ContainsRune("<>\"\\^`{|}", r), r == utf8.RuneError:
			break scan
		}
		if pair := strings.IndexRune("([", r); pair >= 0 {
			open[pair]++
		} else if pair := strings.IndexRune(")]", r); pair >= 0 {
			open[pair]--
		}
		run = at + scheme + i + utf8.RuneLen(r)
	}
	for end = run; end > at+scheme; {
		steps.Add(1)
		r, size := utf8.DecodeLastRuneInString(body[:end])
		pair := strings.IndexRune(")]", r)
		switch {
		case pair >= 0 && open[pair] < 0:
			open[pair]++
		case strings.ContainsRune(".,:;!?'*…。，", r):
		case r == before && (r == '_' || r == '~'): // emphasis around the link
		default:
			return end, run
		}
		end -= size
	}
	return end, run
}

func makeLink(scheme, link string) (token, bool) {
	rest := link[len(scheme):]
	if rest == "" {
		return token{}, false
	}
	switch scheme {
	case "xmpp:":
		to, ok := jid.ParseLink(link)
		if !ok || to.Peer.Local() == "" && !strings.Contains(to.Peer.Domain(), ".") { // urn:xmpp:ping
			return token{}, false
		}
		return token{Text: link, Peer: to.Peer}, true
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
		name, port, _ := strings.Cut(host, ":")
		if real, ok := lookAlike(name); ok {
			if t.Host = real; port != "" {
				t.Host += ":" + port
			}
		} else if host != authority {
			t.Host = host
		}
		return t, true
	}
	return token{Text: link, Href: scheme + rest}, true
}

// lookAlike reports whether a host may look like another one: by letters of scripts that
// look alike, by signs that look like dots and slashes, by what a browser takes for other
// characters. real is what it is in ASCII, which looks like nothing else.
func lookAlike(host string) (real string, yes bool) {
	steps.Add(len(host))
	decoded := host
	if strings.Contains(host, "%") {
		var ok bool
		if decoded, ok = jid.Decode(host); !ok {
			return host, true
		}
	}
	latin, other, odd := false, false, decoded != host
	for _, r := range decoded {
		switch {
		case unicode.Is(unicode.Latin, r):
			latin = true
			odd = odd || r > 0x24F || r == 'ı' || r == 'ſ'
		case r < 0x80:
		case unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee):
			other = true
		case !unicode.IsLetter(r) && !unicode.Is(unicode.M, r), r >= 0xFF00 && r <= 0xFFEF:
			odd = true
		}
	}
	if odd || latin && other {
		return jid.ASCII(decoded), true
	}
	return "", false
}

// onlyEmoji reports whether a body is a few emoji and nothing else.
func onlyEmoji(body string) bool {
	n := 0
	for _, r := range strings.TrimSpace(body) {
		steps.Add(1)
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
		steps.Add(1)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return strings.ToUpper(string(r))
		}
	}
	return "#"
}
