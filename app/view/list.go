package view

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
	"natter/app/text"
)

// list is the conversations and who else can be written to.
type list struct {
	app.Compo

	Rev  uint64
	Desk *desk
}

// Render implements app.Composer.
func (l *list) Render() app.UI {
	d := l.Desk
	return app.Nav().Class("list").Aria("label", "Conversations").Body(
		l.head(),
		status(d),
		storage(d),
		refusal(d),
		l.search(),
		l.rows(),
		menu(d),
	)
}

func (l *list) head() app.UI {
	d := l.Desk
	me := d.s.Account()
	return app.Header().Class("list-head").Body(
		app.Button().Type("button").ID("me").Class("me").Attr("popovertarget", "menu").Body(
			avatar(string(me), d.s.Name(me), "avatar-m", dot(d.ownShow())),
			app.Span().Class("sr").Text("Your account, "+strings.ToLower(presenceWords(d.ownShow())))),
		app.H1().Class("list-title").Text("Chats"),
		iconButton("room", "Join a room", doJoinRoom),
		iconButton("new", "New chat", doNew),
	)
}

// showOf is what is known of a contact's presence: nothing while offline.
func (d *desk) showOf(c *state.Contact) state.Show {
	if p := d.s.Connection.Phase; p == state.Waiting || p == state.Stopped {
		return state.Unavailable
	}
	return c.Presence().Show
}

// showIn is what is known of the presence of whom a conversation is with.
func (d *desk) showIn(conv state.ConvID) state.Show {
	if o, _ := d.s.Partner(conv); o != nil {
		return o.Show
	}
	return d.showOf(contact(d.s, conv))
}

// ownShow is what contacts see of us; without a connection they see nothing.
func (d *desk) ownShow() state.Show {
	if d.s.Connection.Phase != state.Online {
		return state.Unavailable
	}
	if d.s.OwnPresence.Show == state.Unavailable {
		return state.Available
	}
	return d.s.OwnPresence.Show
}

func (l *list) search() app.UI {
	return app.Label().Class("search").Body(
		icon("search"),
		app.Input().Type("search").ID("filter").Placeholder("Search").Aria("label", "Search conversations and messages").
			DataSet("input", string(doFilter)).AutoComplete(false).Attr("spellcheck", "false").Attr("enterkeyhint", "search"),
	)
}

// inSight is how many rows of the list are on the page, more than any screen shows.
const inSight = 40

func (l *list) rows() app.UI {
	d := l.Desk
	var body []app.UI
	if d.filter == "" {
		if n := d.s.Requests(); n > 0 {
			body = append(body, requestRow(n))
		}
		if row := d.invitationRow(); row != nil {
			body = append(body, row)
		}
		if offline := d.s.Connection.Phase != state.Online; offline && d.s.Unsaved() > 0 {
			body = append(body, app.P().Class("unsaved").Attr("role", "status").Body(icon("clock"), app.Span().Text(unsaved(d.s.Unsaved()))))
		}
	}
	items := d.items(d.filter)
	messages := l.messages(len(items))
	if len(items) == 0 {
		if none := l.none(); none != nil {
			body = append(body, none)
		}
		if messages != nil {
			body = append(body, messages)
		}
		return app.Div().Class("rows").ID("rows").Body(body...)
	}
	first := min(max(0, d.firstRow-10), max(0, len(items)-inSight))
	end := min(len(items), first+inSight)
	if first > 0 {
		body = append(body, app.Div().Class("spacer").DataSet("rows", strconv.Itoa(first)))
	}
	chats := sort.Search(len(items), func(i int) bool { return !items[i].chat })
	if d.filter != "" {
		chats = len(items) // one list
	}
	var rows []app.UI
	finish := func() {
		if len(rows) > 0 {
			body = append(body, app.Div().Class("rows-list").Attr("role", "list").Body(rows...))
		}
		rows = nil
	}
	for i := first; i < end; i++ {
		if i < chats {
			rows = append(rows, l.row(items[i], i, chats))
			continue
		}
		if i == chats {
			finish()
			body = append(body, app.Div().Class("rows-title").Body(app.H2().Text("Contacts")))
		}
		rows = append(rows, l.row(items[i], i-chats, len(items)-chats))
	}
	finish()
	if rest := len(items) - end; rest > 0 {
		body = append(body, app.Div().Class("spacer").DataSet("rows", strconv.Itoa(rest)))
	}
	if messages != nil {
		body = append(body, messages)
	}
	return app.Div().Class("rows").ID("rows").Body(body...)
}

