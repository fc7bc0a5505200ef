package view

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/legible"
	"natter/app/state"
)

const (
	ada   = "ada@example.org"
	grace = "grace@example.org"
	alan  = "alan@example.org"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.Local)

// bench is a desk with a model and a platform that only remember.
type bench struct {
	*desk
	state    *state.State
	did      []string
	at       state.Look                 // where the person looks
	late     map[time.Duration][]func() // by how late
	away     bool
	narrow   bool
	theme    string
	place    string
	copied   string
	picks    string
	list     func(string) // answers what asked for the list of emoji
	lists    int
	went     int
	clock    time.Time
	messages int
	tell     func(state.Found)
	notices  string
	heard    []string // by the teller
	where    *time.Location
	asked    int // for an offset
	logged   []string
	t        *testing.T
}

func (b *bench) State() *state.State { return b.state }
func (b *bench) Do(in state.Intent) {
	if at, ok := in.(state.Look); ok {
		b.at = at
		return
	}
	b.did = append(b.did, fmt.Sprintf("%T%+v", in, in)[len("state."):])
}
func (b *bench) Watch(func()) (stop func()) { return func() {} }
func (b *bench) Search(typed string, n int, tell func(state.Found)) (stop func()) {
	b.did = append(b.did, fmt.Sprintf("Search %s %d", typed, n))
	b.tell = tell
	return func() { b.did = append(b.did, "stop") }
}
func (b *bench) Listen(func(Signal)) func() { return func() {} }
func (b *bench) Hold(bool) string           { return b.sight }
func (b *bench) Settle(Settling)            {}
func (b *bench) Attentive() bool            { return !b.away }
func (b *bench) Narrow() bool               { return b.narrow }
func (b *bench) Hour12() bool               { return false }
func (b *bench) Offset(t time.Time) int {
	b.asked++
	_, offset := t.In(b.where).Zone()
	return offset
}
func (b *bench) Place() string               { return b.place }
func (b *bench) SetPlace(peer string)        { b.place = peer }
func (b *bench) Count(account string, n int) { b.heard = append(b.heard, fmt.Sprint(account, " ", n)) }
func (b *bench) Notices() string             { return b.notices }
func (b *bench) SetNotices(chosen string)    { b.notices = chosen }
func (b *bench) Unnotify(_, peer string)     { b.heard = append(b.heard, "none from "+peer) }
func (b *bench) Notify(account, peer, title, text string) {
	b.heard = append(b.heard, strings.Join([]string{account, peer, title, text}, "|"))
}
func (b *bench) Theme() string            { return b.theme }
func (b *bench) SetTheme(theme string)    { b.theme = theme }
func (b *bench) Copy(text string)         { b.copied = text }
func (b *bench) Emojis(tell func(string)) { b.lists++; b.list = tell }
func (b *bench) Picks() string            { return b.picks }
func (b *bench) SetPicks(picks string)    { b.picks = picks }
func (b *bench) Back()                    { b.went++ }
func (b *bench) Log(text string)          { b.logged = append(b.logged, text) }

// sig is a signal of somebody, and of the conversation with them.
func (b *bench) sig(do Command, who jid.JID, text string) {
	b.happened(Signal{Do: do, Conv: state.Direct.With(who), JID: who, Text: text})
}
func (b *bench) edgeAt(which string, end bool) { b.happened(Signal{Do: "edge", Text: which, On: end}) }

// play is what the client does when something happens.
func (b *bench) play(events ...state.Event) {
	for _, ev := range events {
		b.state = b.state.With(ev)
	}
	b.refresh()
}

func (b *bench) receive(from jid.JID, body string) {
	b.messages++
	b.play(state.MessageAdded{Conv: state.Direct.With(from), Resource: "x", Message: state.Message{
		ID: fmt.Sprint(b.messages), Author: from, Body: body, At: b.clock.Add(time.Duration(b.messages) * time.Second),
	}})
}

// wants fails unless exactly these intents were wanted since the last time.
func (b *bench) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(b.did, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("wanted of the client:\n%s\ninstead of:\n%s", got, strings.Join(want, "\n"))
	}
	b.did = nil
}

// only forgets what was wanted but for one kind of intent.
func (b *bench) only(kind string) {
	b.did = slices.DeleteFunc(b.did, func(what string) bool { return !strings.HasPrefix(what, kind) })
}

