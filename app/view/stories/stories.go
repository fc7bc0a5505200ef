// Package stories builds the states that the view has to look right in, for tests
// that open each of them in a browser. The same seed gives the same conversation.
package stories

import (
	"fmt"
	"strings"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/view"
)

// Story is one screen.
type Story struct {
	Name string
	// Make returns the state at a moment.
	Make func(now time.Time) *state.State
	// Do is what the person does once it is on screen.
	Do []view.Signal
}

const (
	me    = "ada@example.org"
	grace = "grace@example.org"
	emmy  = "emmy.noether@goettingen.example"
	alan  = "alan@bletchley.example"
	rtl   = "khwarizmi@baghdad.example"
	long  = "a.person.whose.address.does.not.end.before.the.line.does@a-rather-long-subdomain.of-a-rather-long-domain.example"
)

func open(conv state.ConvID) view.Signal { return view.Signal{Do: "open", Conv: conv} }

// All are the stories, in the order of the gallery.
var All = []Story{
	{"conversation", typical, []view.Signal{open(grace)}},
	{"list", typical, nil},
	{"details", typical, []view.Signal{open(grace), {Do: "details"}}},
	{"new-chat", typical, []view.Signal{{Do: "new"}, {Do: "start", Text: "grace"}}},
	{"switcher", typical, []view.Signal{{Do: "key", Text: "switch"}, {Do: "switch-text", Text: "e"}}},
	{"search", typical, []view.Signal{{Do: "filter", Text: "ma"}}},
	{"search-many", history, []view.Signal{{Do: "filter", Text: "message 88"}}},
	{"search-none", typical, []view.Signal{{Do: "filter", Text: "zeppelin"}}},
	{"keys", typical, []view.Signal{{Do: "key", Text: "keys"}}},
	{"remove", typical, []view.Signal{open(grace), {Do: "removing", JID: grace}}},
	{"drafts", drafts, []view.Signal{open(grace)}},
	{"unread", unread, []view.Signal{open(grace)}},
	{"offline", offline, []view.Signal{open(grace)}},
	{"stopped", stopped, []view.Signal{open(grace)}},
	{"password", password, []view.Signal{open(grace)}},
	{"password-asked", password, []view.Signal{open(grace), {Do: "password"}, {Do: "give-password"}}},
	{"somebody-else", somebodyElse, []view.Signal{open(grace)}},
	{"somebody-else-asked", somebodyElse, []view.Signal{open(grace), {Do: "somebody-else"}}},
	{"failed", failed, []view.Signal{open(grace)}},
	{"requests", requests, nil},
	{"requests-page", requests, []view.Signal{{Do: "requests"}}},
	{"requests-many", manyRequests, []view.Signal{{Do: "requests"}}},
	{"requests-decline", manyRequests, []view.Signal{{Do: "declining"}}},
	{"pending", pending, []view.Signal{open("hedy@example.org"), {Do: "details"}}},
	{"pending-list", pending, nil},
	{"pending-leaving", pending, []view.Signal{{Do: "leaving"}}},
	{"refused", refused, []view.Signal{open(grace)}},
	{"loading", loading, nil},
	{"empty", empty, nil},
	{"empty-chat", typical, []view.Signal{open("hedy@example.org")}},
	{"older-failed", olderFailed, []view.Signal{open(grace)}},
	{"gap", hole, []view.Signal{open(grace)}},
	{"gap-loading", gapLoading, []view.Signal{open(grace)}},
	{"gap-failed", gapFailed, []view.Signal{open(grace)}},
	{"gap-offline", gapOffline, []view.Signal{open(grace)}},
	{"long-names", longNames, []view.Signal{open(long)}},
	{"rtl", rightToLeft, []view.Signal{open(rtl)}},
	{"thousand", thousand, []view.Signal{open("person0007@example.org")}},
	{"history", history, []view.Signal{open(grace)}},
	{"links", links, []view.Signal{open(emmy)}},
	{"emoji", typical, []view.Signal{open(grace), {Do: "emoji"}}},
	{"emoji-search", typical, []view.Signal{open(grace), {Do: "emoji"}, {Do: "emoji-text", Text: "heart"}}},
	{"emoji-complete", typical, []view.Signal{open(grace), {Do: "complete", Text: ":hea"}}},
	{"unknown-command", typical, []view.Signal{open(grace), {Do: "send", Conv: grace, Text: "/kick grace"}}},
	{"styled", styled, []view.Signal{open(grace)}},
	{"folded", folded, []view.Signal{open(grace)}},
	{"unreadable", unreadable, []view.Signal{open(emmy)}},
	{"living", living, []view.Signal{open(grace)}},
	{"room", room, []view.Signal{open(lounge + "/")}},
	{"room-list", room, nil},
	{"room-mentions", counted, []view.Signal{open("room0@rooms.example.org/"), {Do: "details"}}},
	{"room-private", aside, []view.Signal{open(lounge + "/Grace"), {Do: "details"}}},
	{"room-private-parted", parted, []view.Signal{open(lounge + "/Grace")}},
	{"room-complete", room, []view.Signal{open(lounge + "/"), {Do: "complete", Text: "@"}}},
	{"room-commands", moderated, []view.Signal{open(lounge + "/"), {Do: "complete", Text: "/"}}},
	{"room-typing", written, []view.Signal{open(lounge + "/")}},
	{"room-details", room, []view.Signal{open(lounge + "/"), {Do: "details"}}},
	{"room-subject", moderated, []view.Signal{open(lounge + "/"), {Do: "details"}, {Do: "subject", JID: lounge}}},
	{"room-nick", moderated, []view.Signal{open(lounge + "/"), {Do: "nick", JID: lounge}, {Do: "set-nick", JID: lounge}}},
	{"room-invite", moderated, []view.Signal{open(lounge + "/"), {Do: "invite", JID: lounge}, {Do: "guest", JID: emmy}}},
	{"room-readers", readers, []view.Signal{open(lounge + "/")}},
	{"room-register", registered, []view.Signal{open(lounge + "/"), {Do: "details"}, {Do: "register", JID: lounge}, {Do: "set-register", JID: lounge}}},
	{"room-people", peopled(nil), []view.Signal{open(lounge + "/"), {Do: "people", JID: lounge}, {Do: "read-people", Text: "3"}, {Do: "add-person", JID: lounge}}},
	{"room-people-refused", peopled(&state.Problem{Text: "The room does not tell who they are.", Advice: "You may not do that in this room."}), []view.Signal{open(lounge + "/"), {Do: "people", JID: lounge}, {Do: "read-people", Text: "3"}}},
	{"group", browsing, []view.Signal{{Do: "group"}, {Do: "name-group"}}},
	{"group-people", browsing, []view.Signal{{Do: "group"}, {Do: "name-group", Text: "Thursday tea"}, {Do: "guest", JID: emmy}, {Do: "guest", JID: grace}, {Do: "make-group"}}},
	{"group-offline", groupOffline, []view.Signal{{Do: "group"}, {Do: "name-group", Text: "Thursday tea"}, {Do: "guest", JID: grace}, {Do: "make-group"}}},
	{"new-chat", typical, []view.Signal{{Do: "new"}}},
	{"room-member", moderated, []view.Signal{open(lounge + "/"), {Do: "details"}, {Do: "member-menu", Text: "Emmy"}}},
	{"room-member-rtl", moderated, []view.Signal{open(lounge + "/"), {Do: "details"}, {Do: "member-menu", Text: "محمد"}}},
	{"room-ban", moderated, []view.Signal{open(lounge + "/"), {Do: "details"}, {Do: "deed", JID: lounge + "/Emmy", Text: "ban"}}},
	{"room-settings", configuring, []view.Signal{open(lounge + "/"), {Do: "configure", JID: lounge}, {Do: "set-configuration", JID: lounge, Text: "[]"}}},
	{"room-destroy", moderated, []view.Signal{open(lounge + "/"), {Do: "destroy", JID: lounge}}},
	{"room-refused", unheeded, []view.Signal{open(lounge + "/")}},
	{"room-closed", roomClosed(state.Problem{Kind: "kicked", Text: "You were removed from this room.", Advice: "You can join it again.", Detail: "Off topic"}, ""), []view.Signal{open(lounge + "/")}},
	{"room-moved", roomClosed(state.Problem{Kind: "gone", Text: "This room has moved.", Advice: "Join it at its new address."}, "salon@rooms.example.org"), []view.Signal{open(lounge + "/")}},
	{"room-join", joining(nil), []view.Signal{{Do: "join-room"}, {Do: "join", Text: lounge}}},
	{"room-invited", invited, nil},
	{"room-invitations", invited, []view.Signal{{Do: "invitations"}}},
	{"room-browse", browsing, []view.Signal{{Do: "join-room"}}},
	{"room-join-nick", joining(&state.Problem{Kind: "nick-taken", Text: "Somebody in this room has this nickname.", Advice: "Join under another one.", Field: "nick"}), []view.Signal{{Do: "answer-room", JID: lounge}}},
	{"room-join-password", joining(&state.Problem{Kind: "password", Text: "This room asks for a password.", Advice: "Ask somebody who is in it.", Field: "password"}), []view.Signal{{Do: "answer-room", JID: lounge}}},
	{"room-join-members", joining(&state.Problem{Kind: state.MembersOnly, Text: "Only members may enter this room.", Advice: "Ask one of its admins to make you a member."}), []view.Signal{{Do: "answer-room", JID: lounge}}},
	{"room-appeals", appealed, []view.Signal{open(lounge + "/")}},
	{"room-listening", listening, []view.Signal{open(lounge + "/")}},
	{"room-join-none", joining(&state.Problem{Kind: "no-room", Text: "There is no room at this address.", Advice: "Check the address, or create the room."}), []view.Signal{{Do: "answer-room", JID: lounge}}},
}

