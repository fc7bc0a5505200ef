// Package legible makes text that strangers chose safe to stand beside other text:
// names, statuses, addresses, bodies. What surprises: nothing may be left of it. Ask
// whether a text is empty after it was cleaned, never before.
package legible

import (
	"strings"
	"unicode"

	"natter/app/steps"
)

// Name is a name on one line, no longer than anyone reads; "" if nothing of it can be
// seen.
func Name(s string) string { return Short(s, 100) }

// Line is all of a text on one line, for what tells by its end whose it is: addresses.
func Line(s string) string { return Short(s, len(s)) }

// Short is the beginning of a text, of so many characters, on one line. It leaves out
// what reorders or hides the text around it (CVE-2021-42574) and what is drawn as
// nothing, so that no two texts look the same for that alone. What emoji are put together
// with stays, where it puts something together.
func Short(s string, most int) string {
	if len(s) <= most && tidy(s) {
		return s
	}
	c := Shortener{Most: most}
	return c.Add(s)
}

// Shortener does what Short does for a text that comes in parts. White space at the end of a part
// is at the beginning of what is added next.
type Shortener struct {
	Most int // characters

	last  rune // of what has been returned
	n     int
	space bool
	full  bool
}

// Add returns what there is to add for another part of the text.
func (c *Shortener) Add(s string) string {
	if c.full {
		return ""
	}
	b := make([]byte, 0, min(len(s)+1, 4*c.Most)) // most characters take less
	for _, r := range s {
		steps.Add(1)
		switch {
		case blank(r):
			c.space = c.n > 0
			continue
		case Joins(r):
			if c.space || !joinable(c.last, r) {
				continue
			}
		case Unseen(r), (c.n == 0 || c.space) && unicode.Is(unicode.M, r):
			continue
		}
		if c.n++; c.n > c.Most || c.space && c.n == c.Most {
			c.full = true
			return string(append(b, "…"...))
		}
		if c.space {
			b, c.n, c.space = append(b, ' '), c.n+1, false
		}
		b, c.last = append(b, string(r)...), r
	}
	return string(b)
}

// tidy reports whether a text is as most are: nothing in it has to be cleaned away.
func tidy(s string) bool {
	space := true
	for i := range len(s) {
		steps.Add(1)
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && space {
			return false
		}
		space = s[i] == ' '
	}
	return !space || s == ""
}

// Body is a text of many lines without the overrides: "gpj.exe" must not read as
// "exe.jpg". What Arabic and Hebrew are written with stays.
func Body(s string) string {
	steps.Add(len(s))
	return strings.Map(func(r rune) rune {
		if r == 0x202D || r == 0x202E {
			return -1
		}
		return r
	}, s)
}

// Unseen reports whether r is drawn as nothing, or only changes the order or look of
// what is around it: the default-ignorable characters of Unicode, but for those that
// put emoji together, and a few that fonts have nothing for.
func Unseen(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, r == 0x34F, r == 0x61C, r == 0x17B4, r == 0x17B5,
		r >= 0x180B && r <= 0x180F,
		r >= 0x200B && r <= 0x200F && r != 0x200D,
		r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x206F,
		r >= 0xFE00 && r <= 0xFE0D,
		r == 0xFEFF,
		r >= 0xFFF0 && r <= 0xFFFB,
		r >= 0x1BCA0 && r <= 0x1BCA3,
		r == 0x1D159, r >= 0x1D173 && r <= 0x1D17A,
		r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	return Filler(r)
}

// Filler reports whether r is blank although it is no space: Hangul that stands for no
// letter, the pattern of Braille without a dot.
func Filler(r rune) bool {
	return r == 0x115F || r == 0x1160 || r == 0x2800 || r == 0x3164 || r == 0xFFA0
}

func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || Filler(r) }

// Joins reports whether r makes one emoji of several characters.
func Joins(r rune) bool { return r == 0x200D || r == 0xFE0E || r == 0xFE0F || tag(r) }

// joinable reports whether it can, after last.
func joinable(last, r rune) bool {
	switch {
	case tag(r):
		return tag(last) || last == 0x1F3F4 // the flags of England, Scotland, Wales
	case r == 0x200D:
		return last != 0 && last != 0x200D
	}
	return last != 0 && !Joins(last)
}

func tag(r rune) bool { return r >= 0xE0020 && r <= 0xE007F }
