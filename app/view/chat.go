package view

import (
	"strconv"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
	"natter/app/text"
)

// chat is the open conversation.
type chat struct {
	app.Compo

	Rev       uint64
	Desk      *desk
	Conv      state.ConvID
	Chat      *state.Chat
	Contact   *state.Contact
	Phase     state.Phase
	Elsewhere bool // what is written here would not be kept
	Gaps      []state.Gap
	Room      string // what is said of the room, "" if it is none
	Aside     string // what is said of the occupant in a private one
}

// CompoID implements app.DismountEnforcer: another peer is another conversation,
// whose composer must not begin with what was written in this one.
func (c *chat) CompoID() string { return string(c.Conv) }

// Render implements app.Composer.
func (c *chat) Render() app.UI {
	d := c.Desk
	name, class := d.s.Title(c.Conv), "chat"
	if d.selection != nil {
		class += " selecting"
	}
	return app.Section().Class(class).Aria("label", "Conversation with "+name).Body(
		c.head(name),
		status(d).Class("status-chat"),
		roomStatus(d),
		d.outcome(),
		d.asks(),
		app.Div().Class("log-frame").Body(
			app.Div().Class("log").ID("log").Attr("role", "log").Aria("label", name).Aria("live", "off").TabIndex(0).
				DataSet("conv", string(c.Conv)).Body(&keyed{Class: "log-body", Rows: func() *rows { return c.rows(name) }}),
			c.pill(),
			c.Desk.drawBack(),
			c.Desk.drawMenu(c.Rev),
		),
		d.drawSelection(),
		c.composer(),
	)
}

func (c *chat) head(name string) app.UI {
	d := c.Desk
	show := d.showIn(c.Conv)
	now := app.Span().Class("chat-now")
	switch {
	case c.Chat != nil && c.Chat.Typing:
		now = now.Class("chat-typing").Body(app.Elem("bdi").Text(writing(c.Chat)), app.Span().Class("typing").Aria("hidden", "true").Body(app.I(), app.I(), app.I()))
	case c.Elsewhere:
		now = now.Text("Go on in the other tab")
	case c.Phase != state.Online:
		now = now.Text("You are offline; messages wait here")
	case d.room() != nil:
		now = now.Body(app.Elem("bdi").Text(d.roomNow(d.room())))
	case c.Conv.Kind() == state.Private:
		now = now.Text(d.privately(c.Conv))
	case !c.Contact.Listed():
		now = now.Body(app.Elem("bdi").Text(c.Conv.JID().Shown()))
	case c.Contact.Asked && show == state.Unavailable:
		now = now.Text("Has not answered your request yet")
	default:
		text := presenceWords(show)
		if s := plain(c.Contact.Presence().Status); s != "" {
			text += " · " + s
		}
		now = now.Text(text)
	}
	return app.Header().Class("chat-head").Body(
		iconButton("back", "Back", doLeave).Class("back"),
		// A screen reader hears a heading and a button only if the button is inside the heading.
		app.H1().Class("chat-title").Body(
			app.Button().Type("button").ID("chat-who").Class("chat-who").DataSet("do", string(doDetails)).Aria("expanded", strconv.FormatBool(d.details)).Body(
				pictured(d.picture(c.Conv), string(c.Conv.JID()), name, size(c.Conv, "avatar-m"), dot(show)),
				app.Span().Class("chat-names").Body(
					app.Span().Class("chat-name").Body(app.Elem("bdi").Text(name)),
					now,
				),
			),
		),
		iconButton("date", "Go to a day", doDate).Class("chat-date"),
		iconButton("panel", "Details", doDetails).Class("chat-panel"),
	)
}