// Find returns the story with this name.
func Find(name string) (Story, bool) {
	for _, s := range All {
		if s.Name == name {
			return s, true
		}
	}
	return Story{}, false
}

// play is the state after events.
func play(s *state.State, events ...state.Event) *state.State {
	for _, ev := range events {
		s = s.With(ev)
	}
	return s
}

func online() *state.State {
	return play(connected(), state.ArchiveRead{Part: archive, Page: state.Reading{Start: true, End: true}}, state.CaughtUp{})
}

// connected is online with an archive of which nothing is known.
func connected() *state.State {
	return play(state.New(),
		state.SessionStarted{Me: me + "/natter"},
		state.ConnectionChanged{Connection: state.Connection{Phase: state.Online, Endpoint: "wss://example.org/ws"}})
}

// archive is all of the account's.
var archive = state.Part{Archive: me}

// pages says that the archive is here between two times.
func pages(from, to time.Time, start bool) state.Event {
	first, last := from.Format(time.RFC3339), to.Format(time.RFC3339)
	return state.ArchiveRead{Part: archive, Page: state.Reading{
		From: state.Edge{ID: first, At: from}, To: state.Edge{ID: last, At: to}, IDs: []string{first, last}, Start: start, End: true,
	}}
}

// told is what Grace, or her server, says about a message of ours.
func told(kind state.FactKind, id, text string) state.Event {
	return state.Filed{Target: state.Target{Conv: grace, Author: me, ID: id}, Fact: state.Fact{Kind: kind, By: grace, Text: text}}
}