func (l *list) none() app.UI {
	d := l.Desk
	switch {
	case worthASearch(d.filter) && (len(d.search.found.Hits) > 0 || !d.search.found.Done || d.search.began):
		return nil
	case d.filter != "":
		text := "Nobody here is called that."
		if worthASearch(d.filter) {
			text = "Nobody here is called that, and no message on this device has these words."
		}
		return app.Div().Class("none").Body(
			app.P().Attr("role", "status").Text(text),
			app.Button().Type("button").Class("button-quiet").DataSet("do", string(doNew)).Text("Write to an address"),
		)
	case !d.s.RosterLoaded:
		var bones []app.UI
		for range 6 {
			bones = append(bones, app.Div().Class("bone-row").Body(
				app.Span().Class("bone bone-disc"),
				app.Span().Class("bone-lines").Body(app.Span().Class("bone bone-a"), app.Span().Class("bone bone-b"))))
		}
		return app.Div().Class("bones").Aria("hidden", "true").Body(bones...)
	}
	return app.Div().Class("none").Body(
		app.Div().Class("nothing-mark").Body(icon("chat")),
		app.P().Text("Nobody is here yet. Write to somebody's XMPP address to begin."),
		app.Button().Type("button").Class("button-primary").DataSet("do", string(doNew)).Text("New chat"),
	)
}

func (l *list) row(it item, index, count int) app.UI {
	d := l.Desk
	chat, contact := d.s.Chat(it.conv), contact(d.s, it.conv)
	r := &row{
		Name: it.name, Picture: d.picture(it.conv), Conv: it.conv, Show: d.showIn(it.conv), Open: it.conv == d.open,
		Index: index, Count: count, Pending: d.pending(contact),
	}
	if chat == nil {
		r.Line = it.jid().Shown()
		if r.Pending != "" && d.s.Connection.Phase != state.Online {
			r.Line = r.Pending
		}
		return r
	}
	draft, last := "", chat.Timeline.Last()
	if it.conv != d.open {
		draft = d.draft(it.conv)
	}
	draft = oneLine(draft)
	switch {
	case chat.Typing:
		r.Line, r.Kind = writing(chat)+"…", "typing"
	case draft != "":
		r.Line, r.Kind = draft, "draft"
	case last != nil:
		r.Last = reading(d.s, last)
		if last.Mine {
			r.Kind, r.Mark = "mine", progress(chat, last, d.s.Connection.Phase == state.Online)
		} else if last.Nick != "" && !r.Last.By.Action && it.conv.Kind() == state.Groupchat {
			r.By = authorName(d.s, last)
		}
	}
	if last != nil {
		r.When = d.ago(last.At)
	}
	r.Unread, r.Counted, r.Muted = chat.Unread, d.s.Counted(chat), d.muted(it.conv)
	return r
}

// oneLine shortens a body to what a row can show.
func oneLine(body string) string { return legible.Short(body, lineShown) }

// you stands before what we have said, unless that says it.
func you(said wording) []app.UI {
	if said.By.Action {
		return nil
	}
	return []app.UI{app.Span().Class("row-mine").Text("You: ")}
}

// row is one line of the list.
type row struct {
	app.Compo

	Name    string
	Picture string // a data: URL, "" for the first letter of Name
	Conv    state.ConvID
	Show    state.Show
	Line    string
	Last    wording // what was said last, if Line is empty
	By      string  // in a room: who has said it
	Kind    string  // of Line: "typing", "draft", "mine" or ""
	Mark    string  // how far that one has come: a key of marks
	When    string
	Unread  int
	// Counted is how many of the unread ones the person wants to be told of, and Muted is set if they
	// want to be told of none of this room.
	Counted int
	Muted   bool
	Open    bool
	Index   int
	Count   int
	// Pending is what has been done to the contact and is not on the server.
	Pending string
}