// rows are the messages in the window, a section for each day.
func (c *chat) rows(name string) *rows {
	d, out := c.Desk, &rows{}
	if c.Chat == nil || c.Chat.Timeline.Len() == 0 {
		out.add("empty", c.empty(name))
		return out
	}
	if d.seek.on {
		out.add("top", app.Div().Class("log-top").Body(bones()))
		return out
	}
	shown, end := d.window.rows(c.Chat)
	d.window.drawn = shown[len(shown)-1].Key
	out.add("top", c.top(shown[0]))
	var day *rows
	begin := func(label string) {
		now := &rows{}
		day = now
		out.add(label, &keyed{Class: "day", Rows: func() *rows { return now }})
	}
	label, other, readers := "", stranger{}, d.readers(shown)
	gaps := gapRows{gaps: c.Gaps}
	if above := c.Chat.Timeline.Before(shown[0].Key, 1); len(above) > 0 {
		gaps.next(above[0])
	}
	for i, m := range shown {
		for _, g := range gaps.next(m) {
			if day == nil {
				begin("gap")
			}
			day.add("gap "+g.After.ID, c.gap(g))
		}
		if l := d.day(m.At); l != label {
			label = l
			begin(l)
			day.add("day", app.H2().Class("day-mark").Body(app.Span().Text(l)))
		}
		if other.is(c.Conv, m) {
			day.add("other "+keyText(m.Key), somebodyElse(c.Conv))
		}
		divided := m.Key == d.window.unread
		if divided {
			day.add("unread", app.Div().Class("unread-mark").ID("unread").Attr("role", "separator").Aria("label", "New messages").
				Body(app.Span().Aria("hidden", "true").Text("New")))
		}
		var q quote
		if to, ok := c.Chat.Reply(m); ok {
			q = d.quote(to)
		}
		r := &message{Quote: q, Rev: m.Rev, Turn: d.turn, Message: m, Desk: d, Name: name, Head: true, Tail: true, Found: m.Key == d.window.found, Screens: d.unfolded(m), Selected: d.mark(m.Key),
			Mark: progress(c.Chat, m, c.Phase == state.Online)}
		if i > 0 && !divided {
			r.Head = !d.together(shown[i-1], m)
		}
		if i+1 < len(shown) && shown[i+1].Key != d.window.unread {
			r.Tail = !d.together(m, shown[i+1])
		}
		day.add(keyText(m.Key), r)
		if names := readers[m.Key]; len(names) > 0 {
			day.add("read "+keyText(m.Key), readBy(names))
		}
	}
	if end {
		for _, g := range gaps.end() {
			day.add("gap "+g.After.ID, c.gap(g))
		}
	}
	if _, other := d.s.Partner(c.Conv); other && end && day != nil {
		day.add("other", somebodyElse(c.Conv))
	}
	if c.Chat.Typing && c.Conv.Kind() != state.Groupchat {
		out.add("typing", app.Div().Class("msg head tail writes").Body(
			avatar(string(c.Conv.JID()), name, "avatar-s", nil),
			app.Div().Class("bubble").Body(
				app.Span().Class("sr").Text(name+" is typing"),
				app.Span().Class("typing").Aria("hidden", "true").Body(app.I(), app.I(), app.I()))))
	}
	return out
}

// together reports whether b continues what a began: same author, same day, within
// five minutes.
func (d *desk) together(a, b *state.Message) bool {
	return a.Author == b.Author && a.Tenure == b.Tenure && a.Nick == b.Nick && a.Mine == b.Mine && b.At.Sub(a.At).Abs() < 5*time.Minute &&
		daysBetween(d.zone.local(a.At), d.zone.local(b.At)) == 0
}

// top is what stands above the oldest message on the page.
func (c *chat) top(first *state.Message) app.UI {
	top := app.Div().Class("log-top")
	if t := c.Chat.Timeline; len(t.Before(first.Key, 1)) > 0 || !t.Above(first.Key) {
		return top.Body(bones())
	}
	if c.Desk.s.Whole(c.Conv) {
		return top.Body(app.P().Class("log-begin").Text("This is the beginning of your conversation."))
	}
	return top.Body(c.older()...)
}

// older says how loading what comes before the oldest message goes.
func (c *chat) older() []app.UI {
	gap := c.Desk.s.Older(c.Conv)
	switch {
	case gap == nil:
		return nil
	case gap.Fill.Loading:
		return []app.UI{bones()}
	case gap.Fill.Failed != "":
		return []app.UI{app.Div().Class("fault").Attr("role", "alert").Body(
			icon("alert"),
			app.Span().Text("Older messages could not be loaded. "+gap.Fill.Failed),
			app.Button().Type("button").Class("button-quiet button-small").DataSet("do", string(doRetryOlder)).Text("Retry"))}
	}
	return nil
}

// bones stand where messages are about to be.
func bones() app.UI {
	return app.Div().Class("bones bones-log").Attr("role", "status").Aria("label", "Loading older messages").Body(
		app.Span().Class("bone bone-bubble"), app.Span().Class("bone bone-bubble bone-mine"), app.Span().Class("bone bone-bubble bone-wide"))
}

