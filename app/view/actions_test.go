package view

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
)

// talking is somebody in a conversation of four messages: one of the peer's, one of theirs, one of theirs
// that failed and a note in the program's words.
func talking(t *testing.T) *bench {
	b := sit(t)
	b.receive(grace, "of hers")
	own := func(id, body string, d state.Delivery) {
		b.play(state.MessageAdded{Conv: grace, Message: state.Message{ID: id, Author: ada, Mine: true, Body: body, At: b.clock, Delivery: d}})
	}
	own("sent", "of ours", state.OnServer)
	own("failed", "that failed", state.Failed)
	b.play(state.MessageAdded{Conv: grace, Message: state.Message{ID: "n", Author: grace, Notice: true, Body: "a note", At: b.clock}})
	b.sig("open", grace, "")
	b.did = nil
	return b
}

// key is the place of the message with this text.
func (b *bench) key(body string) string {
	for m := range b.state.Chat(b.open).Timeline.All {
		if m.Words() == body {
			return keyText(m.Key)
		}
	}
	b.t.Fatalf("there is no %q", body)
	return ""
}

// about has somebody say something about a message.
func (b *bench) about(author jid.JID, id string, by jid.JID, kind state.FactKind, text string) {
	b.play(state.Filed{Target: state.Target{Conv: grace, Author: author, ID: id}, Fact: state.Fact{Kind: kind, By: by, At: int64(len(text)), Text: text}})
}

var offered = regexp.MustCompile(`(?s)role="menuitem".*?</svg>\s*(\w+)`)

func (b *bench) offers(key string) string {
	b.sig(doMenu, "", key)
	var items []string
	for _, m := range offered.FindAllStringSubmatch(b.html(), -1) {
		items = append(items, m[1])
	}
	return strings.Join(items, " ")
}