func both(j jid.JID, name string) state.RosterItem {
	return state.RosterItem{JID: j, Name: name, Subscription: state.SubscriptionBoth}
}

func says(j jid.JID, show state.Show, status string) state.Event {
	return state.PresenceChanged{From: j + "/x", Presence: state.Presence{Show: show, Status: status}}
}

// said is one line of a script: who, how long ago, what.
type said struct {
	mine bool
	ago  time.Duration
	body string
}

// talk is a page of the archive: everything in it has been read.
func talk(now time.Time, peer jid.JID, lines ...said) state.Event {
	page := state.ArchivePage{Conv: state.Direct.With(peer)}
	for i, l := range lines {
		m := state.Message{
			ID: fmt.Sprintf("%s-%d-%d", peer.Local(), i, len(l.body)), ArchiveID: fmt.Sprintf("%s-a%d-%d", peer.Local(), i, len(l.body)),
			Author: peer, Body: l.body, At: now.Add(-l.ago),
		}
		if l.mine {
			m.Author, m.Mine, m.Delivery = me, true, state.Delivered
		}
		page.Messages = append(page.Messages, m)
	}
	return page
}

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

func typical(now time.Time) *state.State {
	s := play(online(),
		state.RosterLoaded{Items: []state.RosterItem{
			both(grace, "Grace Hopper"), both(emmy, "Emmy Noether"), both(alan, "Alan Turing"),
			both("katherine@example.org", "Katherine Johnson"), both("margaret@example.org", "Margaret Hamilton"),
			both("hedy@example.org", "Hedy Lamarr"), both("mary@example.org", "Mary Somerville"),
			{JID: "barbara@example.org", Name: "Barbara Liskov", Subscription: state.SubscriptionNone, Asked: true},
			both(rtl, "محمد بن موسى"), both("sofia@example.org", "Sofia Kovalevskaya"),
		}},
		says(grace, state.Available, "Reading the Mark I manual"), says(emmy, state.Away, ""),
		says(alan, state.DND, "Running"), says("margaret@example.org", state.Available, ""),
		talk(now, "mary@example.org", said{false, 40 * day, "The connexion of the physical sciences, chapter two, is on its way."}),
		talk(now, rtl, said{false, 5 * day, "الجبر هو جمع الأجزاء المكسورة"}),
		talk(now, "sofia@example.org", said{true, 3 * day, "See you at the seminar then"}),
		talk(now, "katherine@example.org", said{false, 26 * hour, "I checked the numbers by hand. They hold."}),
		talk(now, alan, said{true, 5 * hour, "Can a machine hold a conversation, or does it only look like it?"}, said{false, 4*hour + 50*minute, "Ask it something it has not been asked before 🙂"}),
		talk(now, emmy, said{false, 2 * hour, "Every symmetry you find hides something that is conserved."}),
		talk(now, grace,
			said{false, 26 * hour, "Morning, Ada. Did the proofs of the notes come back?"},
			said{true, 26*hour - 2*minute, "They did, with more ink on them than paper."},
			said{true, 26*hour - 3*minute, "Note G is twice as long now. I added a table that shows every operation, step by step, so that anyone can follow the whole computation."},
			said{false, 25 * hour, "That is the part people will still read in a hundred years."},
			said{false, 52 * minute, "I found out why the relay stuck this morning"},
			said{false, 51 * minute, "There was a moth in panel F. A real one."},
			said{false, 51*minute - 5*time.Second, "🦋"},
			said{true, 47 * minute, "So it was a bug after all"},
			said{true, 47*minute - 20*time.Second, "Please tell me you kept it"},
			said{false, 44 * minute, "Taped it into the log book, with the time: https://example.org/log/1947-09-09"},
			said{false, 43 * minute, "I will bring it on Thursday. Shall we meet at the usual place, around four?"},
			said{true, 3 * minute, "Four is fine. I will bring the table, you bring the moth."},
		),
		state.TypingChanged{Conv: emmy, Typing: true},
		told(state.ReadMark, "grace-8-26", ""), // up to "Please tell me you kept it"
	)
	return play(s,
		state.MessageAdded{Conv: "margaret@example.org", Resource: "x", Message: state.Message{ID: "m1", Author: "margaret@example.org", Body: "The rope memory arrived!", At: now.Add(-12 * minute)}},
		state.MessageAdded{Conv: "margaret@example.org", Resource: "x", Message: state.Message{ID: "m2", Author: "margaret@example.org", Body: "Woven by hand, every single bit of it. Come and see", At: now.Add(-11 * minute)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "g-last", Author: me, Mine: true, Delivery: state.OnServer, Body: "And cake.", At: now.Add(-2 * minute)}},
		state.TypingChanged{Conv: grace, Typing: true},
	)
}