func (c *chat) empty(name string) app.UI {
	if older := c.older(); older != nil && c.Chat != nil {
		return app.Div().Class("log-top").Body(older...)
	}
	return app.Div().Class("log-empty").Body(
		avatar(string(c.Conv.JID()), name, size(c.Conv, "avatar-xl"), nil),
		app.P().Class("log-empty-name").Body(app.Elem("bdi").Text(name)),
		app.P().Class("log-empty-address").Body(app.Elem("bdi").Text(c.Conv.JID().Shown())),
		app.P().Class("log-empty-text").Text("Nothing has been said yet. Write the first message."),
	)
}

// pill leads to the newest message, and says how many have not been seen.
func (c *chat) pill() app.UI {
	d := c.Desk
	class := "pill"
	unread := 0
	if c.Chat != nil {
		unread = c.Chat.Unread
	}
	if d.window.atEnd || c.Chat == nil || c.Chat.Timeline.Len() == 0 {
		class += " pill-away"
	}
	b := app.Button().Type("button").Class(class).DataSet("do", string(doNewest))
	if unread == 0 {
		return b.Aria("label", "To the newest message").Body(icon("down"), app.Span())
	}
	return b.Aria("label", "To the newest message, "+strconv.Itoa(unread)+" unread").
		Body(icon("down"), app.Span().Class("badge").Text(strconv.Itoa(unread)))
}

func (c *chat) composer() app.UI {
	d := c.Desk
	why := d.unreachable(c.Conv)
	field := app.Textarea().ID("message").Class("composer-text").Aria("label", "Message").Placeholder(d.invites(c.Conv)).
		Rows(1).Dir("auto").ReadOnly(c.Elsewhere || why != "").Attr("enterkeyhint", "send").DataSet("input", string(doMessage)).DataSet("conv", string(d.open)).Text(d.opened)
	if len(d.completing.found) > 0 {
		field = field.Aria("controls", "completions").Aria("autocomplete", "list").Aria("activedescendant", "completion-"+strconv.Itoa(d.completing.chosen))
	}
	return app.Footer().Class("composer").Body(
		d.drawAim(),
		unreachable(why),
		d.commandFault(),
		d.completions(),
		app.Div().Class("composer-box").Body(
			iconButton("smile", "Emoji", doEmoji).Class("composer-emoji").Disabled(c.Elsewhere || why != ""),
			field,
			app.Button().Type("button").Class("composer-send").DataSet("do", string(doSendButton)).Aria("label", "Send").Title("Send").Body(icon("send")),
		),
	)
}

// message is one message.
type message struct {
	app.Compo

	Rev        uint64
	Turn       int // another one is another time zone
	Message    *state.Message
	Desk       *desk
	Name       string // of the peer
	Head, Tail bool   // first and last of its author's group
	Found      bool   // it was looked for
	Screens    int    // how much of it is shown
	Quote      quote  // what it replies to
	Selected   selectedMark
	Mark       string // how far it has come, if it is ours
}