// Render implements app.Composer.
func (r *row) Render() app.UI {
	line := []app.UI{}
	switch r.Kind {
	case "draft":
		line = append(line, app.Span().Class("row-draft").Text("Draft: "))
	case "mine":
		line = append(line, you(r.Last)...)
	}
	words := []text.Run{{Text: r.Line}}
	if r.Line == "" {
		words = r.Last.line(lineShown)
	}
	if r.By != "" {
		line = append(line, app.Span().Class("row-mine").Body(app.Elem("bdi").Text(r.By), app.Text(": ")))
	}
	line = append(line, app.Elem("bdi").Body(unlinked(words)...))
	side := app.Span()
	switch {
	case r.Counted > 0:
		words := " unread"
		if r.Counted < r.Unread {
			words = " for you, " + strconv.Itoa(r.Unread) + " unread"
		}
		side = app.Span().Class("badge").Body(app.Text(strconv.Itoa(min(r.Counted, 999))), app.Span().Class("sr").Text(words))
	case r.Unread > 0 && !r.Muted:
		side = app.Span().Class("badge-quiet").Attr("role", "img").Aria("label", "Unread").Title("Unread")
	case r.Kind == "mine":
		side = app.Span().Body(mark(r.Mark))
	}
	class := "row"
	switch {
	case r.Muted:
		class += " row-muted"
	case r.Unread > 0:
		class += " row-unread"
	}
	if r.Kind == "typing" {
		class += " row-typing"
	}
	b := app.Button().Type("button").Class(class).ID("row:"+string(r.Conv)).
		DataSet("do", string(doOpen)).DataSet("conv", string(r.Conv)).
		Attr("tabindex", "-1")
	if r.Open {
		b = b.Aria("current", "true")
	}
	return app.Div().Class("row-item").Attr("role", "listitem").
		Attr("aria-posinset", strconv.Itoa(r.Index+1)).Attr("aria-setsize", strconv.Itoa(r.Count)).
		Body(b.Body(
			pictured(r.Picture, string(r.Conv.JID()), r.Name, size(r.Conv, "avatar-l"), dot(r.Show)),
			app.Span().Class("row-text").Body(
				app.Span().Class("row-pair").Body(
					app.Span().Class("row-name").Body(app.Elem("bdi").Text(r.Name), app.Span().Class("sr").Text(", "+r.what()+". "),
						app.If(r.Pending != "", func() app.UI {
							return app.Span().Class("mark").Attr("role", "img").Aria("label", r.Pending).Title(r.Pending).Body(icon("clock"))
						})),
					app.Span().Class("row-when").Text(r.When)),
				app.Span().Class("row-pair").Body(
					app.Span().Class("row-line").Body(line...),
					side),
			),
		))
}

// what tells a screen reader what the avatar shows.
func (r *row) what() string {
	if r.Conv.Kind() == state.Groupchat {
		return "Room"
	}
	return presenceWords(r.Show)
}

// status is the line that says how the connection is. It is always there; when all
// is well it is a dot and a word.
func status(d *desk) app.HTMLDiv {
	c := d.s.Connection
	phase := c.Phase
	if !d.lostAt.IsZero() && d.now().Sub(d.lostAt) < blip && phase != state.Stopped {
		phase = state.Online // too short to be worth a word
	}
	line := app.Div().Class("status").Attr("role", "status").DataSet("phase", phaseName(phase))
	retry := app.Button().Type("button").Class("status-retry").DataSet("do", string(doReconnect)).Text("Retry now")
	why := ""
	if c.Problem != nil {
		why = c.Problem.Text
	}
	switch phase {
	case state.Online:
		host := string(d.s.Account().Domain())
		if c.Delegated {
			host += " through " + hostOf(c.Endpoint)
		}
		if !d.s.CaughtUp {
			return line.Body(app.Span().Class("status-dot"), app.Span().Class("status-text").Text("Updating…"))
		}
		return line.Body(app.Span().Class("status-dot"), app.Span().Class("status-text").Body(
			app.Text("Connected"), app.Span().Class("status-host").Text(" to "+host)))
	case state.Waiting:
		text := "Offline — retrying now"
		if left := c.RetryAt.Sub(d.now()); left > time.Second {
			text = "Offline — retrying in " + strconv.Itoa(int(left/time.Second)) + " s"
		}
		body := []app.UI{icon("offline"), app.Span().Class("status-text").Attr("aria-live", "off").Text(text), retry}
		if why != "" {
			body = append(body, app.Span().Class("status-why").Text(why))
		}
		return line.Body(body...)
	case state.Stopped:
		text, advice := "Not connected", ""
		if c.Problem != nil {
			text, advice = c.Problem.Text, c.Problem.Advice
		}
		do, word := doReconnect, "Reconnect"
		switch {
		case c.Problem == nil:
		case c.Problem.Kind == "another-build":
			do, word = doReload, "Reload"
		case c.Problem.Field == "password":
			do, word = doPassword, "Enter password"
		case c.Problem.Account != "":
			do, word = doSomebodyElse, "Sign in again"
		}
		body := []app.UI{icon("alert"), app.Span().Class("status-text").Text(text), app.Button().Type("button").Class("status-retry").DataSet("do", string(do)).Text(word)}
		if advice != "" {
			body = append(body, app.Span().Class("status-why").Text(advice))
		}
		if c.Problem != nil && c.Problem.Detail != "" {
			body = append(body, app.Details().Class("status-details").Body(
				app.Summary().Text("Details"), app.P().Text(plain(c.Problem.Detail))))
		}
		return line.Body(body...)
	}
	body := []app.UI{app.Span().Class("status-dot"), app.Span().Class("status-text").Text("Connecting…")}
	if why != "" {
		body = append(body, app.Span().Class("status-why").Text(why))
	}
	return line.Body(body...)
}

