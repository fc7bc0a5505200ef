package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
)

// emojis are all that the person can choose from: the list of web/emoji/main.go, which the page loads
// when somebody wants an emoji for the first time.
type emojis struct {
	all    []emoji
	groups []emojiGroup
	bases  map[rune]bool // characters that a skin tone can follow
}

type emoji struct {
	char  string
	name  string
	words string // what it is found by, in lower case, with a space before each word
	tones bool
}

// emojiGroup is what stands together, from an index up to another.
type emojiGroup struct {
	name     string
	from, to int
}

// readEmojis reads the list; a line that is no emoji is left out.
func readEmojis(list string) *emojis {
	e := &emojis{bases: map[rune]bool{}}
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) == 1 {
			e.groups = append(e.groups, emojiGroup{fields[0], len(e.all), len(e.all)})
			continue
		}
		one := emoji{name: fields[1]}
		one.char, one.tones = strings.CutPrefix(fields[0], "+")
		if !legible.Emoji(one.char) || len(e.groups) == 0 {
			continue
		}
		one.words = " " + strings.ToLower(strings.Join(fields[1:], " "))
		if runes := []rune(strings.ReplaceAll(one.char, "\ufe0f", "")); one.tones && len(runes) == 1 {
			e.bases[runes[0]] = true
		}
		e.all = append(e.all, one)
		e.groups[len(e.groups)-1].to = len(e.all)
	}
	return e
}

// find returns as many as n that have all words of what was typed, the best first: those whose name
// begins with it, then those with the words in their name, then the others.
func (e *emojis) find(typed string, n int) []*emoji {
	words := strings.FieldsFunc(strings.ToLower(typed), func(r rune) bool { return r == ' ' || r == '_' })
	if e == nil || len(words) == 0 {
		return nil
	}
	var found [3][]*emoji
	for i := range e.all {
		one := &e.all[i]
		name := one.words[:1+len(one.name)]
		if !hasWords(one.words, words) {
			continue
		}
		how := 2
		switch {
		case strings.HasPrefix(name[1:], strings.Join(words, " ")):
			how = 0
		case hasWords(name, words):
			how = 1
		}
		found[how] = append(found[how], one)
	}
	all := slices.Concat(found[:]...)
	return all[:min(n, len(all))]
}

func hasWords(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, " "+w) })
}

// toned is an emoji in a skin tone, from 1 to 5, or 0 for none: each person in it gets it, in place of
// the selector that would make it an emoji, and the hands between two people do not (UTS #51 §2.9).
func (e *emojis) toned(one *emoji, tone int) string {
	if !one.tones || tone < 1 || tone > 5 {
		return one.char
	}
	var b strings.Builder
	toned, runes := false, []rune(one.char)
	for _, r := range runes {
		if toned && r == 0xFE0F {
			toned = false
			continue
		}
		b.WriteRune(r)
		if toned = e.bases[r] && (r != '🤝' || len(runes) == 1); toned {
			b.WriteRune('🏻' + rune(tone) - 1)
		}
	}
	return b.String()
}

// picks are what the person likes, as the page keeps them: the skin tone, and the emoji they chose last.
type picks struct {
	tone   int
	recent []string
}

// mostRecent is how many emoji are kept that were chosen last.
const mostRecent = 24

// readPicks reads what was kept. Nothing in it is trusted to be an emoji.
func readPicks(kept string) (p picks) {
	for i, field := range strings.Fields(kept) {
		if i == 0 {
			p.tone, _ = strconv.Atoi(field)
		} else if legible.Emoji(field) && len(p.recent) < mostRecent {
			p.recent = append(p.recent, field)
		}
	}
	return p
}

func (p picks) String() string {
	return strings.Join(append([]string{strconv.Itoa(p.tone)}, p.recent...), " ")
}

// with is p after an emoji was chosen.
func (p picks) with(char string) picks {
	recent := append([]string{char}, slices.DeleteFunc(slices.Clone(p.recent), func(o string) bool { return o == char })...)
	p.recent = recent[:min(len(recent), mostRecent)]
	return p
}

// loadEmojis has the list loaded, if it is not here, and the page drawn again when it is.
func (d *desk) loadEmojis() {
	if d.emojis != nil || d.loading {
		return
	}
	d.loading, d.unloaded = true, false
	d.platform.Emojis(func(list string) {
		d.post(func() {
			d.loading = false
			if d.unloaded = list == ""; !d.unloaded {
				d.emojis = readEmojis(list)
			}
			d.complete(d.completing.typed)
			d.rev++
		})
	})
}

