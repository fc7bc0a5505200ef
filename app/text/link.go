package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/steps"
)

var schemes = []string{"https://", "http://", "xmpp:", "mailto:", "tel:", "geo:"}

// longestLink is where a link ends that does not end before, in bytes: what is longer
// leads nowhere, and nobody can see where.
const longestLink = 2048

// find calls yield for each link of a line, which does not begin in preformatted text. Only what
// begins with one of the schemes is a link, so javascript: in any spelling is text. It looks at each
// place once: what looks like a link and is none is text up to where it would have ended.
func find(body string, l line, segments []segment, yield func(from, to int, link Run)) {
	if steps.Add(l.to - l.from); strings.IndexByte(body[l.from:l.to], ':') < 0 {
		return
	}
	before := ' '
	for at := l.from; at < l.to; {
		steps.Add(1)
		for segments[0].to <= at {
			segments = segments[1:]
		}
		if s := segments[0]; s.style&Pre != 0 {
			at, before = s.to, '`'
			continue
		}
		scheme := schemeAt(body[at:l.to], before)
		if scheme == "" {
			var size int
			before, size = utf8.DecodeRuneInString(body[at:l.to])
			at += size
			continue
		}
		end, run := linkEnd(body[:l.to], at, len(scheme), before, segments)
		steps.Add(run - at)
		if link, ok := makeLink(scheme, body[at:end]); ok {
			yield(at, end, link)
		}
		at = run
		before, _ = utf8.DecodeLastRuneInString(body[:at])
	}
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
// without the punctuation of the sentence and the directives of the spans around it. run is the end
// with these.
func linkEnd(body string, at, scheme int, before rune, segments []segment) (end, run int) {
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
	last := 0 // the segment before the end
	for segments[last].to < run {
		steps.Add(1)
		last++
	}
	for end = run; end > at+scheme; {
		for steps.Add(1); last > 0 && segments[last-1].to >= end; last-- {
			steps.Add(1)
		}
		r, size := utf8.DecodeLastRuneInString(body[:end])
		pair := strings.IndexRune(")]", r)
		switch {
		case pair >= 0 && open[pair] < 0:
			open[pair]++
		case strings.ContainsRune(".,:;!?'*…。，", r):
		case r == before && (r == '_' || r == '~'): // emphasis around the link
		case segments[last].mark: // as a span begins after white space, it is the end of one
		default:
			return end, run
		}
		end -= size
	}
	return end, run
}

func makeLink(scheme, link string) (Run, bool) {
	rest := link[len(scheme):]
	if rest == "" {
		return Run{}, false
	}
	switch scheme {
	case "xmpp:":
		to, ok := jid.ParseLink(link)
		if !ok || to.Peer.Local() == "" && !strings.Contains(to.Peer.Domain(), ".") { // urn:xmpp:ping
			return Run{}, false
		}
		return Run{Text: link, Peer: to.Peer}, true
	case "http://", "https://":
		authority := rest
		if i := strings.IndexAny(authority, "/?#"); i >= 0 {
			authority = authority[:i]
		}
		host := authority[strings.LastIndexByte(authority, '@')+1:]
		if name, _, _ := strings.Cut(host, ":"); name == "" || strings.Trim(name, ".") == "" {
			return Run{}, false
		}
		t := Run{Text: link, Href: scheme + rest}
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
	return Run{Text: link, Href: scheme + rest}, true
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