// storage says why nothing is kept on this device although it should be.
func storage(d *desk) app.UI {
	p := d.s.Storage
	return app.If(p != nil, func() app.UI {
		return app.Div().Class("status").Attr("role", "status").DataSet("phase", "stopped").DataSet("storage", p.Kind).Body(
			icon("alert"), app.Span().Class("status-text").Text(p.Text),
			app.Span().Class("status-why").Text(p.Advice))
	})
}

// refusal says what the server has not taken of what was done to a contact, one at a time.
func refusal(d *desk) app.UI {
	c := d.refused()
	return app.If(c != nil, func() app.UI {
		return app.Div().Class("status").Attr("role", "alert").DataSet("phase", "stopped").Body(
			icon("alert"), app.Span().Class("status-text").Body(app.Elem("bdi").Text(c.JID.Shown()), app.Text(" "+c.Refused)),
			app.Button().Type("button").Class("status-retry").DataSet("do", string(doDismiss)).DataSet("jid", string(c.JID)).Text("OK"))
	})
}

// refused is the first of the contacts that have something Refused, nil if there is none.
func (d *desk) refused() *state.Contact {
	if d.s.Refusals() > 0 {
		for c := range d.s.Contacts {
			if c.Refused != "" {
				return c
			}
		}
	}
	return nil
}

func phaseName(p state.Phase) string {
	switch p {
	case state.Online:
		return "online"
	case state.Waiting:
		return "waiting"
	case state.Stopped:
		return "stopped"
	}
	return "connecting"
}

// hostOf returns the host of a WebSocket address.
func hostOf(endpoint string) string {
	_, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		rest = endpoint
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// menu is what belongs to the account: presence, looks, keys, the way out.
func menu(d *desk) app.UI {
	me := d.s.Account()
	return app.Div().ID("menu").Class("menu").Attr("popover", "auto").Aria("label", "Your account").Body(
		app.Div().Class("menu-me").Body(
			avatar(string(me), d.s.Name(me), "avatar-l", nil),
			app.Span().Class("menu-names").Body(
				app.Strong().Body(app.Elem("bdi").Text(d.s.Name(me))),
				app.Span().Class("menu-address").Body(app.Elem("bdi").Text(me.Shown()))),
			iconButton("copy", "Copy address", doCopy).DataSet("text", string(me)),
		),
		choices("Presence", doPresence, string(d.ownShow()), [][2]string{
			{"available", "Online"}, {"away", "Away"}, {"dnd", "Do not disturb"}}),
		choices("Appearance", doTheme, d.platform.Theme(), [][2]string{
			{"", "System"}, {"light", "Light"}, {"dark", "Dark"}}),
		choices("Tell contacts what I have read", doDiscreet, map[bool]string{true: "on"}[d.s.Discreet], [][2]string{
			{"", "Yes"}, {"on", "No"}}),
		noticesMenu(d),
		app.Div().Class("menu-actions").Body(
			app.Button().Type("button").Class("menu-item").DataSet("do", string(doKey)).DataSet("text", "keys").Body(icon("panel"), app.Text("Keyboard shortcuts")),
			app.Button().Type("button").Class("menu-item").DataSet("do", string(doLeaving)).Body(icon("leave"), app.Text("Sign out")),
		),
	)
}

// noticesMenu is what somebody wants to be told of while they look elsewhere.
func noticesMenu(d *desk) app.UI {
	chosen := d.platform.Notices()
	return app.If(chosen != "none", func() app.UI {
		note := app.P().Class("menu-note")
		if chosen == "refused" {
			chosen = ""
			note = note.Text("The browser blocks notifications from this page. Allow them in its settings, then choose again.")
		}
		return app.Div().Body(choices("Notifications", doNotices, chosen, [][2]string{
			{"", "Off"}, {"on", "Without text"}, {"text", "With text"}}), note)
	})
}

// choices is a row of buttons of which one is pressed.
func choices(label string, do Command, chosen string, options [][2]string) app.UI {
	var buttons []app.UI
	for _, o := range options {
		b := app.Button().Type("button").Class("choice").DataSet("do", string(do)).DataSet("text", o[0]).Aria("pressed", strconv.FormatBool(o[0] == chosen))
		if do == doPresence {
			b = b.Body(app.Span().Class("dot dot-still "+map[string]string{"available": "dot-online", "away": "dot-away", "dnd": "dot-busy"}[o[0]]), app.Text(o[1]))
		} else {
			b = b.Text(o[1])
		}
		buttons = append(buttons, b)
	}
	return app.Div().Class("menu-group").Attr("role", "group").Aria("label", label).Body(
		app.Span().Class("menu-label").Text(label),
		app.Div().Class("choices").Body(buttons...))
}