func unread(now time.Time) *state.State {
	s := typical(now)
	for i := range 9 {
		s = s.With(state.MessageAdded{Conv: grace, Resource: "x", Message: state.Message{
			ID: fmt.Sprint("u", i), Author: grace, At: now.Add(time.Duration(i-70) * time.Second),
			Body: []string{"One more thing", "I looked at the second panel too, while I was at it, and it seems that the contacts there have been worn down unevenly for months", "We should plan an hour for that"}[i%3],
		}})
	}
	return s
}

func drafts(now time.Time) *state.State {
	return play(typical(now),
		state.DraftChanged{Conv: grace, Text: "About Thursday: I could also come to you,\nif that is"},
		state.DraftChanged{Conv: alan, Text: "What would count as an answer nobody has"},
		state.DraftChanged{Conv: "hedy@example.org", Text: "Dear Hedy,"})
}

func offline(now time.Time) *state.State {
	return play(typical(now),
		state.ConnectionChanged{Connection: state.Connection{
			Phase: state.Waiting, RetryAt: now.Add(12500 * time.Millisecond),
			Problem: &state.Problem{Kind: "lost", Text: "The connection to example.org was lost.", Advice: "Natter tries again by itself."},
		}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "q1", Author: me, Mine: true, Delivery: state.Queued, Body: "I am on the train, this will arrive later", At: now}},
	)
}