// openEmoji puts the picker in front. It is for the message with this data-key, to react to it, or
// with "" for the composer: what is chosen is put where its caret is. This is also the way for other
// parts of the view to let the person choose: a button with doEmoji whose data-text is such a key.
func (d *desk) openEmoji(key string) {
	d.ask(dialog{kind: "emoji", message: key})
	d.loadEmojis()
}

// pick takes an emoji that was chosen, as it was shown.
func (d *desk) pick(char string) {
	if !legible.Emoji(char) {
		return
	}
	d.platform.SetPicks(readPicks(d.platform.Picks()).with(char).String())
	if d.dialog.message != "" {
		d.toggle(Signal{Text: d.dialog.message + " " + char})
		return
	}
	d.dialog = dialog{}
	d.settling.Focus, d.settling.Insert = "message", char
	d.rev++
}

// pickFirst takes the first that was found, or what was typed if that is an emoji itself.
func (d *desk) pickFirst(sig Signal) {
	typed := strings.TrimSpace(sig.Text)
	if legible.Emoji(typed) {
		d.pick(typed)
		return
	}
	if found := d.emojis.find(typed, 1); len(found) > 0 {
		d.pick(d.emojis.toned(found[0], readPicks(d.platform.Picks()).tone))
	}
}

// setTone keeps another skin tone.
func (d *desk) setTone(tone int) {
	p := readPicks(d.platform.Picks())
	p.tone = tone
	d.platform.SetPicks(p.String())
	d.rev++
}

// mostFound is how many emoji are shown that have what was typed.
const mostFound = 120

// emoji is the picker.
func (m *modal) emoji() app.UI {
	d := m.Desk
	p := readPicks(d.platform.Picks())
	if r := d.s.Room(d.open.JID()); d.dialog.message != "" && r != nil && r.Reactions != "" {
		return app.Form().Class("emoji-picker").DataSet("form", string(doEmojiEnter)).Attr("novalidate", "true").Body(
			app.Div().Class("emoji-scroll").Body(
				app.P().Class("emoji-says").Attr("role", "status").Text("This room takes these reactions."),
				d.grid("Reactions", d.emojis.named(strings.Fields(r.Reactions)), 0)))
	}
	typed := strings.TrimSpace(d.dialog.text)
	body := []app.UI{
		app.Div().Class("search").Body(icon("search"),
			app.Input().Type("search").ID("emoji-text").Name("text").Placeholder("Search").Aria("label", "Search emoji").
				DataSet("input", string(doEmojiText)).AutoComplete(false).Attr("spellcheck", "false").Attr("enterkeyhint", "done")),
	}
	switch {
	case typed != "":
		found := d.emojis.find(typed, mostFound)
		says := count(len(found)) + " emoji"
		switch {
		case legible.Emoji(typed):
			found, says = append([]*emoji{{char: typed, name: typed}}, found...), ""
		case len(found) == 0 && d.emojis == nil:
			says = ""
		case len(found) == 0:
			says = "No emoji is called that."
		}
		body = append(body, app.P().Class("emoji-says").Attr("role", "status").Text(says), d.grid("Found", found, p.tone))
	case d.dialog.message != "" && d.dialog.group == 0:
		body = append(body, d.firstReactions())
		fallthrough
	default:
		if len(p.recent) > 0 && d.dialog.group == 0 {
			body = append(body, app.H3().Class("emoji-title").Text("Recent"), d.grid("Recent", d.emojis.named(p.recent), 0))
		}
		if d.emojis != nil {
			g := d.emojis.groups[min(d.dialog.group, len(d.emojis.groups)-1)]
			var all []*emoji
			for i := g.from; i < g.to; i++ {
				all = append(all, &d.emojis.all[i])
			}
			body = append(body, app.H3().Class("emoji-title").Text(g.name), d.grid(g.name, all, p.tone))
		}
	}
	if d.emojis == nil {
		says := app.Div().Class("emoji-says").Attr("role", "status").Text("Loading emoji…")
		if d.unloaded {
			says = app.Div().Class("emoji-says").Attr("role", "alert").Body(app.Text("The list of emoji could not be loaded. "),
				app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doEmoji)).DataSet("text", d.dialog.message).Text("Retry"))
		}
		body = append(body, says)
	}
	return app.Form().Class("emoji-picker").DataSet("form", string(doEmojiEnter)).Attr("novalidate", "true").Body(
		app.Div().Class("emoji-scroll").Body(body...),
		d.emojiGroups(),
		tones(p.tone))
}