// Render implements app.Composer.
func (r *message) Render() app.UI {
	m := r.Message
	class, author := "msg", r.Name
	if m.Nick != "" {
		author = authorName(r.Desk.s, m)
	}
	named := author
	if m.Mine {
		class, author = class+" mine", "You"
	}
	if r.Head {
		class += " head"
	}
	if r.Tail {
		class += " tail"
	}
	if m.Delivery == state.Failed {
		class += " failed"
	}
	if m.Delivery == state.Queued {
		class += " queued"
	}
	if r.Found {
		class += " found"
	}
	w := reading(r.Desk.s, m)
	_, gone := m.Gone()
	switch {
	case gone:
		class += " gone"
	case m.Notice:
		class += " notice"
	case onlyEmoji(w.Body):
		class += " big"
	}
	shown, more := folded(w.Body, r.Screens, w.By)
	var meta []app.UI
	if len(m.Versions()) > 0 {
		class += " changed" // which is always to be seen
		meta = append(meta, app.Button().Type("button").Class("edited").DataSet("do", string(doAbout)).DataSet("text", keyText(m.Key)).Text("edited"))
	}
	meta = append(meta, app.Time().DateTime(m.At.UTC().Format("2006-01-02T15:04:05Z")).Title(r.Desk.moment(m.At)).Text(r.Desk.clock(m.At)))
	if m.Mine {
		meta = append(meta, mark(r.Mark))
	}
	bubble := []app.UI{app.Span().Class("sr").Text(author + ": ")}
	if m.Nick != "" && r.Head {
		bubble = append(bubble, app.Div().Class("msg-author "+hueClass(identity(m))).Aria("hidden", "true").Body(app.Elem("bdi").Text(author)))
	}
	if r.Quote != (quote{}) && !gone {
		bubble = append(bubble, r.Desk.drawQuote(r.Quote, keyText(m.Key)))
	}
	if oneLine(w.Subject) != "" {
		about, _ := folded(w.Subject, 1, text.Rules{Plain: true}) // it is a line
		bubble = append(bubble, app.Div().Class("text subject").Body(linked(about[0].Runs, "")...))
	}
	if m.Notice && !gone {
		bubble = append(bubble, app.Span().Class("sr").Text("Note by Natter: ")) // whom its look does not tell
	}
	if w.Body != "" || w.By.Action {
		words, class := &said{key: keyText(m.Key), nick: r.Desk.named(m)}, "text"
		if w.By.Action {
			words.lead = []app.UI{app.Text("* "), app.Elem("bdi").Text(w.Actor), app.Text(" ")}
			class += " action"
		}
		bubble = append(bubble, app.Div().Class(class).Body(words.message(shown)...))
	}
	if more {
		bubble = append(bubble, app.Button().Type("button").Class("more").DataSet("do", string(doUnfold)).DataSet("text", keyText(m.Key)).Text("Show more"))
	}
	row := []app.UI{app.Div().Class("bubble").Body(append(bubble, app.Span().Class("meta").Body(meta...))...)}
	if !m.Mine && r.Tail {
		row = append([]app.UI{avatar(identity(m), named, "avatar-s", nil)}, row...)
	}
	if len(m.Reactions()) > 0 && !gone {
		row = append(row, r.Desk.chips(m))
	}
	if m.Delivery == state.Failed {
		why := m.Problem
		if why == "" {
			why = "This message could not be delivered."
		}
		row = append(row, app.Div().Class("msg-fault").Body(
			icon("alert"), app.Span().Text(why),
			app.Button().Type("button").Class("msg-retry").DataSet("do", string(doRetryMessage)).DataSet("text", m.ID).Text("Send now"),
			app.Button().Type("button").Class("msg-retry").DataSet("do", string(doDeleteMessage)).DataSet("text", m.ID).Text("Delete")))
	} else if f, ok := m.Refusal(); ok {
		row = append(row, drawRefusal(f, keyText(m.Key)))
	}
	if s := r.Desk.drawSelected(m.Key, r.Selected); s != nil {
		row = append([]app.UI{s}, row...)
	}
	if r.Selected == isSelected {
		class += " selected"
	}
	row = append(row, app.Button().Class("msg-more").Aria("label", "More").Aria("haspopup", "menu").TabIndex(-1).
		DataSet("do", string(doMenu))) // of the row it is in
	article := app.Div().Class(class).Attr("role", "article").Aria("label", author+", "+r.Desk.clock(m.At)).
		DataSet("key", keyText(m.Key))
	if r.Found {
		article = article.ID("found").TabIndex(-1)
	}
	return article.Body(row...)
}

// progress says how far a message of ours has come: a key of marks, "" for one of theirs.
func progress(c *state.Chat, m *state.Message, online bool) string {
	switch {
	case !m.Mine:
		return ""
	case m.Delivery == state.Failed:
		return "failed"
	case m.Delivery == state.Queued && online:
		return "leaving"
	case m.Delivery == state.Queued:
		return "queued"
	case c.Seen(m):
		return "read"
	case m.Delivery == state.Delivered:
		return "delivered"
	}
	return "sent"
}

// marks are an icon and what it means.
var marks = map[string][2]string{
	"queued":    {"clock", "Waiting to be sent"},
	"leaving":   {"clock", "Sending"},
	"sent":      {"check", "Sent"},
	"delivered": {"checks", "Delivered"},
	"read":      {"read", "Read"},
	"failed":    {"alert", "Not delivered"},
}

// mark shows how far a message of ours has come.
func mark(progress string) app.UI {
	m, ok := marks[progress]
	if !ok {
		return app.Span()
	}
	return app.Span().Class("mark mark-"+m[0]).Attr("role", "img").Aria("label", m[1]).Title(m[1]).Body(icon(m[0]))
}