func stopped(now time.Time) *state.State {
	return play(typical(now), state.ConnectionChanged{Connection: state.Connection{
		Phase:   state.Stopped,
		Problem: &state.Problem{Kind: "conflict", Text: "Another session of yours took over.", Advice: "Reconnect to go on here.", Detail: "stream error: conflict"},
	}})
}

// password is needed: it was changed elsewhere.
func password(now time.Time) *state.State {
	return play(drafts(now), state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped,
		Problem: &state.Problem{
			Kind: "password-changed", Field: "password",
			Text: "The password of this account has been changed, or this is not its server.", Advice: "Type the new password to sign in again.",
		},
	}})
}

// somebodyElse is ada, whom the server takes for another account.
func somebodyElse(now time.Time) *state.State {
	return play(typical(now), state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Stopped,
		Problem: &state.Problem{
			Kind: "another-account", Account: "augusta@example.org",
			Text:   "The server knows you as augusta@example.org, not as ada@example.org.",
			Advice: "Nothing was sent or changed. Go on as that account only if it is yours.",
		},
	}})
}

func failed(now time.Time) *state.State {
	return play(typical(now),
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "f1", Author: me, Mine: true, Delivery: state.Queued, Body: "Bring an umbrella too", At: now.Add(-minute)}},
		told(state.Bounced, "f1", "The server of example.org could not be reached."),
	)
}

func requests(now time.Time) *state.State {
	return play(typical(now),
		state.SubscriptionAsked{From: "charles@engine.example", Text: "We met at the salon on Saturday."},
		state.SubscriptionAsked{From: long},
	)
}

// manyRequests is what a flood leaves: more than are kept.
func manyRequests(now time.Time) *state.State {
	s := requests(now)
	for i := range 2 * state.MostRequests {
		s = s.With(state.SubscriptionAsked{From: jid.JID(fmt.Sprintf("nobody%04d@flood.example", i)), Text: "Let me in"})
	}
	return s
}