// Only what one may do is in the menu of a message.
func TestMenu_WhatOneMayDo(t *testing.T) {
	for text, want := range map[string]string{
		"of hers":     "Reply React Copy Select Details",
		"of ours":     "Reply React Edit Copy Retract Select Details",
		"that failed": "Copy Select Details",
		"a note":      "Reply React Copy Select Details",
	} {
		b := talking(t)
		if got := b.offers(b.key(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	b := talking(t)
	gone := b.key("of ours")
	b.about(ada, "sent", ada, state.Retracted, "")
	if got := b.offers(gone); got != "Details" {
		t.Errorf("of one that is gone: %q", got)
	}
	b.sig(doMenuClosed, "", gone)
	if strings.Contains(b.html(), `role="menu"`) {
		t.Error("it is still open")
	}
	for _, do := range []Command{doReply, doReact, doEdit, doRetracting, doRetract} { // from a page that is late
		b.sig(do, "", gone)
	}
	b.sig(doToggle, "", gone+" 👍")
	b.sig(doEdit, "", b.key("of hers"))
	b.sig(doRetract, "", b.key("of hers"))
	if b.dialog.kind != "" {
		t.Errorf("there is the dialog %s", b.dialog.kind)
	}
	b.wants(t)
}

// A moderator has the room remove a message of somebody else, where the room can; nobody else is offered that.
func TestRemove(t *testing.T) {
	said := func(b *bench, id string, mine bool) {
		author := jid.JID(lounge).WithResource("\x01g1")
		if mine {
			author = ada
		}
		b.play(state.MessageAdded{Conv: lounge + "/", Message: state.Message{ID: id, ArchiveID: "s-" + id, Author: author, Mine: mine, Nick: "grace", Body: id, At: b.clock}})
	}
	able := state.RoomDescribed{Room: lounge, Info: state.RoomInfo{Moderates: "urn:xmpp:message-moderate:1"}}
	for name, tc := range map[string]struct {
		me      state.Role
		events  []state.Event
		offered bool
	}{
		"a moderator":                       {state.Moderator, []state.Event{able}, true},
		"a participant":                     {state.Participant, []state.Event{able}, false},
		"in a room that does not do it":     {state.Moderator, nil, false},
		"a moderator who has left the room": {state.Moderator, []state.Event{able, closed("kicked", "")}, false},
	} {
		b := in(t, state.Occupant{Role: tc.me})
		said(b, "spam", false)
		said(b, "of ours", true)
		b.play(tc.events...)
		if got := strings.Contains(b.offers(b.key("spam")), "Remove"); got != tc.offered {
			t.Errorf("%s: offered is %v", name, got)
		}
		if strings.Contains(b.offers(b.key("of ours")), "Remove") {
			t.Errorf("%s: one's own is retracted", name)
		}
		b.sig(doModerating, "", b.key("spam"))
		if asked := b.dialog.kind == "moderating"; asked != tc.offered {
			t.Errorf("%s: asked is %v", name, asked)
		}
	}
	b := in(t, state.Occupant{Role: state.Moderator})
	said(b, "spam", false)
	b.play(able)
	b.did = nil
	key := b.key("spam")
	b.sig(doModerating, "", key)
	b.says(t, "Remove this message for everyone?")
	b.sig(doModerate, lounge, " off topic ")
	b.sig(doModerate, lounge, " off topic ")
	b.wants(t, "Moderate{Of:{Conv:lounge@rooms.example/ Author: ID:s-spam} Reason:off topic}")
	b.play(notDone(state.Removal))
	b.says(t, "It was not done. Nobody may.")
	b.sig(doModerate, lounge, "")
	b.play(state.Filed{Target: state.Target{Conv: lounge + "/", ID: "s-spam"}, Fact: state.Fact{Kind: state.Moderated, By: lounge, At: 1, Text: "off topic"}},
		state.RoomAnswered{Room: lounge, To: state.Removal})
	if b.dialog.kind != "" {
		t.Errorf("%+v", b.dialog)
	}
	b.says(t, "Message removed by a moderator: off topic")
	b.did = nil
	b.sig(doModerating, "", key)
	b.sig(doModerate, lounge, "")
	b.wants(t)
}

func TestReactions(t *testing.T) {
	b := talking(t)
	key := b.key("of hers")
	react := func(emoji string) string {
		return fmt.Sprintf("React%+v", state.React{Of: state.Target{Conv: grace, Author: grace, ID: "1"}, Emoji: emoji})
	}
	b.sig(doToggle, "", key+" 👍")
	b.wants(t, react("👍"))
	b.about(grace, "1", ada, state.Reacted, "👍")
	b.sig(doReact, "", key)
	b.sig(doEmojiEnter, "", "text")
	if b.dialog.kind != "emoji" {
		t.Errorf("the dialog is %+v", b.dialog)
	}
	b.sig(doEmojiEnter, "", " 🎉 ")
	b.wants(t, react("👍 🎉"))
	b.about(grace, "1", ada, state.Reacted, "👍 🎉")
	b.about(grace, "1", grace, state.Reacted, "👍")
	if html := b.html(); !regexp.MustCompile(`<button [^>]*title="Grace, You"[^>]*>👍 2<`).MatchString(html) || !regexp.MustCompile(`<button [^>]*title="You"[^>]*>🎉 1<`).MatchString(html) {
		t.Error("it is not shown who has reacted with what")
	}
	b.sig(doToggle, "", key+" 👍")
	b.wants(t, react("🎉"))
}

// What is written after Edit or Reply is that, until it is sent or given up; the draft of before an edit
// comes back.
func TestAim(t *testing.T) {
	keep := func(aim state.Aim) string { return fmt.Sprintf("KeepAim%+v", state.KeepAim{Conv: grace, Aim: aim}) }
	edit := state.Aim{Of: state.Target{Conv: grace, Author: ada, ID: "sent"}, Edit: true}
	answer := state.Aim{Of: state.Target{Conv: grace, Author: grace, ID: "1"}}
	t.Run("edited", func(t *testing.T) {
		b := talking(t)
		b.sig(doEditLast, "", "")
		if b.settling.Words != "of ours" || !b.settling.Fill || b.draft(grace) != "of ours" || !strings.Contains(b.html(), "Edit message") {
			t.Errorf("the composer gets %+v", b.settling)
		}
		b.sig("send", "", "of both")
		b.wants(t, keep(edit), "KeepDraft{Conv:grace@example.org Text:of ours}", fmt.Sprintf("Correct%+v", state.Correct{Of: edit.Of, Body: "of both"}))
		if b.aim(grace) != (state.Aim{}) || b.draft(grace) != "" {
			t.Errorf("it still writes %+v, %q", b.aim(grace), b.draft(grace))
		}
	})
	t.Run("left as it was", func(t *testing.T) {
		b := talking(t)
		b.sig(doEdit, "", b.key("of ours"))
		b.did = nil
		b.sig("send", "", "of ours")
		b.wants(t, keep(state.Aim{}), "KeepDraft{Conv:grace@example.org Text:}")
	})
	t.Run("given up", func(t *testing.T) {
		b := talking(t)
		b.sig("message", grace, "half a sen")
		b.sig(doEdit, "", b.key("of ours"))
		b.sig(doKey, "", "escape")
		if b.settling.Words != "half a sen" || b.aim(grace) != (state.Aim{}) || b.open != grace || b.went != 0 {
			t.Errorf("the composer gets %+v, and writes %+v", b.settling, b.aim(grace))
		}
	})
	// begun is a new page of somebody who had written half an answer when they began an edit.
	begun := func(t *testing.T) *bench {
		b := talking(t)
		b.sig(doReply, "", b.key("of hers"))
		b.sig("message", grace, "half a sen")
		b.did = nil
		b.sig(doEdit, "", b.key("of ours"))
		aside := edit
		aside.Before, aside.BeforeOf = "half a sen", answer.Of
		b.wants(t, keep(aside), "KeepDraft{Conv:grace@example.org Text:of ours}")
		next := talking(t)
		next.play(state.AimChanged{Conv: grace, Aim: aside}, state.DraftChanged{Conv: grace, Text: "of ours"})
		if html := next.html(); !strings.Contains(html, "Edit message") || next.draft(grace) != "of ours" {
			t.Fatalf("it writes %+v, %q", next.aim(grace), next.draft(grace))
		}
		return next
	}
	t.Run("given up after a reload", func(t *testing.T) {
		b := begun(t)
		b.sig(doKey, "", "escape")
		if b.settling.Words != "half a sen" || b.aim(grace) != answer {
			t.Errorf("the composer gets %+v, and writes %+v", b.settling, b.aim(grace))
		}
		b.wants(t, keep(answer), "KeepDraft{Conv:grace@example.org Text:half a sen}")
	})
	t.Run("edited after a reload", func(t *testing.T) {
		for words, does := range map[string]string{
			"of both": fmt.Sprintf("Correct%+v", state.Correct{Of: edit.Of, Body: "of both"}),
			"of ours": keep(state.Aim{}) + "KeepDraft{Conv:grace@example.org Text:}", // nothing to correct
		} {
			b := begun(t)
			b.sig("send", "", words)
			if b.settling.Words != "half a sen" || b.aim(grace) != answer || b.draft(grace) != "half a sen" {
				t.Errorf("the composer gets %+v, and writes %+v", b.settling, b.aim(grace))
			}
			if got := strings.Join(b.did, ""); got != does+keep(answer)+"KeepDraft{Conv:grace@example.org Text:half a sen}" {
				t.Errorf("wanted of the client: %s", got)
			}
		}
	})
	t.Run("one edit after another", func(t *testing.T) {
		b := begun(t)
		b.sig(doEdit, "", b.key("of ours"))
		if aim := b.aim(grace); !aim.Edit || aim.Before != "half a sen" || aim.BeforeOf != answer.Of {
			t.Errorf("it writes %+v", aim)
		}
	})
	t.Run("answered, after another conversation", func(t *testing.T) {
		b := talking(t)
		b.play(state.ChatStarted{Conv: alan})
		b.sig(doReply, "", b.key("of hers"))
		b.wants(t, keep(answer))
		b.play(state.AimChanged{Conv: grace, Aim: answer})
		b.sig("open", alan, "")
		if strings.Contains(b.html(), "Reply to Grace") {
			t.Error("alan is answered")
		}
		b.sig("open", grace, "")
		if len(b.aims) > 0 || !strings.Contains(b.html(), "Reply to Grace") {
			t.Errorf("forgotten: %v", b.aims)
		}
		b.did = nil
		b.sig("send", "", "yes")
		b.wants(t, fmt.Sprintf("SendMessage%+v", state.SendMessage{Conv: grace, Body: "yes", To: answer.Of}))
	})
}

// What the room has not sent back cannot be edited yet, and no older message is taken for it.
func TestEditLast_Waiting(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, entered(), state.RoomInside{Room: lounge})
	conv := state.Groupchat.With(lounge)
	own := state.Message{ID: "m1", Author: ada, Mine: true, Body: "before", At: b.clock, Delivery: state.OnServer, ArchiveID: "s1"}
	b.play(state.MessageAdded{Conv: conv, Message: own})
	b.happened(Signal{Do: "open", Conv: conv})
	own.ID, own.Body, own.Delivery, own.ArchiveID = "m2", "just now", state.Queued, ""
	b.play(state.MessageAdded{Conv: conv, Message: own})
	b.sig(doEditLast, "", "")
	if b.aim(conv) != (state.Aim{}) || b.draft(conv) != "" {
		t.Errorf("it edits %+v, %q", b.aim(conv), b.draft(conv))
	}
	own.Delivery, own.ArchiveID = state.OnServer, "s2"
	b.play(state.MessageAdded{Conv: conv, Message: own})
	b.sig(doEditLast, "", "")
	if b.draft(conv) != "just now" {
		t.Errorf("it edits %q", b.draft(conv))
	}
}

// A reply leads to its message and back; one that is on the disk is looked for there first.
func TestReply_ThereAndBack(t *testing.T) {
	b := talking(t)
	b.receive(grace, "an answer")
	b.about(grace, "2", grace, state.Replies, state.Target{Author: ada, ID: "sent"}.Reference())
	b.edgeAt("", true)
	if html := b.html(); !strings.Contains(html, "In reply to") || !strings.Contains(html, "of ours") {
		t.Error("the message that is answered is not shown")
	}
	b.sig(doQuote, "", b.key("an answer"))
	if keyText(b.window.found) != b.key("of ours") || !strings.Contains(b.html(), "Back to where you were") {
		t.Errorf("it leads to %+v", b.window)
	}
	b.sig(doReturn, "", "")
	if !b.window.atEnd || b.quest.back.on {
		t.Errorf("it leads back to %+v", b.window)
	}

	b.receive(grace, "another one")
	b.about(grace, "3", grace, state.Replies, state.Target{Author: ada, ID: "of long ago"}.Reference())
	b.sig(doQuote, "", b.key("another one"))
	if b.at.Of.ID != "of long ago" {
		t.Errorf("looked for is %+v", b.at)
	}
	b.play(state.HistoryRead{Conv: grace, Alone: true, Messages: []state.Message{
		{Key: state.Key{Time: 1}, ID: "of long ago", Author: ada, Mine: true, Body: "long ago", At: b.clock}}})
	if keyText(b.window.found) != b.key("long ago") {
		t.Errorf("it leads to %+v", b.window)
	}
	b.sig(doReturn, "", "")

	b.about(grace, "3", grace, state.Replies, state.Target{Author: ada, ID: "that nobody has written"}.Reference())
	b.sig(doQuote, "", b.key("another one"))
	nobody := state.Seek{Conv: grace, Of: state.Target{Conv: grace, Author: ada, ID: "that nobody has written"}}
	b.play(state.SoughtChanged{Sought: &state.Sought{Seek: nobody, Loading: true}})
	if html := b.html(); !strings.Contains(html, "Looking in the archive…") || b.news != "Looking in the archive" {
		t.Errorf("it says %q", b.news)
	}
	b.play(state.SoughtChanged{Sought: &state.Sought{Seek: nobody, Problem: "It is <gone>."}})
	if !strings.Contains(b.html(), "It is &lt;gone&gt;.") || b.news != "It is <gone>." || b.quest.back.on {
		t.Errorf("it says %q", b.news)
	}
	b.did = nil
	b.sig(doQuote, "", b.key("another one")) // once more: what was said before does not count
	if b.quest.fault != "" || !b.quest.on {
		t.Error("it goes by what was said of the time before")
	}
	b.sig(doKey, "", "escape")
	if b.quest.on || !strings.HasPrefix(b.did[len(b.did)-1], "Seek") {
		t.Errorf("it is still looked for: %v", b.did)
	}
}

// A day leads to what was said first on it; what is in the archive only is fetched from there.
func TestToDate(t *testing.T) {
	b := talking(t)
	b.play(state.MessageAdded{Conv: grace, Message: state.Message{ID: "later", Author: grace, Body: "the next day", At: b.clock.Add(24 * time.Hour)}})
	b.edgeAt("", true)
	day := b.clock.Add(24 * time.Hour).Format(time.DateOnly)
	b.sig(doKey, "", "date")
	if html := b.html(); !strings.Contains(html, "Go to a day") || !strings.Contains(html, `type="date"`) {
		t.Error("no day is asked for")
	}
	b.sig(doToDate, "", "someday")
	if b.dialog.fault != "Choose a day." {
		t.Errorf("it says %q", b.dialog.fault)
	}
	whole := state.Part{Archive: ada}
	edge := state.Edge{ID: "a1", At: b.clock.Add(-time.Hour)}
	b.play(state.ArchiveRead{Part: whole, Page: state.Reading{From: edge, To: edge, IDs: []string{"a1"}, End: true}})
	b.sig(doToDate, "", day)
	if keyText(b.window.found) != b.key("the next day") || b.dialog.kind != "" {
		t.Errorf("it leads to %+v", b.window)
	}
	b.sig(doReturn, "", "")
	if !b.window.atEnd {
		t.Errorf("it leads back to %+v", b.window)
	}
	b.did = nil
	b.sig(doToDate, "", "2020-02-29")
	long := state.Seek{Conv: grace, At: time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC).UnixMicro()}
	if !strings.Contains(strings.Join(b.did, " "), fmt.Sprintf("Seek%+v", long)) {
		t.Errorf("it wants %v", b.did)
	}
	b.play(state.ArchivePage{Conv: grace, Older: true, Messages: []state.Message{{ID: "old", ArchiveID: "a0", Author: grace, Body: "years ago", At: time.Date(2020, 3, 1, 9, 0, 0, 0, time.UTC)}}},
		state.SoughtChanged{Sought: &state.Sought{Seek: long, Key: state.Key{Time: long.At}}})
	if keyText(b.window.found) != b.key("years ago") {
		t.Errorf("it leads to %+v", b.window)
	}
}

// What has not got through is said with the message, and can be tried again or let be.
func TestRefused(t *testing.T) {
	of := state.Target{Conv: grace, Author: ada, ID: "sent"}
	for _, tc := range []struct {
		r           state.Refusal
		says, again string
	}{
		{state.Refusal{Stanza: "c1", Kind: state.Corrected, Why: "It is <i>.", Text: "edited"}, "Your edit did not get through. It is &lt;i&gt;.", fmt.Sprintf("Correct%+v", state.Correct{Of: of, Body: "edited"})},
		{state.Refusal{Stanza: "r1", Kind: state.Reacted, Why: "why", Text: "👍"}, "Your reaction did not get through. why", fmt.Sprintf("React%+v", state.React{Of: of, Emoji: "👍"})},
		{state.Refusal{Stanza: "t1", Kind: state.Retracted, Why: "why", Text: "of ours"}, "Others can still see this message. why", fmt.Sprintf("Retract%+v", state.Retract{Of: of})},
	} {
		b := talking(t)
		key := b.key("of ours")
		b.play(state.Filed{Target: of, Fact: tc.r.Fact(ada, b.clock)})
		if !strings.Contains(b.html(), tc.says) {
			t.Errorf("%s: it is not said", tc.r.Kind)
		}
		b.sig(doSayAgain, "", key)
		b.sig(doLetBe, "", key)
		b.wants(t, tc.again, fmt.Sprintf("LetBe%+v", state.LetBe{Of: of, Stanza: tc.r.Stanza}))
		b.play(state.Shown(state.LetBe{Of: of, Stanza: tc.r.Stanza, At: b.clock.Add(time.Second)}, b.state)[0])
		if strings.Contains(b.html(), "get through") || strings.Contains(b.html(), "still see") {
			t.Errorf("%s: it is still said", tc.r.Kind)
		}
		b.sig(doSayAgain, "", key) // from a page that is late
		b.wants(t)
	}
}

// Several messages are copied with names and times, and taken back if all are the person's own.
func TestSelect(t *testing.T) {
	b := talking(t)
	hers, ours := b.key("of hers"), b.key("of ours")
	b.sig(doSelect, "", ours)
	if b.news != "1 message selected" || !regexp.MustCompile(`aria-checked[ >]`).MatchString(b.html()) || strings.Count(b.html(), `aria-checked="false"`) != 3 {
		t.Errorf("it says %q", b.news)
	}
	retract := func() string {
		return regexp.MustCompile(`<button[^>]*data-do="retracting-selected"[^>]*>`).FindString(b.html())
	}
	if !strings.Contains(retract(), `disabled="false"`) {
		t.Error("it cannot be taken back")
	}
	b.sig(doSelect, "", hers)
	if b.news != "2 messages selected" || strings.Contains(retract(), `disabled="false"`) {
		t.Errorf("it says %q, and what is hers can be taken back", b.news)
	}
	b.sig(doRetractAll, "", "") // from a page that is late
	b.wants(t)
	b.sig(doSelect, "", ours)
	b.sig(doSelect, "", hers)
	b.sig(doCopySelected, "", "")
	at := func(text string) string { return b.desk.at(b.key(text)).At.UTC().Format("2006-01-02 15:04") }
	if want := "[" + at("of hers") + "] Grace: of hers\n[" + at("of ours") + "] ada: of ours\n"; b.copied != want || b.selection != nil {
		t.Errorf("copied is %q, want %q", b.copied, want)
	}
	b.sig(doSelect, "", ours)
	b.sig(doRetractingSelected, "", "")
	if !strings.Contains(b.html(), "Retract 1 message?") {
		t.Error("it is not asked")
	}
	b.sig(doRetractAll, "", "")
	b.wants(t, fmt.Sprintf("Retract%+v", state.Retract{Of: state.Target{Conv: grace, Author: ada, ID: "sent"}}))
	b.sig(doSelect, "", ours)
	b.sig(doKey, "", "escape")
	if b.selection != nil || b.open == "" || strings.Contains(b.html(), "aria-checked") {
		t.Error("Esc does not end it")
	}
}

// However many a page says are selected, so many are.
func TestSelect_Most(t *testing.T) {
	b := talking(t)
	for i := range mostSelected + 10 {
		b.receive(grace, fmt.Sprint("n", i))
		b.sig(doSelect, "", b.key(fmt.Sprint("n", i)))
	}
	if n := len(b.selected()); n != mostSelected || !strings.HasPrefix(b.news, "No more than") {
		t.Errorf("%d are selected, it says %q", n, b.news)
	}
}

// A reply to what was selected of a message quotes just that, before what is written already.
func TestReply_ToAPart(t *testing.T) {
	b := talking(t)
	b.sig(doMessage, "", "my answer")
	b.happened(Signal{Do: doReply, Text: b.key("of hers"), Also: " of\nh<b>ers "})
	if want := "> of\n> h<b>ers\nmy answer"; b.draft(grace) != want || b.settling.Words != want || b.aim(grace).Of.ID != "1" {
		t.Errorf("the draft is %q, to %+v", b.draft(grace), b.aim(grace))
	}
	b.sig(doUnaim, "", "")
	b.happened(Signal{Do: doReply, Text: b.key("that failed"), Also: "what cannot be answered"})
	if strings.Contains(b.draft(grace), "answered") {
		t.Errorf("the draft is %q", b.draft(grace))
	}
	b.happened(Signal{Do: doReply, Text: b.key("of hers"), Also: strings.Repeat("a", 10*mostQuoted)})
	if n := len(b.draft(grace)); n > mostQuoted+100 {
		t.Errorf("%d bytes are quoted", n)
	}
}

// The XML of a message is asked for when somebody wants to see it, and is text on the page, with what hides
// in it made visible. Of what was taken back none is offered.
func TestOriginal(t *testing.T) {
	b := talking(t)
	hers := state.ReadOriginal{Conv: grace, Author: grace, ID: "1"}
	b.sig(doAbout, "", b.key("of hers"))
	b.wants(t)
	b.sig(doOriginal, "", b.key("of hers"))
	b.wants(t, fmt.Sprintf("ReadOriginal%+v", hers))
	b.play(state.OriginalRead{Original: &state.Original{ReadOriginal: hers, Loading: true}})
	b.says(t, "Asking the archive of your server")
	b.play(state.OriginalRead{Original: &state.Original{ReadOriginal: hers, Problem: "It is gone."}})
	b.says(t, "It is gone.")
	b.says(t, "Try again")
	b.play(state.OriginalRead{Original: &state.Original{ReadOriginal: hers, Cut: true, XML: "<message><body>&lt;b>\u202ea</body></message>"}})
	if html := b.html(); b.settling.Focus != "original-xml" || !strings.Contains(html, "&lt;message&gt;&lt;body&gt;&amp;lt;b&gt;&amp;#x202E;a&lt;/body&gt;") || !strings.Contains(html, "the beginning only") {
		t.Error(html[strings.Index(html, "original-xml"):])
	}
	b.sig(doCopyOriginal, "", "")
	if b.copied != "<message><body>&lt;b>\u202ea</body></message>" {
		t.Errorf("copied %q", b.copied)
	}
	b.sig(doClose, "", "")
	b.sig(doAbout, "", b.key("of ours"))
	b.says(t, "Show XML")
	b.about(ada, "sent", ada, state.Retracted, "")
	b.saysNot(t, "Show XML")
}
