package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// completion is something that may stand in place of what was typed.
type completion struct {
	mark app.UI // drawn before the name
	name string
	text string // what is put in its place
	// A command has words behind it, and a line of help.
	words, help string
	take        func(*desk)
}

// completer finds completions of a word that begins with a character of its own.
type completer struct {
	label string // of the list
	count string // what so many of them are called
	find  func(d *desk, word string) []completion
}

// completerOf returns what completes words that begin with a character; web/natter.js knows where such
// a word is.
func completerOf(begins byte) (by completer, known bool) {
	switch begins {
	case ':':
		return completer{"Emoji", "emoji", (*desk).completeEmoji}, true
	case '@':
		return completer{"People", "people", (*desk).completePeople}, true
	case '/':
		return completer{"Commands", "commands", (*desk).completeSlash}, true
	}
	return by, false
}

// completing is what is offered to complete what stands before the caret of the composer.
type completing struct {
	typed  string // the beginning of a word, "" for nothing
	label  string
	found  []completion
	chosen int
}

// mostCompletions is how many are offered.
const mostCompletions = 8

// complete offers what completes a word before the caret; "" offers nothing.
func (d *desk) complete(typed string) {
	c := completing{typed: typed}
	if typed != "" {
		if by, known := completerOf(typed[0]); known {
			c.label, c.found = by.label, by.find(d, typed[1:])
			if len(c.found) > 0 {
				d.news = count(len(c.found)) + " " + by.count // a screen reader says the chosen one by itself
			}
		}
	}
	if len(c.found) > 0 || len(d.completing.found) > 0 {
		d.rev++
	}
	d.completing = c
}

// moveCompletion chooses another of those that are offered.
func (d *desk) moveCompletion(by int) {
	if n := len(d.completing.found); n > 0 {
		d.completing.chosen = (d.completing.chosen + by + n) % n
		d.rev++
	}
}

// takeCompletion puts one in place of what it completes: the one with this number, counted from 1, or
// with 0 the one that is chosen.
func (d *desk) takeCompletion(number int) {
	c := d.completing
	if number > 0 {
		c.chosen = number - 1
	}
	if c.chosen >= len(c.found) {
		return
	}
	taken := c.found[c.chosen]
	if taken.take != nil {
		taken.take(d)
	}
	d.complete("")
	d.settling.Focus, d.settling.Insert, d.settling.Over = "message", taken.text, true
	d.rev++
}

// completions is the list above the composer.
func (d *desk) completions() app.UI {
	c := d.completing
	if len(c.found) == 0 {
		return app.Div().Attr("hidden", "true")
	}
	var options []app.UI
	for i, one := range c.found {
		options = append(options, app.Div().ID("completion-"+strconv.Itoa(i)).Class("completion").Attr("role", "option").
			Aria("selected", strconv.FormatBool(i == c.chosen)).DataSet("do", string(doCompleteTake)).DataSet("number", strconv.Itoa(i+1)).
			Body(one.draw()...))
	}
	return app.Div().ID("completions").Class("completions").Attr("role", "listbox").Aria("label", c.label).Body(options...)
}

func (c completion) draw() []app.UI {
	name := app.Elem("bdi").Text(c.name)
	if c.help == "" {
		return []app.UI{c.mark, name}
	}
	words := app.Span().Class("completion-words").Text(c.words)
	return []app.UI{app.Span().Class("completion-command").Body(name, app.Text(" "), words), app.Text(" "), app.Span().Class("completion-help").Text(c.help)}
}

// mostSpoken is among how many of the newest messages of a room those are looked for who are offered
// first.
const mostSpoken = 50

// completePeople finds who is in the open room and has a name with a word that begins like this: those
// first who have spoken last, then by what they may do and by name.
func (d *desk) completePeople(word string) (found []completion) {
	r := d.room()
	if r == nil {
		return nil
	}
	d.members.of(r)
	word = strings.ToLower(word)
	offer := func(m member) {
		name := plain(m.Nick)
		if name == "" || r.Me(m.Nick) || !strings.HasPrefix(m.low, word) && !strings.Contains(m.low, " "+word) ||
			slices.ContainsFunc(found, func(c completion) bool { return c.name == name }) {
			return
		}
		identity := string(r.Author(d.s.Account(), m.Nick, m.ID, true).JID)
		found = append(found, completion{mark: avatar(identity, name, "avatar-s", dot(m.Show)), name: name, text: "@" + name + " "})
	}
	if chat := d.s.Chat(d.open); chat != nil {
		for _, m := range slices.Backward(chat.Timeline.Newest(mostSpoken)) {
			if o, there := r.Occupants.Get(m.Nick); there && len(found) < mostCompletions && r.Author(d.s.Account(), o.Nick, o.ID, true).JID == m.Author {
				offer(memberOf(o))
			}
		}
	}
	for _, m := range d.members.all {
		if len(found) == mostCompletions {
			break
		}
		offer(m)
	}
	return found
}
