package legible

import "unicode/utf8"

// longestEmoji is more than any emoji takes, in bytes: a family of four is 25, the flag of Wales 28.
const longestEmoji = 64

// Emoji reports whether a text is one emoji as UTS #51 §1.4.9 writes it: a flag, a key, or a picture,
// which others may be joined to. It knows blocks of Unicode and not single signs, so that it need
// not change with each version.
func Emoji(s string) bool {
	if len(s) > longestEmoji || !utf8.ValidString(s) {
		return false
	}
	rest, ok := afterPicture([]rune(s))
	for ok && len(rest) > 0 && rest[0] == joiner {
		rest, ok = afterPicture(rest[1:])
	}
	return ok && len(rest) == 0
}

const (
	joiner   = 0x200D
	coloured = 0xFE0F // what comes before is an emoji, where it could be a letter or a sign
	keycap   = 0x20E3
)

// afterPicture returns what comes after the emoji that runes begin with, which is joined to none.
func afterPicture(rs []rune) (rest []rune, ok bool) {
	if len(rs) == 0 {
		return nil, false
	}
	next := func(is func(rune) bool) bool {
		if len(rs) > 1 && is(rs[1]) {
			rs = rs[1:]
			return true
		}
		return false
	}
	isColoured := func(r rune) bool { return r == coloured }
	switch r := rs[0]; {
	case isFlag(r):
		ok = next(isFlag)
		return rs[1:], ok
	case r >= '0' && r <= '9', r == '#', r == '*':
		next(isColoured)
		ok = next(func(r rune) bool { return r == keycap })
		return rs[1:], ok
	case isSign(r):
		ok = next(isColoured)
		return rs[1:], ok
	case !isPicture(r):
		return nil, false
	}
	next(isColoured)
	next(func(r rune) bool { return r >= 0x1F3FB && r <= 0x1F3FF }) // the colour of the skin
	next(isColoured)
	for next(func(r rune) bool { return r >= 0xE0020 && r <= 0xE007F }) { // the flag of a part of a country
	}
	return rs[1:], true
}

func isFlag(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

// isPicture reports whether a rune is an emoji by itself.
func isPicture(r rune) bool {
	return r >= 0x1F000 && r <= 0x1FAFF && !isFlag(r) || r == 0x25FD || r == 0x25FE || r >= 0x2600 && r <= 0x27BF || r >= 0x2B05 && r <= 0x2B55 || r >= 0x231A && r <= 0x23FF
}

// isSign reports whether a rune is an emoji if it is coloured.
func isSign(r rune) bool {
	switch r {
	case 0xA9, 0xAE, 0x203C, 0x2049, 0x2122, 0x2139, 0x24C2, 0x3030, 0x303D, 0x3297, 0x3299:
		return true
	}
	return r >= 0x2194 && r <= 0x21AA || r >= 0x25AA && r <= 0x25FC || r == 0x2934 || r == 0x2935
}