// pending is what was done to contacts without a connection.
func pending(now time.Time) *state.State {
	return play(requests(now),
		state.ConnectionChanged{Connection: state.Connection{
			Phase: state.Waiting, RetryAt: now.Add(12500 * time.Millisecond),
			Problem: &state.Problem{Kind: "lost", Text: "The connection to example.org was lost.", Advice: "Natter tries again by itself."},
		}},
		state.ContactPending{JID: "charles@engine.example", Pending: state.Pending{Answer: state.Accept, Ask: true}},
		state.ContactPending{JID: grace, Pending: state.Pending{Edit: state.Rename, Name: "Amazing Grace"}},
		state.ContactPending{JID: "hedy@example.org", Pending: state.Pending{Edit: state.Rename, Name: "Hedwig Kiesler"}},
		state.ContactPending{JID: "barbara@example.org", Pending: state.Pending{Edit: state.Remove}},
		state.ContactPending{JID: "annie@example.org", Pending: state.Pending{Edit: state.Add, Name: "Annie Easley", Ask: true}})
}

// refused is what the server did not take of it.
func refused(now time.Time) *state.State {
	return play(typical(now),
		state.ContactRefused{JID: "annie@example.org", Of: state.Pending{Edit: state.Add}, Why: "could not be added to your contacts. Your contact list is full, or the server is busy."})
}

func loading(time.Time) *state.State {
	return play(state.New(),
		state.SessionStarted{Me: me + "/natter"},
		state.ConnectionChanged{Connection: state.Connection{Phase: state.Online}})
}

func empty(time.Time) *state.State { return online().With(state.RosterLoaded{}) }

func olderFailed(now time.Time) *state.State {
	return play(connected(), state.RosterLoaded{Items: []state.RosterItem{both(grace, "Grace Hopper")}},
		talk(now, grace, said{false, hour, "Hello again"}, said{true, hour - minute, "Hello"}),
		pages(now.Add(-2*hour), now, false), state.CaughtUp{},
		state.ArchiveFilled{Part: state.Part{Archive: me, With: grace}, Text: "The server did not answer."})
}

// hole is a conversation of which the archive has not brought all that was missed.
func hole(now time.Time) *state.State {
	return play(connected(),
		state.RosterLoaded{Items: []state.RosterItem{both(grace, "Grace Hopper")}}, says(grace, state.Available, ""),
		talk(now, grace,
			said{true, 9*day + hour, "I am off to the country tomorrow. There is no telegraph there."},
			said{false, 9 * day, "Rest well. I shall write all the same, and you will find it when you are back."},
			said{false, hour, "… and that is how the whole panel came to be replaced."},
			said{false, 50 * minute, "Are you back? You must have a hundred letters by now."},
			said{true, 3 * minute, "Back since this morning. I am still reading."}),
		pages(now.Add(-20*day), now.Add(-9*day), true), pages(now.Add(-hour), now, false), state.CaughtUp{})
}

var missing = state.Part{Archive: me, With: grace}

func gapLoading(now time.Time) *state.State {
	from, until := now.Add(-9*day), now.Add(-hour)
	page := state.Reading{
		From: state.Edge{ID: "letter", At: now.Add(-day)}, To: state.Edge{ID: until.Format(time.RFC3339), At: until},
		IDs: make([]string, 50), Before: until.Format(time.RFC3339),
	}
	page.IDs[0] = "letter"
	older := talk(now, grace, said{false, day, "The ninetieth letter."}).(state.ArchivePage)
	older.Older = true
	return play(hole(now), state.ArchiveAsked{Part: missing, After: from.Format(time.RFC3339)},
		older, state.ArchiveRead{Part: missing, Page: page})
}

func gapFailed(now time.Time) *state.State {
	after := now.Add(-9 * day).Format(time.RFC3339)
	return play(hole(now), state.ArchiveFilled{Part: missing, After: after, Text: "The server did not answer."})
}

func gapOffline(now time.Time) *state.State {
	return play(hole(now), state.ConnectionChanged{Connection: state.Connection{
		Phase: state.Waiting, RetryAt: now.Add(12500 * time.Millisecond),
		Problem: &state.Problem{Kind: "lost", Text: "The connection to example.org was lost.", Advice: "Natter tries again by itself."},
	}})
}

