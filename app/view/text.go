package view

import (
	"crypto/sha1"
	"strconv"
	"strings"
	"unicode"

	"natter/app/legible"
	"natter/app/state"
	"natter/app/steps"
	"natter/app/text"
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
func folded(body string, n int, by text.Rules) (shown []text.Block, more bool) {
	if body != "" && oneLine(body) == "" {
		return []text.Block{{Runs: []text.Run{{Text: unseen}}}}, false
	}
	by.Size = screens(body, n)
	return text.Parse(body, by)
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

// identity is by what the author of a message is told from others, for a colour.
func identity(m *state.Message) string {
	if m.Tenure != 0 {
		return string(m.Author) + " " + strconv.FormatInt(m.Tenure, 36)
	}
	return string(m.Author)
}

func identityOf(a state.Author) string {
	m := state.Message{Author: a.JID}
	if a.Again {
		m.Tenure = a.Since
	}
	return identity(&m)
}

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
