package view

import (
	"os"
	"slices"
	"strings"
	"testing"

	"natter/app/legible"
	"natter/app/state"
)

// theList is the one that is served.
func theList(t testing.TB) string {
	t.Helper()
	list, err := os.ReadFile("../../web/emoji/en.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(list)
}

func TestEmojis_Read(t *testing.T) {
	list := theList(t)
	e := readEmojis(list)
	if lines := strings.Count(list, "\t"); len(e.all) < 1900 || len(e.groups) != 9 || e.groups[8].to != len(e.all) || lines < len(e.all) {
		t.Errorf("%d emoji in %d groups", len(e.all), len(e.groups))
	}
	if n := strings.Count(list, "\n") - len(e.groups); n != len(e.all) {
		t.Errorf("%d of %d emoji", len(e.all), n)
	}
	for _, bad := range []string{"", "\n\n", "a", "😀\tgrinning face\n", "G\n<b>\tno emoji\n+\t\n\t\n", "G\n😀\n"} {
		if e := readEmojis(bad); len(e.all) != 0 {
			t.Errorf("%q has %+v", bad, e.all)
		}
	}
}

func TestEmojis_Find(t *testing.T) {
	e := readEmojis(theList(t))
	for typed, want := range map[string]string{
		"thumbs": "👍 👎", "thumbs_up": "👍", "THUMBS u": "👍", "+1": "👍", "butterfly": "🦋", "heart red": "❤️", "red heart": "❤️",
		"zzz q": "", "": "", " ": "", "astronaut": "🧑‍🚀 👨‍🚀 👩‍🚀", "germany": "🇩🇪",
	} {
		var got []string
		for _, one := range e.find(typed, 3) {
			got = append(got, one.char)
		}
		if got := strings.Join(got, " "); got != want && !strings.HasPrefix(got, want+" ") || (want == "") != (got == "") {
			t.Errorf("%q finds %q, want %q", typed, got, want)
		}
	}
	if n := len(e.find("a", 5)); n != 5 {
		t.Errorf("%d found", n)
	}
	var none *emojis
	if none.find("a", 5) != nil {
		t.Error("found in nothing")
	}
}

func TestEmojis_Toned(t *testing.T) {
	e := readEmojis(theList(t))
	for char, want := range map[string]string{
		"👍": "👍🏽", "☝️": "☝🏽", "🧑‍🚀": "🧑🏽‍🚀", "🕵️‍♂️": "🕵🏽‍♂️", "🧑‍🤝‍🧑": "🧑🏽‍🤝‍🧑🏽", "🤝": "🤝🏽", "👩‍❤️‍👨": "👩🏽‍❤️‍👨🏽", "🦋": "🦋", "👪": "👪", "❤️": "❤️",
	} {
		i := slices.IndexFunc(e.all, func(o emoji) bool { return o.char == char })
		if i < 0 {
			t.Errorf("%s is not there", char)
			continue
		}
		if got := e.toned(&e.all[i], 3); got != want {
			t.Errorf("%s is %+q in a skin tone, want %+q", char, got, want)
		}
		for _, tone := range []int{-1, 0, 6} {
			if got := e.toned(&e.all[i], tone); got != char {
				t.Errorf("%s is %s in none", char, got)
			}
		}
	}
	for i := range e.all {
		if got := e.toned(&e.all[i], 1); !legible.Emoji(got) || e.all[i].tones == (got == e.all[i].char) {
			t.Errorf("%s is %+q in a skin tone", e.all[i].char, got)
		}
	}
}

func TestPicks(t *testing.T) {
	p := readPicks("3 🦋 <b> 👍🏽 a")
	if got := p.String(); got != "3 🦋 👍🏽" {
		t.Errorf("kept as %q", got)
	}
	if got := p.with("👍🏽").with("🎉").String(); got != "3 🎉 👍🏽 🦋" {
		t.Errorf("kept as %q", got)
	}
	p = picks{}
	for _, one := range readEmojis(theList(t)).all[:100] {
		p = p.with(one.char)
	}
	if len(p.recent) != mostRecent || len(readPicks("0 "+strings.Repeat("🦋 ", 1000)).recent) != mostRecent {
		t.Errorf("%d are kept", len(p.recent))
	}
}

func TestEmoji_Picker(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.happened(Signal{Do: doEmoji})
	b.happened(Signal{Do: doEmoji})
	if html := b.html(); b.lists != 1 || !strings.Contains(html, "Loading emoji") {
		t.Errorf("the list was asked for %d times", b.lists)
	}
	b.list("")
	if html := b.html(); !strings.Contains(html, "could not be loaded") {
		t.Error("it is not said that there is no list")
	}
	b.happened(Signal{Do: doEmoji})
	b.list(theList(t))
	if html := b.html(); b.lists != 2 || strings.Contains(html, "Loading emoji") || strings.Count(html, `data-do="pick"`) > 450 {
		t.Errorf("asked for %d times; %d buttons", b.lists, strings.Count(html, `data-do="pick"`))
	}
	b.happened(Signal{Do: doEmojiTone, Number: 2})
	b.happened(Signal{Do: doEmojiText, Text: "thumbs up"})
	if html := b.html(); !strings.Contains(html, `data-text="👍🏼"`) || strings.Contains(html, `data-text="👎🏼"`) {
		t.Error("not found in the skin tone that was chosen")
	}
	b.settling = Settling{}
	b.happened(Signal{Do: doEmojiEnter, Text: "thumbs up"})
	if b.settling != (Settling{Focus: "message", Insert: "👍🏼"}) || b.dialog.kind != "" || b.picks != "2 👍🏼" {
		t.Errorf("%+v, %q, kept %q", b.settling, b.dialog.kind, b.picks)
	}
	b.happened(Signal{Do: doEmoji})
	if html := b.html(); b.lists != 2 || !strings.Contains(html, ">Recent<") || !strings.Contains(html, `aria-label="thumbs up"`) {
		t.Errorf("what was chosen last is not there")
	}
	b.happened(Signal{Do: doEmojiText, Text: "no such thing"})
	if html := b.html(); !strings.Contains(html, "No emoji is called that.") {
		t.Error("it is not said that nothing was found")
	}
	b.happened(Signal{Do: doEmojiEnter, Text: "no such thing"})
	b.happened(Signal{Do: doPick, Text: "<b>"})
	if b.dialog.kind != "emoji" {
		t.Error("something else was chosen")
	}
	b.happened(Signal{Do: doEmojiEnter, Text: " 🫶 "}) // typed as it is
	if b.settling.Insert != "🫶" {
		t.Errorf("%+v", b.settling)
	}
}

// What is chosen for a message is a reaction to it, and nothing for the composer.
func TestEmoji_ReactsToAMessage(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	key := keyText(b.State().Chat(grace).Timeline.Last().Key)
	b.happened(Signal{Do: doReact, Text: key})
	b.list(theList(t))
	b.did, b.settling = nil, Settling{}
	b.happened(Signal{Do: doPick, Text: "🦋"})
	if len(b.did) != 1 || !strings.HasPrefix(b.did[0], "React") || !strings.Contains(b.did[0], "🦋") || b.settling.Insert != "" {
		t.Errorf("%q, %+v", b.did, b.settling)
	}
}

func TestEmoji_Completes(t *testing.T) {
	b := sit(t)
	b.receive(grace, "hello")
	b.sig("open", grace, "")
	b.happened(Signal{Do: doComplete, Text: ":th"})
	b.happened(Signal{Do: doComplete, Text: ":thumbs"})
	if b.lists != 1 || strings.Contains(b.html(), `role="listbox"`) {
		t.Errorf("asked for %d times", b.lists)
	}
	b.list(theList(t))
	if html := b.html(); !strings.Contains(html, `role="listbox"`) || !strings.Contains(html, `aria-activedescendant="completion-0"`) || strings.Count(html, `role="option"`) > mostCompletions {
		t.Error("nothing is offered")
	}
	if want := count(strings.Count(b.html(), `role="option"`)) + " emoji"; b.news != want {
		t.Errorf("screen readers hear %q, want %q", b.news, want)
	}
	b.happened(Signal{Do: doCompleteMove, Number: 1})
	b.happened(Signal{Do: doCompleteTake})
	if b.settling.Insert != "👎" || !b.settling.Over || b.settling.Focus != "message" || b.picks != "0 👎" {
		t.Errorf("%+v, kept %q", b.settling, b.picks)
	}
	if strings.Contains(b.html(), `role="listbox"`) {
		t.Error("it is still offered")
	}
	b.settling = Settling{}
	b.happened(Signal{Do: doCompleteTake})
	b.happened(Signal{Do: doComplete, Text: ":thumbs"})
	b.happened(Signal{Do: doComplete})
	b.happened(Signal{Do: doCompleteTake, Number: 3})
	if b.settling.Insert != "" {
		t.Errorf("%+v", b.settling)
	}
	b.happened(Signal{Do: doComplete, Text: ":thumbs"})
	b.happened(Signal{Do: doCompleteTake, Number: 1}) // by a click
	if b.settling.Insert != "👍" {
		t.Errorf("%+v", b.settling)
	}
}

// Who signs out leaves nothing of what they liked.
func TestEmoji_ForgottenWithTheAccount(t *testing.T) {
	b := sit(t)
	b.picks = "2 🦋"
	b.play(state.Cleared{})
	if b.picks != "" {
		t.Errorf("kept %q", b.picks)
	}
}

// In a room that says with which emoji one may react, these are all that are offered, and one more than it
// allows takes the place of the first.
func TestEmoji_RestrictedReactions(t *testing.T) {
	b := sit(t)
	b.play(state.RoomWanted{Room: lounge}, entered(), state.RoomInside{Room: lounge},
		state.RoomDescribed{Room: lounge, Info: state.RoomInfo{StanzaIDs: true, Reactions: "💘 💜", MostReactions: 1}})
	conv := state.Groupchat.With(lounge)
	b.play(state.MessageAdded{Conv: conv, Message: state.Message{ID: "m1", ArchiveID: "s1", Author: lounge + "/grace", Nick: "grace", Body: "hearts", At: b.clock}})
	b.happened(Signal{Do: "open", Conv: conv})
	key := keyText(b.State().Chat(conv).Timeline.Last().Key)
	b.happened(Signal{Do: doReact, Text: key})
	html := b.html()
	for emoji, offered := range map[string]bool{"💘": true, "💜": true, "👍": false} {
		if strings.Contains(html, `data-text="`+emoji) != offered && strings.Contains(html, emoji) != offered {
			t.Errorf("%s is offered: %v", emoji, !offered)
		}
	}
	if !strings.Contains(html, "This room takes these reactions.") || strings.Contains(html, "Search emoji") {
		t.Error(html)
	}
	b.did = nil
	b.happened(Signal{Do: doPick, Text: "💘"})
	b.play(state.Shown(state.React{Of: state.Target{Conv: conv, ID: "s1"}, Emoji: "💘", At: b.clock}, b.State())...)
	b.happened(Signal{Do: doReact, Text: key})
	b.happened(Signal{Do: doPick, Text: "💜"})
	if len(b.did) != 2 || !strings.Contains(b.did[1], "💜") || strings.Contains(b.did[1], "💘") {
		t.Errorf("%q", b.did)
	}
}