func longNames(now time.Time) *state.State {
	words := strings.Repeat("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", 2)
	return play(typical(now),
		state.ContactChanged{Item: both(long, "Johann Gambolputty de von Ausfern-schplenden-schlitter-crasscrenbon-fried-digger-dingle")},
		talk(now, long, said{false, minute, words}, said{true, minute, strings.Repeat("verylongwordwithoutanybreak", 12)},
			said{false, 30 * time.Second, "safe\u202egpj.exe"}),
	)
}

func rightToLeft(now time.Time) *state.State {
	return play(typical(now), talk(now, rtl,
		said{true, 6 * hour, "كيف حالك اليوم؟"},
		said{false, 5 * hour, "بخير، شكرا. هل قرأت الفصل الأول من كتاب Algebra؟"},
		said{true, 4 * hour, "نعم، https://example.org/al-jabr رائع"},
		said{false, 3 * hour, "القائمة:\nAlgebra, the first chapter with all of its examples\nالفصل الثاني\nhttps://example.org/2\n10:30"}))
}

func thousand(now time.Time) *state.State {
	var items []state.RosterItem
	for i := range 1000 {
		items = append(items, both(jid.JID(fmt.Sprintf("person%04d@example.org", i)), fmt.Sprintf("Person %d", i)))
	}
	s := play(online(), state.RosterLoaded{Items: items})
	for i := range 300 {
		s = s.With(talk(now, items[i].JID, said{i%3 == 0, time.Duration(i) * hour, fmt.Sprintf("This is what was said last, %d hours ago", i)}))
	}
	return s
}

// history has ten thousand messages, of which the person has read all.
func history(now time.Time) *state.State {
	s := play(online(), state.RosterLoaded{Items: []state.RosterItem{both(grace, "Grace Hopper")}}, says(grace, state.Available, ""))
	var lines []said
	for i := range 10_000 {
		lines = append(lines, said{i%7 < 3, time.Duration(10_000-i) * 9 * minute,
			fmt.Sprintf("Message %d. %s", i, strings.Repeat("Words that fill a line. ", i*i%11))})
	}
	return s.With(talk(now, grace, lines...))
}

func links(now time.Time) *state.State {
	return play(typical(now), talk(now, emmy,
		said{false, 9 * minute, "The paper is at https://example.org/noether(1918), and write to mailto:emmy@example.org."},
		said{false, 8 * minute, "Careful: https://bank.example@evil.example/login is not what it looks like"},
		said{false, 7 * minute, "javascript:alert(1) stays text, xmpp:hedy@example.org?message opens a chat"},
		said{true, 6 * minute, "🎉🎉"}, said{true, 5 * minute, "Thanks: https://example.org/a"}))
}

// styled has all of XEP-0393, and /me.
func styled(now time.Time) *state.State {
	return play(typical(now), talk(now, grace,
		said{false, 20 * minute, "*Strong*, _stressed_, ~struck out~ and `pre *formatted*`, and _all *of ~it~* at once_."},
		said{true, 19 * minute, "Also here: *strong*, `x := 1`, _see https://example.org/a_b for it_"},
		said{false, 18 * minute, "> Did the proofs come back?\n>> Which ones?\n> Those of the *notes*.\n\nThey did, yesterday."},
		said{true, 17 * minute, "```go\nfor i := range 10 {\n\tfmt.Println(\"*\", i) // a comment that is longer than any line on a phone may be without being broken\n}\n```\nThat prints stars."},
		said{false, 16 * minute, "> ```\n> ls -l\n> ```\nThat is `ls -l`, see https://example.org/ls"},
		said{false, 15 * minute, "/me waves to *everybody*"}, said{true, 14 * minute, "/me waves back"},
		said{false, 13 * minute, "> من كتب هذا؟\n*الخوارزمي* كتبه\nThat is `Algebra`"},
		said{false, 12 * minute, "* plain, **plain**, pl*ai*n, *plain"}))
}

