package view

import (
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// slashCommand is a command of the composer: what stands behind a slash at the beginning.
type slashCommand struct {
	name, words, help string
	rooms             bool // elsewhere there is none of that name
	// does says in a sentence why it was not carried out, "" if it was.
	does func(d *desk, conv state.ConvID, words string) string
	may  func(r *state.Room) bool // whether a room would do it, nil if it always may
}

// slashes are all commands of the composer, in the order in which they are offered.
var slashes = []slashCommand{
	{name: "me", words: "waves", help: "Say what you do"}, // it is text (XEP-0245)
	{name: "topic", words: "subject", help: "Change what this room is about", rooms: true, does: inRoom((*desk).topic), may: (*state.Room).MayChangeSubject},
	{name: "nick", words: "nickname", help: "Change your nickname in this room", rooms: true, does: inRoom((*desk).rename), may: (*state.Room).In},
	{name: "invite", words: "name or address", help: "Invite somebody to this room", rooms: true, does: inRoom((*desk).inviteBy), may: (*state.Room).MayInvite},
	{name: "kick", words: "nickname [reason]", help: "Have somebody leave this room", rooms: true, does: inRoom(doTo("kick")), may: mayKick},
	{name: "ban", words: "nickname [reason]", help: "Keep somebody out of this room", rooms: true, does: inRoom(doTo("ban")), may: mayBan},
	{name: "join", words: "address", help: "Join a room", does: (*desk).joinBy},
	{name: "leave", help: "Leave this room", rooms: true, does: (*desk).leaveBy},
}

// slashNamed returns the command of a conversation that has a name, nil if there is none.
func slashNamed(name string, conv state.ConvID) *slashCommand {
	for i := range slashes {
		if c := &slashes[i]; c.name == name && (!c.rooms || conv.Kind() == state.Groupchat) {
			return c
		}
	}
	return nil
}

// completeSlash finds the commands that make sense in the open conversation and begin like this. One that
// is written to its end is none of them: Enter carries it out.
func (d *desk) completeSlash(word string) (found []completion) {
	for i := range slashes {
		c := &slashes[i]
		if !strings.HasPrefix(c.name, word) || slashNamed(c.name, d.open) == nil || c.may != nil && !c.may(d.room()) {
			continue
		}
		if c.name == word {
			return nil
		}
		text := "/" + c.name
		if c.words != "" {
			text += " "
		}
		found = append(found, completion{name: "/" + c.name, words: c.words, help: c.help, text: text})
	}
	return found
}

// carryOut does what a command says.
func (d *desk) carryOut(c *slashCommand, conv state.ConvID, text string) {
	d.post(func() {
		_, words, _ := strings.Cut(strings.ReplaceAll(text, "\n", " "), " ")
		if why := c.does(d, conv, strings.TrimSpace(words)); why != "" {
			d.refuse(conv, text, why)
			return
		}
		d.stopTyping()
		d.note(conv, "")
		d.refusing = ""
		d.rev++
	})
}

// inRoom is a command that is carried out in a room in which the person is.
func inRoom(does func(d *desk, r *state.Room, words string) string) func(*desk, state.ConvID, string) string {
	return func(d *desk, conv state.ConvID, words string) string {
		r := d.s.Room(conv.JID())
		if !r.In() {
			return "You are not in this room now."
		}
		return does(d, r, words)
	}
}

// joinBy joins a room. A name alone is one of a room beside the open one, or else of one of the server, which
// the dialog knows once it has asked for them.
func (d *desk) joinBy(conv state.ConvID, address string) string {
	if !strings.ContainsAny(address, "@:.") && address != "" && conv.Kind() == state.Groupchat {
		address += "@" + conv.JID().Domain()
	}
	d.askRoom(address)
	if strings.ContainsAny(address, "@:.") || address != "" && d.s.Directory != nil {
		d.join(Signal{Text: address})
	}
	d.settling.Focus = "join-address"
	return ""
}

func (d *desk) leaveBy(conv state.ConvID, _ string) string {
	d.leaveRoom(Signal{JID: conv.JID()})
	return ""
}

func (d *desk) topic(r *state.Room, subject string) string {
	switch {
	case !r.MayChangeSubject():
		return "Only moderators may change the subject of this room."
	case subject == "":
		d.askInside(doSubject, r.JID, "subject")
	default:
		d.model.Do(state.ChangeSubject{Room: r.JID, Subject: subject})
	}
	return ""
}

func (d *desk) rename(r *state.Room, nick string) string {
	if nick == "" {
		d.askInside(doNick, r.JID, "nick")
	} else {
		d.model.Do(state.ChangeNick{Room: r.JID, Nick: nick})
	}
	return ""
}

// slash returns the name of the command that a text begins with, "" if it begins with none: a slash
// and letters alone. A path is none.
func slash(text string) string {
	name, ok := strings.CutPrefix(text, "/")
	if end := strings.IndexAny(name, " \n"); end >= 0 {
		name = name[:end]
	}
	if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return name
}

// refuse gives a command back to the person and says why, or that there is none of that name: what was
// meant for Natter is not told to others.
func (d *desk) refuse(conv state.ConvID, text, why string) {
	if !d.elsewhere(conv) {
		d.post(func() { d.refusing, d.refusal = text, why })
	}
	d.giveBack(conv, text) // which draws
}

// giveBack puts a text that is not sent into the composer once more.
func (d *desk) giveBack(conv state.ConvID, text string) {
	if d.note(conv, text); d.elsewhere(conv) {
		return
	}
	d.post(func() {
		d.settling.Focus, d.settling.Fill, d.settling.Words = "message", true, text
		d.rev++
	})
}

// commandFault says why a command was not carried out. It stands above the composer until what is in it changes.
func (d *desk) commandFault() app.UI {
	if d.refusing == "" {
		return app.Div().Attr("hidden", "true")
	}
	if d.refusal != "" {
		return app.Div().Class("composer-fault").Attr("role", "alert").Body(app.Span().Text(d.refusal))
	}
	return app.Div().Class("composer-fault").Attr("role", "alert").Body(
		app.Span().Body(app.Text("There is no command "), app.Elem("bdi").Text("/"+slash(d.refusing)), app.Text(".")),
		app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doSendText)).Text("Send as text"))
}
