package view

import (
	"strconv"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// desk is what the person has in front of them: the state that is drawn, and what
// is theirs alone (which conversation is open, drafts, the window on its messages).
// All of it runs on the goroutine that draws.
type desk struct {
	model    Model
	platform Platform
	now      func() time.Time
	later    func(time.Duration, func())
	newRoom  func() string
	post     func(func()) // carries something out on the goroutine that draws
	zone     *zone
	turn     int // grows with each newDay

	s   *state.State // what is drawn
	rev uint64       // grows when anything below changes

	settling Settling

	placed  bool // what was open last time has been opened, if it is still there
	open    state.ConvID
	details bool
	window  window
	unfold  map[state.Key]int // how often more was wanted of a long message
	seek    seek
	looked  state.Look // what was said of it last
	sight   string     // the data-key of the first message in sight
	opened  string     // the draft the open conversation began with
	news    string     // what screen readers are told
	told    state.Key

	drafts  map[state.ConvID]string // what was written here; the state may not have it yet
	keeping bool                    // it will have it soon
	typing  state.ConvID            // whom the person writes to, as far as they know
	keyed   int                     // keystrokes; tells a late timer that it is late

	filter   string
	listed   listed
	asking   asking
	search   search
	members  members
	firstRow int // of the list, for its window
	lostAt   time.Time
	ticking  bool

	aims  map[state.ConvID]state.Aim // what was begun here; the state may not have it yet
	quest quest

	selection selection

	dialog   dialog
	outcomes map[jid.JID]int // by room, the number of the Outcome that was read

	emojis     *emojis // nil until they are loaded
	loading    bool    // they are
	unloaded   bool    // they could not be
	completing completing
	refusing   string // the text whose command was not carried out, "" if there is none
	refusal    string // why, "" if the command is unknown
	menu       string // the data-key of the message whose menu is open, "" if none is
}

func newDesk(model Model, platform Platform) *desk {
	return &desk{
		zone:  &zone{platform.Offset, map[int64]int{}},
		model: model, platform: platform,
		now: time.Now, newRoom: newRoom, later: func(time.Duration, func()) {}, post: func(f func()) { f() },
		s: model.State(), drafts: map[state.ConvID]string{}, aims: map[state.ConvID]state.Aim{},
	}
}

// typingPause is how long somebody who stops writing still counts as writing.
const typingPause = 5 * time.Second

// draftPause is how long what is written may be on the page alone.
const draftPause = time.Second

// blip is how long a lost connection is not worth a word.
const blip = time.Second

// refresh takes the newest state.
func (d *desk) refresh() {
	old := d.s
	d.s = d.model.State()
	switch {
	case d.s.Account() == "" && old.Account() != "":
		d.forget()
		return
	case d.s.Account() != "" && !d.placed:
		d.placed = true
		if conv := state.ConvID(d.platform.Place()); d.s.Chat(conv) != nil {
			d.show(conv)
		}
	}
	switch online := d.s.Connection.Phase == state.Online; {
	case online:
		d.lostAt = time.Time{}
	case old.Connection.Phase == state.Online:
		d.lostAt = d.now()
		d.later(blip, func() { d.rev++ })
	}
	d.tick()
	d.goOn()
	for conv, text := range d.drafts {
		if conv != d.open && d.s.Chat(conv) != nil && d.s.Chat(conv).Draft == text {
			delete(d.drafts, conv)
		}
	}
	for conv, aim := range d.aims {
		if c := d.s.Chat(conv); c != nil && c.Aim == aim {
			delete(d.aims, conv)
		}
	}
	d.hunt()
	if c := d.s.Chat(d.open); c != nil {
		d.follow(old.Chat(d.open), c)
	}
	d.arrive()
	d.grouped()
	d.heed()
	d.answeredIn(old)
	d.read()
	d.looks()
}

// answeredIn puts the focus on what a dialog has waited for, once it has come: what had the focus is gone, or
// was the only thing there.
func (d *desk) answeredIn(old *state.State) {
	switch o, r := d.s.Original, d.s.Room(d.dialog.peer); {
	case d.dialog.kind == "about" && o != nil && o != old.Original && o.XML != "":
		d.settling.Focus = "original-xml"
	case d.dialog.kind == string(doConfigure) && !d.dialog.filled && r != nil && r.Form != nil && r.Form != d.dialog.stale:
		d.dialog.filled = true
		d.settling.Focus = firstField(r.Form)
	}
}

// forget drops everything of an account that has signed out.
func (d *desk) forget() {
	d.endSearch()
	d.platform.SetPlace("")
	d.platform.SetPicks("")
	*d = desk{
		model: d.model, platform: d.platform, now: d.now, newRoom: d.newRoom, later: d.later, post: d.post, zone: d.zone, turn: d.turn,
		s: d.s, rev: d.rev + 1, drafts: map[state.ConvID]string{}, aims: map[state.ConvID]state.Aim{}, emojis: d.emojis,
	}
}

// tick redraws once a second for as long as a countdown is on screen.
func (d *desk) tick() {
	if d.ticking || d.s.Connection.Phase != state.Waiting {
		return
	}
	d.ticking = true
	d.later(time.Second, func() {
		d.ticking = false
		d.rev++
		d.tick()
	})
}

// follow keeps the window and the announcements up with the open conversation.
func (d *desk) follow(old, c *state.Chat) {
	last := c.Timeline.Last()
	if last == nil || d.seek.on && !d.sought(c) {
		return
	}
	if old == nil || old.Timeline.Len() == 0 {
		d.jump(newWindow(c), "end")
		d.told = last.Key
		return
	}
	if old.Timeline.First().Key == d.window.from {
		// New messages directly above the window may be near what is in sight.
		if page := c.Timeline.Before(d.window.from, stride); len(page) > 0 {
			d.window.from = page[0].Key
		}
	}
	d.window.keep(c, d.sight)
	if c.Unread > 0 && old.Unread == 0 && !d.watching() {
		d.window.unread = firstUnread(c)
	}
	if d.told.Before(last.Key) {
		d.told = last.Key
		if last.Mine {
			d.window.unread = state.Key{}
			d.toEnd(c)
			return
		}
		d.news = heard(d.s, last)
	}
}

// watching reports whether what comes is in front of the person's eyes.
func (d *desk) watching() bool { return d.window.atEnd && d.platform.Attentive() }

// read says that the open conversation has been seen, if it has.
func (d *desk) read() {
	c := d.s.Chat(d.open)
	if c != nil && c.Unread > 0 && d.watching() {
		d.model.Do(state.ReadChat{Conv: d.open})
	}
}

// pane is what a page with room for one pane shows.
func (d *desk) pane() string {
	switch {
	case d.open == "":
		return "list"
	case d.details:
		return "details"
	}
	return "chat"
}

// mod is the key that shortcuts are held down with.
func (d *desk) mod() string { return "Ctrl" }

// show opens a conversation.
func (d *desk) show(conv state.ConvID) {
	if conv == "" {
		return
	}
	d.rev++
	d.dialog = dialog{}
	if conv != d.open {
		d.stopTyping()
		d.keep()
		d.open, d.details, d.menu = conv, false, ""
		d.members = members{}
		d.selection = nil
		d.endQuest()
		d.platform.SetPlace(string(conv))
		d.opened = d.draft(conv)
		d.completing, d.refusing = completing{}, ""
		d.seek = seek{}
		d.unfold = nil
		d.news = ""
		c := d.s.Chat(conv)
		if c == nil {
			d.model.Do(state.StartChat{Conv: conv})
			d.jump(window{atEnd: true}, "")
			d.told = state.Key{}
		} else {
			d.begin(c)
			d.told = state.Key{}
			if last := c.Timeline.Last(); last != nil {
				d.told = last.Key
			} else {
				d.older(conv)
			}
			if unreadAbove(c) {
				d.seekTo(c, state.Key{})
			}
		}
	}
	d.settling.Enter = true
	if !d.platform.Narrow() {
		d.settling.Focus = "message"
	}
	d.read()
}

// leave steps back to the list.
func (d *desk) leave() {
	d.stopTyping()
	d.keep()
	d.settling.Focus = "row:" + string(d.open)
	if d.filter != "" && d.search.opened > 0 {
		d.settling.Focus = "hit:" + strconv.Itoa(d.search.opened)
	}
	d.open, d.details = "", false
	d.platform.SetPlace("")
	d.rev++
}

// write keeps what is being written, and lets the peer know that something is.
func (d *desk) write(text string) {
	d.note(d.open, text)
	if text == "" {
		d.stopTyping()
		return
	}
	if d.typing != d.open {
		d.stopTyping()
		d.typing = d.open
		d.model.Do(state.Typing{Conv: d.open, Typing: true})
	}
	d.keyed++
	keyed := d.keyed
	d.later(typingPause, func() {
		if d.keyed == keyed {
			d.stopTyping()
		}
	})
}

// note remembers what was written, and has it kept before long.
func (d *desk) note(conv state.ConvID, text string) {
	d.drafts[conv] = text
	if d.keeping {
		return
	}
	d.keeping = true
	d.later(draftPause, d.keep)
}

// keep has the client keep what was written. The page may be gone after this.
func (d *desk) keep() {
	if !d.keeping {
		return
	}
	d.keeping = false
	for conv, text := range d.drafts {
		if c := d.s.Chat(conv); c == nil && text != "" || c != nil && c.Draft != text {
			d.model.Do(state.KeepDraft{Conv: conv, Text: text})
		}
	}
}

// draft is what was written to somebody and not sent.
func (d *desk) draft(conv state.ConvID) string {
	if text, ok := d.drafts[conv]; ok {
		return text
	}
	if c := d.s.Chat(conv); c != nil {
		return c.Draft
	}
	return ""
}

func (d *desk) stopTyping() {
	if d.typing != "" {
		d.model.Do(state.Typing{Conv: d.typing})
		d.typing = ""
	}
}

// elsewhere reports whether something was written in a conversation that is no longer
// the open one: another was opened while the signal was on its way.
func (d *desk) elsewhere(conv state.ConvID) bool { return conv != "" && conv != d.open }

// send sends what was written, or carries out the command that it is; with asText it is none.
func (d *desk) send(conv state.ConvID, text string, asText bool) {
	if conv == "" || blank(text) {
		return
	}
	name := slash(text)
	if d.unreachable(conv) != "" {
		d.giveBack(conv, text)
	} else if name == "" || name == "me" || asText {
		d.sendText(conv, text)
	} else if c := slashNamed(name, conv); c != nil {
		d.carryOut(c, conv, text)
	} else {
		d.refuse(conv, text, "")
	}
}

// sendText sends a message, also in a conversation that is no longer open. An active chat state goes
// with the message itself (XEP-0085 §5.1), so nothing else is said about having stopped.
func (d *desk) sendText(conv state.ConvID, text string) {
	if !d.elsewhere(conv) {
		d.typing, d.refusing = "", ""
		d.complete("")
		d.keyed++
		d.rev++
	}
	d.sent(conv, text)
}

// step opens the next (1) or previous (-1) conversation of the list.
func (d *desk) step(by int) {
	items := d.items(d.filter)
	at := -1
	for i, it := range items {
		if it.conv == d.open {
			at = i
		}
	}
	if at += by; at >= 0 && at < len(items) {
		d.show(items[at].conv)
	}
}

// sendSignal sends what was in the composer when that was asked for.
func (d *desk) sendSignal(sig Signal) {
	conv := sig.Conv
	if conv == "" {
		conv = d.open
	}
	d.send(conv, sig.Text, sig.Also == "text")
}

// messageTyped notes the text of the composer.
func (d *desk) messageTyped(sig Signal) {
	if d.elsewhere(sig.Conv) {
		d.note(sig.Conv, sig.Text)
		return
	}
	if d.refusing != "" && sig.Text != d.refusing {
		d.post(func() { d.refusing = ""; d.rev++ })
	}
	d.write(sig.Text)
}

// showNewest goes to the end of the open conversation.
func (d *desk) showNewest(Signal) {
	if c := d.s.Chat(d.open); c != nil {
		d.seek = seek{}
		d.endQuest()
		d.toEnd(c)
		d.rev++
		d.read()
	}
}

// leavePane closes the details, or else the conversation.
func (d *desk) leavePane(Signal) {
	if d.details {
		d.details = false
		d.settling.Focus = "chat-who"
		d.rev++
		return
	}
	if d.open != "" {
		d.platform.Back()
	}
}

// wentBack follows the browser's Back.
func (d *desk) wentBack(Signal) {
	if d.details && d.platform.Narrow() {
		d.details = false
		d.settling.Enter = true // still a pane to go back from
		d.rev++
		return
	}
	d.leave()
}

// dismiss removes the note about a contact that the server has refused.
func (d *desk) dismiss(sig Signal) {
	d.model.Do(state.DismissRefusal{JID: sig.JID})
	if d.settling.Focus = "me"; d.open != "" {
		d.answered()
	}
}

// answered puts the focus where it is of use once the buttons that had it are gone.
func (d *desk) answered() {
	if !d.platform.Narrow() {
		d.settling.Focus = "message"
	}
}

// key carries out what a key means; where is the part of the page that had the focus.
func (d *desk) key(name, where string) {
	switch name {
	case "next":
		d.step(1)
	case "previous":
		d.step(-1)
	case "switch":
		d.ask(dialog{kind: "switch"})
	case "new":
		d.ask(dialog{kind: "new"})
	case "keys":
		d.ask(dialog{kind: "keys"})
	case "date":
		d.askDate(Signal{})
	case "escape":
		switch {
		case d.escape(where == "list"):
		case d.selection != nil:
			d.endSelection()
		case d.quest.on || d.quest.fault != "":
			d.endQuest()
		case d.aim(d.open) != (state.Aim{}):
			d.unaim(Signal{})
		case d.details:
			d.details = false
			if where == "details" {
				d.settling.Focus = "chat-who"
			}
		case d.open != "":
			d.platform.Back()
		}
		d.rev++
	}
}