// folded is a message that is longer than a screen, which nobody has to scroll through
// who does not want to.
func folded(now time.Time) *state.State {
	letter := "Dear Ada,\n\n" + strings.Repeat("The engine might act upon other things besides number, were objects found whose mutual fundamental relations could be expressed by those of the abstract science of operations. ", 40)
	return play(typical(now), talk(now, grace, said{false, 90 * time.Second, letter}, said{true, minute, "I shall read it tonight."}))
}

func unreadable(now time.Time) *state.State {
	message := func(ago time.Duration, subject, body string, notice bool) state.Event {
		return state.MessageAdded{Conv: emmy, Message: state.Message{
			ID: subject + body, Author: emmy, Subject: subject, Body: body, Notice: notice, At: now.Add(-ago),
		}}
	}
	return play(typical(now),
		message(9*minute, "Lunch on Thursday?", "At noon, where we were the last time. See https://example.org/map", false),
		message(8*minute, "The seminar is cancelled", "", false),
		message(3*minute, "", "This message is encrypted with OMEMO. Natter cannot read it. Ask for it to be sent again without encryption.", true),
		state.MessageAdded{Conv: emmy, Carbon: true, Message: state.Message{
			ID: "m", Author: me, Mine: true, Delivery: state.OnServer, Notice: true, At: now.Add(-2 * minute),
			Body: "This message is encrypted with OMEMO. Natter cannot read it. The device that sent it can.",
		}},
		message(minute, "", "This was a call. Natter cannot take calls.", true))
}

// living is a conversation in which messages were answered, reacted to, corrected and taken back.
func living(now time.Time) *state.State {
	say := func(author jid.JID, id string, by jid.JID, kind state.FactKind, text string) state.Event {
		return state.Filed{Target: state.Target{Conv: grace, Author: author, ID: id}, Fact: state.Fact{Kind: kind, By: by, At: now.UnixMicro(), Text: text, Stanza: text}}
	}
	reply := func(author jid.JID, id string, to jid.JID, of string) state.Event {
		return say(author, id, author, state.Replies, state.Target{Author: to, ID: of}.Reference())
	}
	return play(typical(now),
		state.TypingChanged{Conv: grace},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l1", Author: grace, Body: "The moth is in good company", At: now.Add(-100 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l1b", Author: grace, Body: "Look", At: now.Add(-95 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l2", Author: me, Mine: true, Delivery: state.Delivered, Body: "Which one of them made the machine stop, I wander?", At: now.Add(-90 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l3", Author: grace, Body: "what I should not have said", At: now.Add(-80 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l4", Author: grace, Body: "The moth. Ferns do not fly", At: now.Add(-70 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l5", Author: me, Mine: true, Delivery: state.Delivered, Body: "Not even in a gale", At: now.Add(-60 * time.Second)}},
		state.MessageAdded{Conv: grace, Message: state.Message{ID: "l6", Author: me, Mine: true, Delivery: state.Delivered, Body: "nothing of this is left", At: now.Add(-50 * time.Second)}},
		say(grace, "l1", grace, state.Corrected, "The moth is in good company: somebody has pressed a *fern* beside it"),
		say(me, "l2", me, state.Corrected, "Which one of them made the machine stop, I wonder?"),
		say(grace, "l3", grace, state.Retracted, ""), say(me, "l6", me, state.Retracted, ""),
		say(grace, "l1", me, state.Reacted, "😂 ❤️"), say(grace, "l1", grace, state.Reacted, "😂"), say(me, "l2", grace, state.Reacted, "🤔 🦋"),
		state.Filed{Target: state.Target{Conv: grace, Author: me, ID: "l5"}, Fact: state.Refusal{Stanza: "c5", Kind: state.Corrected, Why: "The other side does not accept this message.", Text: "Not even in a storm"}.Fact(me, now)},
		reply(grace, "l4", me, "l2"), reply(me, "l5", grace, "of long ago"),
		state.ChatRead{Conv: grace})
}