// named are emoji with what they are called, as far as that is known.
func (e *emojis) named(chars []string) (all []*emoji) {
	for _, char := range chars {
		one := &emoji{char: char, name: char}
		if e != nil {
			plain := untone.Replace(char)
			if at := slices.IndexFunc(e.all, func(o emoji) bool { return o.char == char || untone.Replace(o.char) == plain }); at >= 0 {
				one.name = e.all[at].name
			}
		}
		all = append(all, one)
	}
	return all
}

var untone = strings.NewReplacer("🏻", "", "🏼", "", "🏽", "", "🏾", "", "🏿", "", "\ufe0f", "")

// grid is a group of emoji. One of its buttons can be reached with Tab, the others with the arrow keys.
func (d *desk) grid(label string, all []*emoji, tone int) app.UI {
	var buttons []app.UI
	for i, one := range all {
		char := d.emojis.toned(one, tone)
		buttons = append(buttons, app.Button().Type("button").Class("emoji").TabIndex(-min(i, 1)).
			DataSet("do", string(doPick)).DataSet("text", char).Aria("label", one.name).Title(one.name).Text(char))
	}
	return app.Div().Class("emoji-grid").Attr("role", "group").Aria("label", label).Body(buttons...)
}

// firstReactions are those that are offered first to react with; a pressed one is taken back.
func (d *desk) firstReactions() app.UI {
	var own []string
	if about := d.at(d.dialog.message); about != nil {
		own = strings.Fields(about.Reaction(d.s.Account()))
	}
	var first []app.UI
	for _, e := range firstEmoji {
		first = append(first, app.Button().Type("button").Class("emoji").DataSet("do", string(doToggle)).DataSet("text", d.dialog.message+" "+e).
			Aria("pressed", strconv.FormatBool(slices.Contains(own, e))).Text(e))
	}
	return app.Div().Class("emoji-first").Body(first...)
}

// emojiGroups are buttons that lead to groups, each with the first emoji of its group.
func (d *desk) emojiGroups() app.UI {
	if d.emojis == nil || strings.TrimSpace(d.dialog.text) != "" {
		return app.Div()
	}
	var buttons []app.UI
	for i, g := range d.emojis.groups {
		if g.from == g.to {
			continue
		}
		buttons = append(buttons, app.Button().Type("button").Class("emoji").DataSet("do", string(doEmojiGroup)).DataSet("number", strconv.Itoa(i)).
			Aria("label", g.name).Title(g.name).Aria("pressed", strconv.FormatBool(i == d.dialog.group)).Text(d.emojis.all[g.from].char))
	}
	return app.Div().Class("emoji-bar").Attr("role", "group").Aria("label", "Groups").Body(buttons...)
}

// toneNames are skin tones by number.
var toneNames = []string{"Default skin tone", "Light skin tone", "Medium-light skin tone", "Medium skin tone", "Medium-dark skin tone", "Dark skin tone"}

func tones(chosen int) app.UI {
	var buttons []app.UI
	for i, name := range toneNames {
		char := "✋"
		if i > 0 {
			char += string('🏻' + rune(i) - 1)
		}
		buttons = append(buttons, app.Button().Type("button").Class("emoji").DataSet("do", string(doEmojiTone)).DataSet("number", strconv.Itoa(i)).
			Aria("label", name).Title(name).Aria("pressed", strconv.FormatBool(i == chosen)).Text(char))
	}
	return app.Div().Class("emoji-bar").Attr("role", "group").Aria("label", "Skin tone").Body(buttons...)
}

// completeEmoji finds emoji by the beginning of a word.
func (d *desk) completeEmoji(word string) (found []completion) {
	d.loadEmojis()
	p := readPicks(d.platform.Picks())
	for _, one := range d.emojis.find(word, mostCompletions) {
		char := d.emojis.toned(one, p.tone)
		found = append(found, completion{
			mark: app.Span().Class("completion-emoji").Aria("hidden", "true").Text(char), name: one.name, text: char,
			take: func(d *desk) { d.platform.SetPicks(readPicks(d.platform.Picks()).with(char).String()) },
		})
	}
	return found
}