// html draws the page. Whatever can be clicked, submitted or typed into has an entry in the table.
func (b *bench) html() string {
	html := app.HTMLString((&Root{desk: b.desk}).Render())
	for _, m := range regexp.MustCompile(`data-(?:do|form|input)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if do := Command(m[1]); commands[do] == nil && !slices.Contains(ofPage, do) {
			b.t.Errorf("%s is drawn and has no entry", m[0])
		}
	}
	return html
}

func sit(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, state: state.New(), clock: noon, where: time.Local, late: map[time.Duration][]func(){}}
	b.desk = newDesk(b, b)
	b.desk.now = func() time.Time { return b.clock }
	b.desk.later = func(wait time.Duration, f func()) { b.late[wait] = append(b.late[wait], f) }
	b.play(
		state.SessionStarted{Me: ada + "/natter"},
		state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}},
		state.RosterLoaded{Items: []state.RosterItem{
			{JID: grace, Name: "Grace", Subscription: state.SubscriptionBoth},
			{JID: alan, Name: "Alan", Subscription: state.SubscriptionBoth},
		}},
		state.CaughtUp{})
	return b
}

func TestOpen(t *testing.T) {
	t.Run("a contact without a conversation", func(t *testing.T) {
		b := sit(t)
		b.sig("open", grace, "")
		b.wants(t, "StartChat{Conv:grace@example.org}")
		if b.settling.Focus != "message" {
			t.Errorf("the focus goes to %q", b.settling.Focus)
		}
	})
	t.Run("unread messages are read", func(t *testing.T) {
		b := sit(t)
		b.receive(grace, "hello")
		b.sig("open", grace, "")
		b.edgeAt("", true)
		b.wants(t, "ReadChat{Conv:grace@example.org}")
	})
	t.Run("not while the person looks elsewhere", func(t *testing.T) {
		b := sit(t)
		b.away = true
		b.receive(grace, "hello")
		b.sig("open", grace, "")
		b.edgeAt("", true)
		b.wants(t)
		b.away = false
		b.sig("attention", "", "")
		b.wants(t, "ReadChat{Conv:grace@example.org}")
	})
	t.Run("not above the end", func(t *testing.T) {
		b := sit(t)
		b.receive(grace, "hello")
		b.play(state.ChatRead{Conv: grace})
		b.sig("open", grace, "")
		b.edgeAt("", false)
		b.receive(grace, "more")
		b.wants(t)
		if html := b.html(); !strings.Contains(html, "To the newest message, 1 unread") {
			t.Error("nothing leads to the newest message")
		}
	})
	t.Run("what comes meanwhile is divided off", func(t *testing.T) {
		b := sit(t)
		b.receive(grace, "hello")
		b.play(state.ChatRead{Conv: grace})
		b.sig("open", grace, "")
		for _, away := range []bool{false, true} {
			b.away = away
			b.receive(grace, "more")
			if divided := strings.Contains(b.html(), "unread-mark"); divided != away {
				t.Errorf("looking elsewhere: %v, divided: %v", away, divided)
			}
			b.play(state.ChatRead{Conv: grace})
		}
	})
	t.Run("on a phone the keyboard stays away", func(t *testing.T) {
		b := sit(t)
		b.narrow = true
		b.sig("open", grace, "")
		if b.settling.Focus != "" || !b.settling.Enter {
			t.Errorf("settling %+v", b.settling)
		}
		b.sig("details", "", "")
		b.sig("back", "", "")
		if b.open == "" || b.details {
			t.Error("Back did not lead from the details to the conversation")
		}
		b.sig("back", "", "")
		if b.open != "" {
			t.Error("Back did not lead to the list")
		}
	})
}

// A conversation without a message has no window: near both of its ends nothing happens.
func TestEdge_OfNoMessages(t *testing.T) {
	b := sit(t)
	b.sig("open", grace, "")
	b.play(state.ChatStarted{Conv: grace})
	for _, end := range []string{"top", "bottom"} {
		b.edgeAt(end, true)
	}
	if rows, end := b.window.rows(b.s.Chat(grace)); len(rows) != 0 || !end {
		t.Errorf("%d rows, at the end %v", len(rows), end)
	}
}

// The page opens with the conversation that was open when it was left.
func TestPlace(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	if b.place != string(grace) {
		t.Fatalf("the place is %q", b.place)
	}
	again := func(s *state.State, place string) *bench {
		b := sit(t)
		b.desk = newDesk(b, b)
		b.state, b.place = s, place
		b.refresh()
		return b
	}
	if got := again(b.state, b.place).open; got != grace {
		t.Errorf("%q is open after a reload", got)
	}
	if got := again(state.New().With(state.SessionStarted{Me: "eve@localhost/tab"}), b.place); got.open != "" {
		t.Errorf("somebody else finds %q open", got.open)
	}
	b.sig("back", "", "")
	if b.place != "" {
		t.Errorf("after going back to the list the place is %q", b.place)
	}
	b.sig("open", grace, "")
	b.play(state.Cleared{})
	if b.place != "" {
		t.Errorf("after the sign-out the place is %q", b.place)
	}
}

func TestCompose(t *testing.T) {
	t.Run("typing is said once, and its end after a pause", func(t *testing.T) {
		b := sit(t)
		b.sig("open", grace, "")
		b.did = nil
		b.sig("message", "", "h")
		b.sig("message", "", "he")
		b.wants(t, "Typing{Conv:grace@example.org Typing:true}")
		b.late[typingPause][0]() // that of the first key: the second came since
		b.wants(t)
		b.late[typingPause][1]()
		b.wants(t, "Typing{Conv:grace@example.org Typing:false}")
	})
	t.Run("emptied is not typing", func(t *testing.T) {
		b := sit(t)
		b.sig("open", grace, "")
		b.did = nil
		b.sig("message", "", "h")
		b.sig("message", "", "")
		b.wants(t, "Typing{Conv:grace@example.org Typing:true}", "Typing{Conv:grace@example.org Typing:false}")
	})
	t.Run("sent", func(t *testing.T) {
		b := sit(t)
		b.sig("open", grace, "")
		b.sig("message", "", "hello")
		b.did = nil
		b.sig("send", "", "hello\nyou")
		b.sig("send", "", " \n ")
		b.wants(t, fmt.Sprintf("SendMessage%+v", state.SendMessage{Conv: grace, Body: "hello\nyou"}))
		if draft := b.draft(grace); draft != "" {
			t.Errorf("what was sent is still a draft: %q", draft)
		}
		for _, late := range b.late[draftPause] {
			late()
		}
		b.wants(t)
	})
	t.Run("a draft stays with its conversation", func(t *testing.T) {
		b := sit(t)
		b.play(state.ChatStarted{Conv: grace}, state.ChatStarted{Conv: alan})
		b.sig("open", grace, "")
		b.sig("message", "", "for grace")
		b.sig("open", alan, "")
		if html := b.html(); !strings.Contains(html, "Draft: ") || !strings.Contains(html, "for grace") {
			t.Error("the list does not show the draft")
		}
		if b.opened != "" {
			t.Errorf("the other conversation begins with %q", b.opened)
		}
		b.sig("open", grace, "")
		if b.opened != "for grace" {
			t.Errorf("the draft is %q", b.opened)
		}
	})
	t.Run("a draft is kept, but not at every key", func(t *testing.T) {
		b := sit(t)
		b.play(state.ChatStarted{Conv: grace}, state.ChatStarted{Conv: alan})
		b.sig("open", grace, "")
		typed := func(text string) {
			b.sig("message", b.open.JID(), text)
			b.only("KeepDraft")
		}
		typed("h")
		typed("he")
		b.wants(t)
		if n := len(b.late[draftPause]); n != 1 {
			t.Fatalf("%d timers", n)
		}
		b.late[draftPause][0]()
		b.wants(t, "KeepDraft{Conv:grace@example.org Text:he}")
		b.play(state.DraftChanged{Conv: grace, Text: "he"})
		for _, leave := range []Signal{{Do: "away"}, {Do: "open", Conv: alan}, {Do: "open", Conv: grace}, {Do: "back"}} {
			text := fmt.Sprintf("%+v", leave)
			typed(text)
			peer := b.open
			b.happened(leave)
			b.only("KeepDraft")
			b.wants(t, fmt.Sprintf("KeepDraft{Conv:%s Text:%s}", peer, text))
			b.play(state.DraftChanged{Conv: peer, Text: text})
		}
		if len(b.drafts) > 0 {
			t.Errorf("what the state has is still %v here", b.drafts)
		}
		b.late[draftPause][1]()
		b.wants(t)
	})
	t.Run("a draft that was kept is there again", func(t *testing.T) {
		b := sit(t)
		b.play(state.DraftChanged{Conv: grace, Text: "where was I"})
		if html := b.html(); !strings.Contains(html, "Draft: ") || !strings.Contains(html, "where was I") {
			t.Error("the list does not show it")
		}
		b.sig("open", grace, "")
		if b.opened != "where was I" {
			t.Errorf("the conversation begins with %q", b.opened)
		}
		b.did = nil
		b.sig("message", grace, "")
		b.sig("away", "", "")
		b.wants(t, "KeepDraft{Conv:grace@example.org Text:}")
	})
}

func TestNewChat(t *testing.T) {
	for _, tc := range []struct{ typed, fault string }{
		{"", "Enter the address"},
		{"grace", "not an XMPP address"},
		{"@example.org", "not an XMPP address"},
		{"a b@example.org", "not an XMPP address: there is a space after “a”"},
		{"gra\u200bce@example.org", "an invisible character (U+200B) after “gra”"},
		{"xmpp:", "not an XMPP address"},
	} {
		b := sit(t)
		b.sig("new", "", "")
		b.sig("start", "", tc.typed)
		if !strings.Contains(b.dialog.fault, tc.fault) {
			t.Errorf("%q: %q", tc.typed, b.dialog.fault)
		}
		b.wants(t)
	}
	b := sit(t)
	b.sig("new", "", "")
	b.happened(Signal{Do: "start", Text: " xmpp:Hedy@Example.org/phone", On: true})
	b.wants(t, "AddContact{JID:hedy@example.org Name:}", "StartChat{Conv:hedy@example.org}")
	for typed, want := range map[string]string{
		"cheogram.com":                         "cheogram.com", // a gateway
		"EXAMPLE.org":                          "example.org",  // one's own server
		"XMPP:j%C3%B6rg@example.org?subscribe": "jörg@example.org",
		"\u200bhedy@example.org\u00a0":         "hedy@example.org",
		"d'artagnan@example.org":               `d\27artagnan@example.org`,
		"hedy@mail.example@gateway.example":    `hedy\40mail.example@gateway.example`,
		"ada@example.org":                      "ada@example.org", // notes to oneself
	} {
		b := sit(t)
		b.sig("new", "", "")
		b.sig("start", "", typed)
		b.wants(t, "StartChat{Conv:"+want+"}")
	}

	t.Run("oneself is no contact", func(t *testing.T) {
		b := sit(t)
		b.happened(Signal{Do: "start", Text: string(ada), On: true})
		b.wants(t, "StartChat{Conv:ada@example.org}")
		b.sig("details", "", "")
		if html := b.html(); strings.Contains(html, "Add to contacts") || !strings.Contains(html, "Notes to yourself") {
			t.Error("one is offered to oneself as a contact")
		}
	})
	t.Run("words that come with a link wait in the composer", func(t *testing.T) {
		b := sit(t)
		b.sig("link", "", "xmpp:hedy@example.org?message;body=Good%20morning")
		if b.opened != "Good morning" {
			t.Errorf("the composer has %q", b.opened)
		}
		b.wants(t, "KeepDraft{Conv:hedy@example.org Text:Good morning}", "StartChat{Conv:hedy@example.org}")
		b.play(state.DraftChanged{Conv: grace, Text: "mine"})
		b.sig("link", "", "xmpp:grace@example.org?message;body=theirs")
		if b.opened != "mine" {
			t.Errorf("what was written is gone: %q", b.opened)
		}
	})
	t.Run("a link to a room asks before it is joined", func(t *testing.T) {
		b := sit(t)
		b.sig("link", "", "xmpp:lounge@rooms.example?join")
		if b.dialog.kind != "join-room" || b.dialog.text != "lounge@rooms.example" {
			t.Errorf("%+v", b.dialog)
		}
		b.wants(t, "BrowseRooms{}")
		b.sig("link", "", "rubbish")
		b.wants(t)
	})
	if b.dialog.kind != "" || b.open != "hedy@example.org" {
		t.Errorf("dialog %q, open %q", b.dialog.kind, b.open)
	}
	b.happened(Signal{Do: "start", Text: "grace@example.org", On: true})
	b.wants(t, "StartChat{Conv:grace@example.org}")
}

func TestIntents(t *testing.T) {
	for _, tc := range []struct {
		do               Command
		peer, text, want string
	}{
		{"accept", string(alan), "", "AcceptContact{JID:alan@example.org}"},
		{"decline", string(alan), "", "DeclineContacts{JIDs:[alan@example.org]}"},
		{"add", string(alan), "", "AddContact{JID:alan@example.org Name:}"},
		{"rename", string(alan), "Al", "RenameContact{JID:alan@example.org Name:Al}"},
		{"remove", string(alan), "", "RemoveContact{JID:alan@example.org}"},
		{"reconnect", "", "", "Reconnect{}"},
		{"retry-message", "", "m1", "RetryMessage{Conv: ID:m1}"},
		{"delete-message", "", "m1", "DeleteMessage{Conv: ID:m1}"},
		{"presence", "", "dnd", "SetPresence{Presence:{Show:dnd Status: Priority:0}}"},
		{"sign-out", "", "", "SignOut{}"},
	} {
		b := sit(t)
		b.sig(tc.do, jid.JID(tc.peer), tc.text)
		b.wants(t, tc.want)
	}
	b := sit(t)
	b.sig("nonsense", "x", "y")
	b.wants(t)
}

func TestOrder(t *testing.T) {
	b := sit(t)
	names := func() (out []string) {
		for _, it := range b.items(b.filter) {
			out = append(out, it.name)
		}
		return out
	}
	b.receive(grace, "first")
	if got := fmt.Sprint(names()); got != "[Grace Alan]" {
		t.Errorf("a contact stands before a conversation: %s", got)
	}
	b.receive(alan, "second")
	if got := fmt.Sprint(names()); got != "[Alan Grace]" {
		t.Errorf("not by the last message: %s", got)
	}
	b.sig("key", "", "next")
	b.sig("open", alan, "")
	b.sig("key", "", "next")
	if b.open != grace {
		t.Errorf("the next conversation is %s", b.open)
	}
	b.sig("filter", "", "ALAN@")
	if got := fmt.Sprint(names()); got != "[Alan]" {
		t.Errorf("filtered: %s", got)
	}
}

func TestSwitcher(t *testing.T) {
	b := sit(t)
	b.sig("key", "", "switch")
	b.happened(Signal{Do: "switch-move", Number: -1})
	if b.dialog.chosen != 1 {
		t.Errorf("up from the first is %d", b.dialog.chosen)
	}
	b.sig("switch-text", "", "gra")
	b.sig("switch", "", "")
	if b.open != grace || b.dialog.kind != "" {
		t.Errorf("open %s, dialog %q", b.open, b.dialog.kind)
	}
}

func TestSignOut_ForgetsAll(t *testing.T) {
	b := sit(t)
	b.sig("open", grace, "")
	b.sig("message", "", "secret")
	b.play(state.Cleared{}, state.ConnectionChanged{Connection: state.Connection{Phase: state.SignedOut}})
	if b.open != "" || len(b.drafts) > 0 || b.opened != "" {
		t.Error("something of the account is left")
	}
	if html := b.html(); strings.Contains(html, "Conversations") {
		t.Errorf("still drawn: %s", html)
	}
}

func TestAnnounced_Once(t *testing.T) {
	b := sit(t)
	b.receive(grace, "before")
	b.sig("open", grace, "")
	if b.news != "" {
		t.Errorf("old news: %q", b.news)
	}
	b.receive(grace, "now")
	if b.news != "Grace: now" {
		t.Errorf("news %q", b.news)
	}
	b.news = ""
	b.play(state.PresenceChanged{From: grace + "/x", Presence: state.Presence{Show: state.Away}})
	if b.news != "" {
		t.Errorf("told twice: %q", b.news)
	}
}

func TestConnection_BlipIsSilent(t *testing.T) {
	b := sit(t)
	lost := state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Waiting, RetryAt: noon.Add(12 * time.Second), Problem: &state.Problem{Text: "The server went away."},
	}}
	b.play(lost)
	if html := b.html(); !strings.Contains(html, "Connected") {
		t.Error("a blip is shown")
	}
	b.clock = b.clock.Add(2 * time.Second)
	html := b.html()
	for _, want := range []string{"Offline — retrying in 10 s", "Retry now", "The server went away."} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
	b.play(state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped, Problem: &state.Problem{Text: "Another session took over.", Advice: "Reconnect to go on.", Detail: "conflict"},
	}})
	html = b.html()
	for _, want := range []string{"Another session took over.", "Reconnect to go on.", "conflict"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}

	b.sig("open", grace, "")
	b.play(state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped, Problem: &state.Problem{Kind: "another-build", Text: "Updated elsewhere.", Advice: "Reload."},
	}})
	html = b.html()
	for _, want := range []string{`data-do="reload"`, "Go on in the other tab", "readonly"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

// A14: a password that no longer does is asked for in place.
func TestA14_Password(t *testing.T) {
	b := sit(t)
	b.sig("open", grace, "")
	b.sig("message", grace, "half a sen")
	b.play(state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped, Problem: &state.Problem{Kind: "wrong-password", Field: "password", Text: "Wrong password."},
	}})
	if html := b.html(); !strings.Contains(html, `data-do="password"`) || strings.Contains(html, `data-do="reconnect"`) {
		t.Error("there is no way on, or the one that tries the old password again")
	}
	b.sig("password", "", "")
	html := b.html()
	for _, want := range []string{"Wrong password.", `type="password"`, `data-form="give-password"`, `autocomplete="current-password"`} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
	b.did = nil
	b.sig("give-password", "", "")
	if len(b.did) > 0 || !strings.Contains(b.html(), "Type the password.") {
		t.Errorf("nothing was typed, and it did %q", b.did)
	}
	b.sig("give-password", "", "new")
	b.wants(t, "GivePassword{Password:new}")
	if b.dialog.kind != "" || b.draft(grace) != "half a sen" {
		t.Errorf("the dialog is %q, the draft %q", b.dialog.kind, b.draft(grace))
	}
}

// N08: whom the server takes us for is said, and what to do is for the person to decide.
func TestN08_SomebodyElse(t *testing.T) {
	b := sit(t)
	b.sig("open", grace, "")
	b.sig("message", grace, "half a sen")
	b.play(state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped, Problem: &state.Problem{Kind: "another-account", Text: "You are eve.", Account: "eve@example.org"},
	}})
	if html := b.html(); !strings.Contains(html, `data-do="somebody-else"`) || strings.Contains(html, `data-do="reconnect"`) {
		t.Error("there is no way on, or the wrong one")
	}
	b.sig("somebody-else", "", "")
	html := b.html()
	for _, want := range []string{"<bdi>eve@example.org</bdi>", "<bdi>ada@example.org</bdi>", `data-do="sign-in-again"`, `data-do="close"`} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
	b.did = nil
	b.sig("sign-in-again", "", "")
	b.wants(t, "KeepDraft{Conv:grace@example.org Text:half a sen}", "SignInAgain{}")
	if b.dialog.kind != "" {
		t.Error("the dialog is still there")
	}
}

// A place that is jumped to is drawn with what a screen and a little more holds, for more would take long
// to draw; near an edge there is more, and what was there stays.
func TestWindow_Jump(t *testing.T) {
	b := sit(t)
	page := state.ArchivePage{Conv: grace}
	for i := range 1000 {
		page.Messages = append(page.Messages, state.Message{
			ID: fmt.Sprint("h", i), ArchiveID: fmt.Sprint("a", i), Author: grace, Body: fmt.Sprint(i), At: noon.Add(time.Duration(i-5000) * time.Minute),
		})
	}
	b.play(page)
	b.sig("open", grace, "")
	c := b.s.Chat(grace)
	all := c.Timeline.Newest(1000)
	span := func() (first, last string, n int) {
		rows, _ := b.window.rows(c)
		return rows[0].Body, rows[len(rows)-1].Body, len(rows)
	}
	jump := func() {
		b.desk.seekTo(c, all[500].Key)
		if first, last, n := span(); first != fmt.Sprint(500-above) || last != fmt.Sprint(500+fresh-1) || n != above+fresh {
			t.Fatalf("%d messages, %s to %s", n, first, last)
		}
	}
	jump()
	b.edgeAt("bottom", false)
	if first, _, n := span(); first != fmt.Sprint(500-above) || n != most {
		t.Errorf("at the lower edge: %d messages from %s", n, first)
	}
	jump()
	b.edgeAt("top", false)
	if first, _, n := span(); first != fmt.Sprint(500-above-stride) || n != most {
		t.Errorf("at the upper edge: %d messages from %s", n, first)
	}
}

func TestWindow(t *testing.T) {
	b := sit(t)
	page := state.ArchivePage{Conv: grace}
	for i := range 1000 {
		page.Messages = append(page.Messages, state.Message{
			ID: fmt.Sprint("h", i), ArchiveID: fmt.Sprint("a", i), Author: grace, Body: fmt.Sprint(i), At: noon.Add(time.Duration(i-5000) * time.Minute),
		})
	}
	b.play(page)
	b.sig("open", grace, "")
	c := func() *state.Chat { return b.s.Chat(grace) }
	span := func() (first, last string, n int) {
		rows, _ := b.window.rows(c())
		return rows[0].Body, rows[len(rows)-1].Body, len(rows)
	}
	if first, last, _ := span(); first != fmt.Sprint(1000-fresh) || last != "999" {
		t.Fatalf("begins with %s to %s", first, last)
	}
	for range 30 {
		b.edgeAt("top", false)
		if _, _, n := span(); n > most {
			t.Fatalf("%d messages on the page", n)
		}
	}
	if first, _, _ := span(); first != "0" {
		t.Fatalf("the beginning is %s", first)
	}
	b.did = b.did[:min(1, len(b.did))]
	b.wants(t, "LoadOlder{Conv:grace@example.org}")

	part := state.Part{Archive: ada, With: grace}
	b.play(state.ArchiveAsked{Part: part})
	b.edgeAt("top", false)
	b.wants(t) // one page at a time
	b.play(state.ArchivePage{Conv: grace, Older: true, Messages: []state.Message{
		{ID: "older", ArchiveID: "b0", Author: grace, Body: "older", At: noon.Add(-6000 * time.Minute)},
	}})
	if first, _, _ := span(); first != "older" {
		t.Errorf("what came is not in sight: %s", first)
	}

	b.receive(grace, "new")
	if first, _, _ := span(); first != "older" {
		t.Error("a new message moved what was being read")
	}
	for range 30 {
		b.edgeAt("bottom", false)
	}
	if _, last, _ := span(); last != "new" {
		t.Errorf("scrolled down to %s", last)
	}
	b.edgeAt("bottom", true)
	for i := range 200 {
		b.receive(grace, fmt.Sprint("n", i))
	}
	if _, last, n := span(); last != "n199" || n > most {
		t.Errorf("%d messages, the last is %s", n, last)
	}

	b.html()
	for i := range many {
		b.receive(grace, fmt.Sprint("one by one ", i))
		b.html()
	}
	if _, _, n := span(); n <= many+fresh/2 {
		t.Errorf("%d messages: they were not added one by one", n)
	}
	for i := range many + 1 {
		b.receive(grace, fmt.Sprint("at once ", i))
	}
	if _, last, n := span(); last != fmt.Sprint("at once ", many) || n != fresh {
		t.Errorf("after many at once there are %d, the last is %s", n, last)
	}
}

// restored is a start with one conversation, of which more is on the disk.
func restored(chat state.Chat, messages []state.Message) *state.State {
	return state.New().With(state.Applied{
		All: true,
		Rows: []state.Row{
			{Value: &state.Account{Self: state.Self{Me: ada + "/natter", RosterLoaded: true}}},
			{Value: &state.ChatRow{Chat: chat}},
		},
		Read: []state.HistoryRead{{Conv: chat.Conv, Messages: messages, Earlier: true}},
	})
}

// A conversation with more unread messages than are in memory opens where reading
// stopped, not where memory begins.
func TestUnread_MoreThanInMemory(t *testing.T) {
	var rows []state.Message
	for i := range 500 {
		rows = append(rows, state.Message{
			Key: state.Key{Time: noon.Add(time.Duration(i-1000) * time.Minute).UnixMicro(), Seq: int64(i)},
			ID:  fmt.Sprint("r", i), Author: grace, Body: fmt.Sprint(i), At: noon.Add(time.Duration(i-1000) * time.Minute),
		})
	}
	for name, read := range map[string]int{"some were read": 199, "none was ever read": -1} {
		t.Run(name, func(t *testing.T) {
			b := sit(t)
			chat := state.Chat{Conv: grace, Unread: 500 - 1 - read}
			var key state.Key
			if read >= 0 {
				key = rows[read].Key
			}
			chat.ReadTo = key
			b.state = restored(chat, rows[450:])
			b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
			b.sig("open", grace, "")
			if want := (state.Look{Conv: grace, Unread: true}); b.at != want {
				t.Errorf("%+v is looked at", b.at)
			}
			b.edgeAt("top", true)
			b.edgeAt("bottom", true)
			b.wants(t)
			if html := b.html(); strings.Contains(html, "data-key") || strings.Contains(html, "unread-mark") || !strings.Contains(html, "bones") {
				t.Error("something is shown that is not the place")
			}
			b.play(state.HistoryRead{Conv: grace, Messages: rows[250:450], Earlier: true, To: rows[450].Key})
			if !b.seek.on {
				t.Error("found too early")
			}
			b.play(state.HistoryRead{Conv: grace, Messages: rows[:250], To: rows[250].Key})
			if b.seek.on || b.window.unread != rows[read+1].Key || b.settling.Scroll != "new" {
				t.Errorf("the divider is at %+v, scrolled to %q", b.window.unread, b.settling.Scroll)
			}
			if html := b.html(); strings.Count(html, "unread-mark") != 1 {
				t.Error("it is not on the page")
			}
			b.wants(t) // it is not read before it was seen
		})
	}
	t.Run("the disk fails", func(t *testing.T) {
		b := sit(t)
		b.state = restored(state.Chat{Conv: grace, Unread: 300, ReadTo: rows[199].Key}, rows[450:])
		b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
		b.sig("open", grace, "")
		b.play(state.StorageChanged{Problem: &state.Problem{Text: "The disk is broken."}})
		if html := b.html(); b.seek.on || !strings.Contains(html, "data-key") {
			t.Error("what is in memory is not shown")
		}
	})
}

func TestSearch(t *testing.T) {
	said := func(i int, peer jid.JID, body string) state.Hit {
		at := noon.Add(time.Duration(i) * time.Minute)
		return state.Hit{Conv: state.Direct.With(peer), Message: state.Message{Key: state.Key{Time: at.UnixMicro(), Seq: int64(i)}, ID: fmt.Sprint("s", i), Author: peer, Body: body, At: at}}
	}
	looking := func(t *testing.T) *bench {
		b := sit(t)
		b.did = nil
		b.sig("filter", "", "moth")
		b.late[searchPause][0]()
		b.wants(t, "Search moth 30")
		return b
	}
	t.Run("once, when the typing stops", func(t *testing.T) {
		b := sit(t)
		for _, text := range []string{"m", "mo", "mot", "moth"} {
			b.sig("filter", "", text)
		}
		b.wants(t)
		for _, late := range b.late[searchPause] {
			late()
		}
		b.wants(t, "Search moth 30")
		b.sig("filter", "", "")
		b.wants(t, "stop")
		b.tell(state.Found{Hits: []state.Hit{said(1, grace, "a moth")}, Done: true})
		if html := b.html(); strings.Contains(html, "moth") {
			t.Error("a late answer is shown")
		}
	})
	t.Run("one letter is no word, one sign may be", func(t *testing.T) {
		for text, want := range map[string]bool{"a": false, " b ": false, "ab": true, "猫": true, "": false} {
			if worthASearch(text) != want {
				t.Errorf("%q: %t", text, !want)
			}
		}
	})
	t.Run("what is shown", func(t *testing.T) {
		b := looking(t)
		if html := b.html(); !strings.Contains(html, "Searching…") {
			t.Error("nothing says that it goes on")
		}
		ours := said(2, grace, "Not a <b>moth</b>")
		ours.Message.Mine = true
		b.tell(state.Found{Hits: []state.Hit{ours, said(1, alan, strings.Repeat("before ", 30)+"Moth"+strings.Repeat(" after", 60))}, More: true, Done: true})
		html := b.html()
		for _, want := range []string{
			"The newest 2 messages", "Show more", "You: ", "<mark>moth</mark>", "&lt;b&gt;", "<mark>Moth</mark>", "before before before before", "Alan", "Grace",
		} {
			if !strings.Contains(html, want) {
				t.Errorf("%q is missing: %s", want, html)
			}
		}
		b.sig("more-hits", "", "")
		b.wants(t, "stop", "Search moth 60")
		b.tell(state.Found{Done: true})
		if html := b.html(); !strings.Contains(html, "no message on this device has these words") {
			t.Error("nobody says that there is nothing")
		}
		b.tell(state.Found{Done: true, Failed: true})
		if html := b.html(); !strings.Contains(html, "could not be searched") {
			t.Error("nobody says that it failed")
		}
	})
	t.Run("a hit opens where it was said", func(t *testing.T) {
		b := looking(t)
		b.receive(grace, "the last")
		hit := said(-5000, grace, "a moth")
		var older []state.Message
		for i := range 400 {
			older = append(older, said(-5200+i, grace, fmt.Sprint("older ", i)).Message)
		}
		older[200] = hit.Message
		b.state = restored(state.Chat{Conv: grace}, []state.Message{*b.s.Chat(grace).Timeline.Last()})
		b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
		b.tell(state.Found{Hits: []state.Hit{hit}, Done: true})
		b.happened(Signal{Do: "hit", Conv: grace, Text: keyText(hit.Message.Key), Number: 1})
		if want := (state.Look{Conv: grace, At: hit.Message.Key}); b.at != want {
			t.Errorf("%+v is looked at", b.at)
		}
		b.play(state.HistoryRead{Conv: grace, Messages: older[200:201], Alone: true})
		if !b.seek.on {
			t.Error("it is shown without what is around it")
		}
		b.play(state.HistoryRead{Conv: grace, Messages: older[150:300], Earlier: true, To: older[299].Key})
		rows, end := b.window.rows(b.s.Chat(grace))
		if b.seek.on || rows[above].Key != hit.Message.Key || end || b.settling.Scroll != "found" || b.settling.Focus != "found" {
			t.Fatalf("begins with %s, settling %+v", rows[0].Body, b.settling)
		}
		if html := b.html(); strings.Count(html, `id="found"`) != 1 || !strings.Contains(html, "aria-current") {
			t.Error("it is not marked")
		}
		for range 10 {
			b.edgeAt("bottom", false)
		}
		if rows, end := b.window.rows(b.s.Chat(grace)); end || rows[len(rows)-1].Body != "older 299" {
			t.Errorf("%s is shown beyond a hole", rows[len(rows)-1].Body)
		}
		b.play(state.HistoryRead{Conv: grace, Messages: older[300:], From: older[299].Key})
		for range 10 {
			b.edgeAt("bottom", false)
		}
		if rows, end := b.window.rows(b.s.Chat(grace)); !end || rows[len(rows)-1].Body != "the last" {
			t.Error("down from there is not the end")
		}
		b.settling = Settling{}
		b.happened(Signal{Do: "key", Text: "escape"})
		if b.settling.Focus != "hit:1" || b.filter == "" || b.open == "" {
			t.Errorf("Esc does not lead to the results: %+v", b.settling)
		}
		b.happened(Signal{Do: "key", Text: "escape", Also: "list"})
		if b.filter != "" || !b.settling.Unfilter || b.settling.Focus != "filter" {
			t.Errorf("Esc does not end the search: %+v", b.settling)
		}
		b.happened(Signal{Do: "key", Text: "escape", Also: "list"})
		if b.went != 1 {
			t.Error("Esc does not step back from the conversation")
		}
	})
	t.Run("a message that is gone", func(t *testing.T) {
		b := looking(t)
		b.receive(grace, "the last")
		b.sig("hit", grace, keyText(state.Key{Time: 7, Seq: 7}))
		if b.seek.on || b.settling.Scroll != "end" {
			t.Errorf("settling %+v", b.settling)
		}
		b.sig("hit", grace, "no key")
	})
	t.Run("signing out ends it", func(t *testing.T) {
		b := looking(t)
		b.play(state.Cleared{}, state.ConnectionChanged{Connection: state.Connection{Phase: state.SignedOut}})
		b.wants(t, "stop")
		b.tell(state.Found{Hits: []state.Hit{said(1, grace, "secret")}, Done: true})
		if len(b.search.found.Hits) > 0 {
			t.Error("something of the account is left")
		}
	})
}

func TestSnippet(t *testing.T) {
	for _, tc := range []struct{ body, typed, want string }{
		{"short", "o", "sh[o]rt"},
		{"two\nlines  of\ttext", "lines", "two [lines] of text"},
		{strings.Repeat("é", 100) + "x", "x", "…" + strings.Repeat("é", 16) + "[x]"},
		{strings.Repeat("é", 200), "no", strings.Repeat("é", 90) + "…"},
		{"a b a", "a b", "[a] [b] [a]"},
		{strings.Repeat("a", 200_000), "aa", "[" + strings.Repeat("a", 180) + "]…"},
	} {
		got := ""
		for _, p := range snippet(legible.Line(tc.body), state.Words(tc.typed)) {
			if p.found {
				p.text = "[" + p.text + "]"
			}
			got += p.text
		}
		if got != tc.want {
			t.Errorf("%q in %q: %q, want %q", tc.typed, tc.body, got, tc.want)
		}
	}
}

func TestGroups(t *testing.T) {
	at := func(minutes int, mine bool) *state.Message {
		m := &state.Message{Author: grace, Mine: mine, At: noon.Add(time.Duration(minutes) * time.Minute)}
		if mine {
			m.Author = ada
		}
		return m
	}
	for _, tc := range []struct {
		a, b *state.Message
		want bool
	}{
		{at(0, false), at(4, false), true},
		{at(0, false), at(5, false), false},
		{at(0, false), at(1, true), false},
		{at(11*60+58, false), at(12*60+1, false), false}, // midnight
	} {
		if sit(t).together(tc.a, tc.b) != tc.want {
			t.Errorf("%v and %v: together is %t", tc.a.At, tc.b.At, !tc.want)
		}
	}
}

func TestWhen(t *testing.T) {
	b := sit(t)
	for _, tc := range []struct {
		days     int
		ago, day string
	}{
		{0, "12:00", "Today"}, {1, "Yesterday", "Yesterday"}, {3, "Fri", "Friday"},
		{30, "31 Jan", "Saturday, 31 January"}, {300, "6 May 2025", "6 May 2025"},
	} {
		when := noon.AddDate(0, 0, -tc.days)
		if got := b.ago(when); got != tc.ago {
			t.Errorf("%d days ago: %q, not %q", tc.days, got, tc.ago)
		}
		if got := b.day(when); got != tc.day {
			t.Errorf("the day %d days ago: %q, not %q", tc.days, got, tc.day)
		}
	}
}

// Of a message that is longer than a screen the rest is not on the page, nor told to
// screen readers, until it is asked for.
func TestFold_ShowMore(t *testing.T) {
	b := sit(t)
	b.sig("open", grace, "")
	b.receive(grace, "short")
	if strings.Contains(b.html(), "Show more") {
		t.Error("a short message is folded")
	}
	b.receive(grace, "the begin "+strings.Repeat("words ", 3000)+"the middle "+strings.Repeat("words ", 3000)+"the end")
	shows := func() string {
		html := b.html()
		got := ""
		for _, part := range []string{"the begin ", "the middle ", "the end", "Show more"} {
			if strings.Contains(html, part) {
				got += part
			}
		}
		return got
	}
	if got := shows(); got != "the begin Show more" {
		t.Errorf("shown is %q", got)
	}
	if len(b.news) > 600 || !strings.HasPrefix(b.news, "Grace: the begin ") {
		t.Errorf("screen readers hear %d bytes: %.40q", len(b.news), b.news)
	}
	key := keyText(b.state.Chat(grace).Timeline.Last().Key)
	b.sig("unfold", "", key)
	if got := shows(); got != "the begin the middle Show more" || b.settling.Scroll != "put" {
		t.Errorf("shown is %q, and the page goes to %q", got, b.settling.Scroll)
	}
	b.sig("unfold", "", key)
	if got := shows(); got != "the begin the middle the end" {
		t.Errorf("shown is %q", got)
	}
	b.sig("unfold", "", "rubbish")
	b.sig("open", alan, "")
	b.sig("open", grace, "")
	if got := shows(); got != "the begin Show more" {
		t.Errorf("later shown is %q", got)
	}

	t.Run("what was looked for is shown", func(t *testing.T) {
		b.sig("filter", "", "middle")
		b.look(30)
		m := b.state.Chat(grace).Timeline.Last()
		b.tell(state.Found{Hits: []state.Hit{{Conv: grace, Message: *m}}, Done: true})
		b.sig("hit", grace, key)
		if got := shows(); got != "the begin the middle Show more" {
			t.Errorf("shown is %q", got)
		}
	})
}

func TestMarks(t *testing.T) {
	b := sit(t)
	seen := state.Key{Time: noon.UnixMicro()}
	for _, tc := range []struct {
		at           state.Delivery
		seen, online bool
		want         string
	}{
		{state.Queued, false, false, "Waiting to be sent"}, {state.Queued, true, false, "Waiting to be sent"},
		{state.Queued, false, true, "Sending"}, {state.OnServer, false, true, "Sent"}, {state.Delivered, false, true, "Delivered"},
		{state.OnServer, true, true, "Read"}, {state.Delivered, true, true, "Read"},
		{state.Failed, false, true, "Not delivered"}, {state.Failed, true, true, "Not delivered"},
	} {
		at, want := tc.at, tc.want
		chat, row := &state.Chat{}, &state.Message{Key: seen, Author: ada, Mine: true, Body: "x", At: noon, Delivery: at}
		if tc.seen {
			chat.SeenTo = seen
		}
		m := &message{Desk: b.desk, Name: "Grace", Tail: true, Message: row, Mark: progress(chat, row, tc.online)}
		html := app.HTMLString(m.Render())
		if !strings.Contains(html, `aria-label="`+want+`"`) {
			t.Errorf("%v has no words: %s", at, html)
		}
		for _, button := range []string{"retry-message", "delete-message"} {
			if strings.Contains(html, button) != (at == state.Failed) {
				t.Errorf("%v: %s", at, button)
			}
		}
	}
}

// An unreadable message has a notice that looks unlike written text; a subject is shown.
func TestUnreadable(t *testing.T) {
	b := sit(t)
	for _, tc := range []struct {
		m         state.Message
		has, lack string
		line      string
	}{
		{state.Message{Body: "This was a call.", Notice: true}, `class="msg tail notice"`, "subject", "This was a call."},
		{state.Message{Body: "This was another call.", Notice: true}, "Note by Natter: ", "subject", "This was another call."},
		{state.Message{Body: "This was a call."}, `class="msg tail"`, "Note by", "This was a call."},
		{state.Message{Subject: "Lunch?"}, `class="text subject"`, `class="text">`, "Lunch?"},
		{state.Message{Subject: "Lunch", Body: "At noon"}, `class="text">`, "notice", "Lunch At noon"},
	} {
		tc.m.ID, tc.m.Author, tc.m.At = tc.line+tc.has, grace, noon
		html := app.HTMLString((&message{Desk: b.desk, Name: "Grace", Tail: true, Message: &tc.m}).Render())
		if !strings.Contains(html, tc.has) || strings.Contains(html, tc.lack) {
			t.Errorf("%+v is %s", tc.m, html)
		}
		b.play(state.MessageAdded{Conv: grace, Message: tc.m})
		if list := app.HTMLString((&list{Desk: b.desk}).row(item{conv: grace}, 0, 1).(*row).Render()); !strings.Contains(list, ">"+tc.line+"<") {
			t.Errorf("in the list %q is %s", tc.line, list)
		}
	}
}

// TestSec42_NoInlineStyle: the page's policy refuses style attributes and
// innerHTML; with Trusted Types the latter ends the program.
func TestSec42_NoInlineStyle(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{".Style(", ".Styles(", "app.Raw(", `Attr("style"`, ".OnClick(", ".OnInput("} {
			if strings.Contains(string(source), forbidden) {
				t.Errorf("%s uses %s", name, forbidden)
			}
		}
	}
}

// Text that is written while another conversation opens stays with the one it was written in.
func TestWordsStayWithTheirPeer(t *testing.T) {
	d := &desk{open: "grace@localhost"}
	for conv, want := range map[state.ConvID]bool{"": false, "grace@localhost": false, "echo@localhost": true} {
		if got := d.elsewhere(conv); got != want {
			t.Errorf("elsewhere(%q) = %v", conv, got)
		}
	}
}

// Without a connection nothing is known of anybody, in the details as everywhere.
func TestDetailsOffline(t *testing.T) {
	b := sit(t)
	now := func() string { return app.HTMLString((&details{Desk: b.desk, Peer: grace}).Render()) }
	b.play(state.PresenceChanged{From: grace + "/x", Presence: state.Presence{Show: state.Available}})
	if html := now(); !strings.Contains(html, ">Online<") || strings.Contains(html, "offline") {
		t.Errorf("online: %s", html)
	}
	b.play(state.ConnectionChanged{Connection: state.Connection{Phase: state.Waiting}})
	if html := now(); !strings.Contains(html, "You are offline") || strings.Contains(html, ">Online<") {
		t.Errorf("offline: %s", html)
	}
}

// Names and statuses are cleaned before they are compared with "": in place of an invisible name
// the address is shown, in place of an invisible status nothing.
func TestNames_NothingToSee(t *testing.T) {
	for _, name := range []string{" ", "\u00a0\t", "\u200b", "\u3164", "\u2800", "\u00ad", "\u180e", "\U000e0041\U000e007f", "\ufe0f", "\u0301"} {
		b := sit(t)
		b.play(
			state.ContactChanged{Item: state.RosterItem{JID: grace, Name: name, Subscription: state.SubscriptionBoth}},
			state.PresenceChanged{From: grace + "/x", Presence: state.Presence{Show: state.Available, Status: name}},
			state.SubscriptionAsked{From: "stranger@evil.example", Text: name})
		b.receive(grace, name)
		if got := b.items("")[0].name; got != string(grace) {
			t.Errorf("%q is listed as %q", name, got)
		}
		if line := oneLine(name); line != "" {
			t.Errorf("%q is a line: %q", name, line)
		}
		b.sig("open", grace, "")
		b.sig("details", "", "")
		html := b.html()
		for _, want := range []string{`>Empty message<`, `aria-label="Conversation with grace@example.org"`, ">Online<"} {
			if !strings.Contains(html, want) {
				t.Errorf("with %q there is no %s", name, want)
			}
		}
		if strings.Contains(html, "request-quote") {
			t.Errorf("%q is quoted", name)
		}
		b.play(state.DraftChanged{Conv: alan, Text: name}, state.ContactChanged{Item: state.RosterItem{JID: alan, Name: "Alan " + name}})
		if html := b.html(); strings.Contains(html, "Draft:") || !strings.Contains(html, ">Alan<") {
			t.Errorf("the list with a draft of %q: %s", name, html)
		}
	}
	b := sit(t)
	b.play(state.DraftChanged{Conv: alan, Text: "\u200bDear"}, state.PresenceChanged{From: grace + "/x", Presence: state.Presence{Show: state.Available, Status: "\u200breading"}})
	b.sig("open", grace, "")
	if html := b.html(); !strings.Contains(html, ">Dear<") || !strings.Contains(html, "Online · reading") {
		t.Error("what can be seen is gone")
	}
}
