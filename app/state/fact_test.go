package state

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
)

// keptRows is a disk with the rows of all commits.
type keptRows struct {
	messages map[Key]*MessageRow
	others   map[string]Row
}

func (d *keptRows) write(rows []Row) {
	for _, r := range rows {
		table, key := r.Where()
		switch m, ok := r.Value.(*MessageRow); {
		case ok && r.Gone:
			delete(d.messages, m.Message.Key)
		case ok:
			d.messages[m.Message.Key] = m
		case !r.Gone && d.attach(r):
		case r.Gone:
			delete(d.others, table+" "+key)
		default:
			d.others[table+" "+key] = r
		}
	}
}

// attach puts a fact into the row of its message, as a Store does, and reports whether there is such a row.
func (d *keptRows) attach(r Row) bool {
	f, ok := r.Value.(*Filed)
	for _, m := range d.messages {
		if ok && m.Conv == f.Conv && m.Author == f.Author && m.ID == f.ID {
			m.Attach(f.Fact)
			return true
		}
	}
	return false
}

// before returns the last n messages before a place; the zero Key is the end.
func (d *keptRows) before(at Key, n int) (page []Message, earlier bool) {
	for k, m := range d.messages {
		if at == (Key{}) || k.Before(at) {
			page = append(page, m.State())
		}
	}
	slices.SortFunc(page, func(a, b Message) int { return a.Key.compare(b.Key) })
	if len(page) > n {
		return page[len(page)-n:], true
	}
	return page, false
}

// Messages and facts may come in any order: live, from an archive that is read backward, and with restarts
// between, after which most are only on the disk. In the end the messages are the same.
func TestFacts_AnyOrderGivesTheSamePicture(t *testing.T) {
	var messages []Message
	for i := range 9 {
		m := from(fmt.Sprint("m", i), "words", time.Duration(i)*time.Minute)
		if i%3 != 0 {
			m = mine(fmt.Sprint("m", i), "words", time.Duration(i)*time.Minute)
		}
		messages = append(messages, m)
	}
	var facts []Filed
	for i := range messages {
		id := fmt.Sprint("m", i)
		other := about(id, Bounced)
		other.Text = "x, another reason"
		facts = append(facts, [][]Filed{
			{{Target: Target{grace, grace, id}, Fact: Fact{Kind: Markable, By: grace}}},
			{about(id, Acked), about(id, GaveUp), about(id, Bounced), about(id, Receipt)},
			{about(id, Acked), about(id, GaveUp), about(id, Bounced), other},
			{},
			{about(id, Acked), about(id, GaveUp)},
			{about(id, GaveUp), {Target: Target{grace, ada, id}, Fact: Fact{Kind: Markable, By: ada}}},
			{about(id, Receipt)},
			{about(id, Acked)},
			{about(id, Bounced), about(id, Receipt)},
		}[i]...)
	}
	for _, id := range []string{"m2", "m6"} { // of a kind that this build does not know, the last fact counts
		for at, text := range []string{"no", "maybe", "maybe", "yes"} {
			f := about(id, "opinion")
			f.At, f.Text = int64(at), text
			facts = append(facts, f)
		}
		facts = append(facts, Filed{Target: Target{grace, ada, id}, Fact: Fact{Kind: "opinion", By: ada, Text: "mine"}})
	}
	for i, id := range []string{"m2", "m5", "m6"} { // reactions, corrections and retractions
		author := messages[slices.IndexFunc(messages, func(m Message) bool { return m.ID == id })].Author
		say := func(kind FactKind, by jid.JID, at int64, text string) {
			facts = append(facts, Filed{Target: Target{grace, author, id}, Fact: Fact{Kind: kind, By: by, At: at, Text: text, Stanza: text}})
		}
		for at, set := range []string{"👍", "👍 🎉", "", "🎉"} {
			say(Reacted, grace, int64(at), set)
			facts = append(facts, Filed{Target: Target{grace, "", id}, Fact: Fact{Kind: Reacted, By: ada, At: int64(9 - at), Text: set}})
		}
		say(Corrected, author, 5, "second")
		say(Corrected, author, 7, "second") // the same one, which came live with the time of another clock
		say(Corrected, author, 6, "third")
		if i == 1 {
			say(Retracted, author, 8, "")
		}
	}
	refuse := func(id string, kind FactKind, stanza, text string) { // our facts about m1, m4 and m7 come back
		facts = append(facts, Filed{Target: Target{grace, ada, id}, Fact: Refusal{stanza, kind, "why", text}.Fact(ada, noon)})
	}
	for _, id := range []string{"m1", "m7"} {
		facts = append(facts, Filed{Target: Target{grace, ada, id}, Fact: Fact{Kind: Corrected, By: ada, At: 3, Text: "edited", Stanza: "c" + id}})
		refuse(id, Corrected, "c"+id, "edited")
	}
	facts = append(facts, Filed{Target: Target{grace, ada, "m4"}, Fact: Fact{Kind: Retracted, By: ada, At: 4, Stanza: "r4"}})
	refuse("m4", Retracted, "r4", "words")
	facts = append(facts, about("m4", ReadMark), about("m2", ReadMark), about("m7", ReadMark))
	for _, f := range slices.Clone(facts) { // a stranger forges each of these
		f.Conv, f.By, f.Text = "mallory@localhost", "mallory@localhost", "forged"
		facts = append(facts, f)
		f.Conv = grace
		facts = append(facts, f)
	}

	play := func(r *rand.Rand, facts []Filed) string {
		disk := &keptRows{map[Key]*MessageRow{}, map[string]Row{}}
		s, committed := signedIn(), New()
		commit := func() { disk.write(s.Changes(committed)); committed = s }
		readAll := func() {
			if c := s.Chat(grace); c != nil && c.Earlier() {
				page, _ := disk.before(c.Timeline.First().Key, 1000)
				s = s.With(HistoryRead{Conv: grace, Messages: page})
			}
		}
		live := r.IntN(len(messages) + 1) // messages from this one on come live
		older, newer := live-1, live
		for older >= 0 || newer < len(messages) || len(facts) > 0 {
			switch n := r.IntN(20); {
			case n < 12 && len(facts) > 0:
				s = s.With(facts[0])
				facts = facts[1:]
			case n < 15 && newer < len(messages):
				s = s.With(MessageAdded{Conv: grace, Message: messages[newer]})
				newer++
			case n < 17 && older >= 0:
				readAll()
				page := ArchivePage{Conv: grace, Older: true}
				for ; older >= 0 && len(page.Messages) < 2; older-- {
					page.Messages = append([]Message{archived(messages[older], fmt.Sprint("a", older))}, page.Messages...)
				}
				s = s.With(page)
			case n == 17:
				readAll()
			case n == 18:
				commit()
			case n == 19:
				commit()
				ev := Applied{All: true}
				for _, row := range disk.others {
					ev.Rows = append(ev.Rows, row)
				}
				page, earlier := disk.before(Key{}, 1)
				if len(page) > 0 {
					ev.Read = []HistoryRead{{Conv: grace, Messages: page, Earlier: earlier}}
				}
				s = s.With(ev)
				committed = s
			}
		}
		readAll()
		var picture strings.Builder
		c := s.Chat(grace)
		for _, m := range c.Timeline.Newest(100) {
			fmt.Fprint(&picture, m.ID, m.Words(), m.Reactions(), m.Delivery, m.Problem, m.Bounced, m.Asks, c.Seen(m))
			refusal, _ := m.Refusal()
			fmt.Fprint(&picture, refusal)
			if m.Facts != nil {
				said := slices.Clone(*m.Facts)
				slices.SortFunc(said, func(a, b Fact) int { return strings.Compare(string(a.By), string(b.By)) })
				fmt.Fprint(&picture, said)
			}
			fmt.Fprintln(&picture)
		}
		if s.Chat("mallory@localhost") != nil {
			picture.WriteString("there is a conversation with mallory")
		}
		return picture.String()
	}
	want := ""
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 9))
		some := slices.Clone(facts)
		r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		got := play(r, some)
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("seed %d\n got %s\nwant %s", seed, got, want)
		}
	}
	if !strings.Contains(want, "true") || strings.Contains(want, "forged") {
		t.Errorf("the picture is\n%s", want)
	}
}

// A fact counts only if its author may say it. The honest twin of each does count.
func TestSec10_FactsOfThoseWhoMaySayThem(t *testing.T) {
	s := signedIn().
		With(MessageAdded{Conv: grace, Message: mine("1", "ours", 0)}).
		With(MessageAdded{Conv: grace, Message: from("1", "hers", time.Second)})
	for _, kind := range []FactKind{Acked, GaveUp, Bounced, Receipt, Markable, ReadMark, Reacted, Corrected, Retracted, Moderated, Replies, Refused} {
		for _, author := range []jid.JID{ada, grace} {
			for _, by := range []jid.JID{ada, grace, "mallory@localhost"} {
				honest := map[string]bool{
					"server ada ada": true, "failed ada ada": true, "bounced ada grace": true, "received ada grace": true,
					"markable ada ada": true, "markable grace grace": true, "displayed ada grace": true, "displayed grace ada": true,
					"reacted ada ada": true, "reacted ada grace": true, "reacted grace ada": true, "reacted grace grace": true,
					"corrected ada ada": true, "corrected grace grace": true, "retracted ada ada": true, "retracted grace grace": true,
					"refused ada ada": true, "refused grace ada": true, "replies ada ada": true, "replies grace grace": true,
				}[fmt.Sprint(kind, " ", author.Local(), " ", by.Local())]
				for _, conv := range []ConvID{grace, "mallory@localhost"} {
					next := s.With(Filed{Target: Target{conv, author, "1"}, Fact: Fact{Kind: kind, By: by, Text: "why"}})
					changed := next.Chat(grace).Timeline != s.Chat(grace).Timeline || next.Chat(grace).SeenTo != s.Chat(grace).SeenTo ||
						next.Chat(grace).ReadTo != s.Chat(grace).ReadTo
					if changed != (honest && conv == grace) || next.Chat("mallory@localhost") != nil {
						t.Errorf("%s about one of %s by %s in %s: changed %v", kind, author, by, conv, changed)
					}
				}
			}
		}
	}
}

// Facts about messages that do not exist are bounded for each conversation, and push out none of another one.
func TestSec10_FactsOfNothingAreFew(t *testing.T) {
	const stranger = "mallory@localhost"
	s := signedIn().With(about("early", Receipt))
	for i := range 5 * mostFiled {
		s = s.With(Filed{Target: Target{stranger, ada, fmt.Sprint(i)}, Fact: Fact{Kind: Receipt, By: stranger, At: int64(i)}})
	}
	if n := s.filed.Len(); n != mostFiled+1 || s.Chat(stranger) != nil {
		t.Errorf("%d wait, in %v", n, s.Chat(stranger))
	}
	for f := range s.filedFrom(stranger) {
		if f.At < 4*mostFiled {
			t.Errorf("one of %d is there", f.At)
		}
	}
	if m := s.With(MessageAdded{Conv: grace, Message: mine("early", "hi", 0)}).Chat(grace).Timeline.Last(); m.Delivery != Delivered {
		t.Errorf("an honest one is lost: %+v", m)
	}
}

// If one person says a thousand facts of a kind about a message, only the last ones are remembered, on the
// message and while they wait.
func TestSec10_SaidAThousandTimes(t *testing.T) {
	s := signedIn().With(MessageAdded{Conv: grace, Message: from("m1", "words", 0)})
	for i := range 1000 {
		for _, id := range []string{"m1", "early"} {
			for _, kind := range []FactKind{Reacted, Corrected} {
				s = s.With(Filed{Target: Target{grace, grace, id}, Fact: Fact{Kind: kind, By: grace, At: int64(i), Text: fmt.Sprint("n", i)}})
			}
		}
	}
	if n := s.filed.Len(); n != 2*mostVersions {
		t.Errorf("%d wait", n)
	}
	s = s.With(MessageAdded{Conv: grace, Message: from("early", "words", 1)})
	for m := range s.Chat(grace).Timeline.All {
		if n := len(*m.Facts); n != 1+mostVersions || m.Words() != "n999" || m.Reaction(grace) != "n999" {
			t.Errorf("%s has %d facts, and says %s", m.ID, n, m.Words())
		}
	}
}

// The text of a message, and its earlier versions, follow from its facts.
func TestL03_WhatAMessageSaysAndWas(t *testing.T) {
	s := signedIn().With(MessageAdded{Conv: grace, Message: from("m1", "first", 0)}).With(MessageAdded{Conv: grace, Message: mine("m2", "ours", 1)})
	say := func(id string, author, by jid.JID, kind FactKind, at int64, text string) {
		s = s.With(Filed{Target: Target{grace, author, id}, Fact: Fact{Kind: kind, By: by, At: at, Text: text, Stanza: text}})
	}
	say("m1", grace, grace, Corrected, 2, "third")
	say("m1", grace, grace, Corrected, 1, "second")
	say("m1", grace, ada, Corrected, 3, "ours")
	say("m2", "", grace, Reacted, 1, "🎉 👍")
	say("m2", "", ada, Reacted, 2, "👍")
	say("m2", ada, ada, Replies, 1, Target{Author: grace, ID: "m1"}.Reference())
	c := s.Chat(grace)
	first, last := c.Timeline.First(), c.Timeline.Last()
	if v := first.Versions(); first.Words() != "third" || first.Body != "first" || len(v) != 2 || v[0].Text != "second" {
		t.Errorf("it says %q, and was %+v", first.Words(), v)
	}
	if r := last.Reactions(); len(r) != 2 || r[0].Emoji != "🎉" || len(r[1].By) != 2 || r[1].Emoji != "👍" || last.Reaction(ada) != "👍" {
		t.Errorf("the reactions are %+v", r)
	}
	if to, ok := c.Reply(last); !ok || s.About(to) != first {
		t.Errorf("it replies to %+v", to)
	}
	say("m1", grace, grace, Retracted, 9, "")
	first = s.Chat(grace).Timeline.First()
	if _, gone := first.Gone(); !gone || first.Words()+first.Body != "" || first.Versions() != nil {
		t.Errorf("left of it is %+v", first)
	}
	for _, row := range s.Changes(nil) {
		if text, err := json.Marshal(row); err != nil || strings.Contains(string(text), "second") || strings.Contains(string(text), "first") {
			t.Errorf("a row has %s, %v", text, err)
		}
	}
}

// The Aim of a draft is kept, even while the draft is empty.
func TestDraft_WhatItIsToBe(t *testing.T) {
	aim := Aim{Of: Target{grace, ada, "m1"}, Edit: true, Before: "half a sen", BeforeOf: Target{grace, grace, "m0"}}
	s := signedIn().With(ChatStarted{Conv: grace})
	before := s
	s = s.With(AimChanged{Conv: grace, Aim: aim})
	rows := s.Changes(before)
	text, err := json.Marshal(rows)
	var read []Row
	if err != nil || json.Unmarshal(text, &read) != nil {
		t.Fatal(string(text), err)
	}
	if c := before.With(Applied{Rows: read}).Chat(grace); c.Aim != aim || c.Draft != "" {
		t.Errorf("read is %+v", c)
	}
	for _, in := range []Intent{Correct{Of: aim.Of, Body: "words"}, SendMessage{Conv: grace, ID: "m2", Body: "words"}} {
		after := s
		for _, ev := range Shown(in, s) {
			after = after.With(ev)
		}
		gone := after.Changes(s)
		if c := after.Chat(grace); c.Aim != (Aim{}) || !slices.ContainsFunc(gone, func(r Row) bool { d, ok := r.Value.(*Draft); return ok && r.Gone && d.Conv == grace }) {
			t.Errorf("after %T it is %+v, %+v", in, c.Aim, gone)
		}
	}
}

// If a fact of the person comes back as an error, it is undone, even if the archive has it. The message has a Refusal
// until the person sends another fact of this kind, or dismisses the Refusal.
func TestRefused_PutsThingsBack(t *testing.T) {
	s := signedIn().With(MessageAdded{Conv: grace, Message: mine("m1", "first", 0)})
	say := func(f Fact) { s = s.With(Filed{Target: Target{grace, ada, "m1"}, Fact: f}) }
	now := func() *Message { return s.Chat(grace).Timeline.Last() }
	refusal := func() string { r, ok := now().Refusal(); return fmt.Sprint(r, ok) }

	edit := Fact{Kind: Corrected, By: ada, At: 1, Text: "second", Stanza: "c1"}
	say(edit)
	say(Refusal{"c1", Corrected, "why", "second"}.Fact(ada, time.UnixMicro(2)))
	say(edit)
	if now().Words() != "first" || len(now().Versions()) != 0 || refusal() != "{c1 corrected why second} true" {
		t.Errorf("it says %q, %s", now().Words(), refusal())
	}
	say(Fact{Kind: Corrected, By: ada, At: 3, Text: "second", Stanza: "c2"})
	if now().Words() != "second" || refusal() != "{   } false" {
		t.Errorf("then it says %q, %s", now().Words(), refusal())
	}

	take := Fact{Kind: Retracted, By: ada, At: 4, Stanza: "r1"}
	say(take)
	say(Refusal{"r1", Retracted, "why", "second"}.Fact(ada, time.UnixMicro(5)))
	say(take)
	if _, gone := now().Gone(); gone || now().Words() != "second" || refusal() != "{r1 retracted why second} true" {
		t.Errorf("left is %q, %s", now().Words(), refusal())
	}
	for _, ev := range Shown(LetBe{Of: Target{grace, ada, "m1"}, Stanza: "r1", At: time.UnixMicro(6)}, s) {
		s = s.With(ev)
	}
	if _, gone := now().Gone(); gone || refusal() != "{   } false" {
		t.Errorf("let be: %+v, %s", now(), refusal())
	}
	say(Fact{Kind: Retracted, By: ada, At: 7, Stanza: "r2"})
	rows, err := json.Marshal(s.Changes(nil))
	if _, gone := now().Gone(); !gone || err != nil || strings.Contains(string(rows), "second") || strings.Contains(string(rows), "first") {
		t.Errorf("left on the disk is %s, %v", rows, err)
	}
	say(Fact{Kind: Refused, By: "mallory@localhost", At: 8, Stanza: "r2", Text: "retracted\nwhy\nforged"})
	if _, gone := now().Gone(); !gone {
		t.Error("somebody else has put it back")
	}
}

// A copy of a reaction from an archive, which has only the nick, does not count twice. A reaction of another time
// is by the one who had the nick then.
func TestReactionOfATenureAndOfItsNick(t *testing.T) {
	const room = jid.JID("tea@rooms.localhost")
	known := Author{JID: room + "/grace", Nick: "grace", Tenure: Tenure{Since: 100}}
	fact := func(a Author, at int64, text string) Fact {
		return Fact{Kind: Reacted, By: a.Whose(), At: at, Text: text, Nick: a.Nick}
	}
	told := Author{JID: room + "/grace", Nick: "grace"}
	next := Author{JID: room + "/grace", Nick: "grace", Tenure: Tenure{Since: 1e9, Again: true}}
	for _, tc := range []struct {
		facts []Fact
		want  int
	}{
		{[]Fact{fact(known, 200, "🎉"), fact(told, 199, "🎉")}, 1},
		{[]Fact{fact(told, 199, "😀"), fact(known, 300, "🎉")}, 1}, // changed since
		{[]Fact{fact(known, 200, "🎉"), fact(told, 50, "😀")}, 2},
		{[]Fact{fact(known, 200, "🎉"), fact(next, 2e9, "")}, 1},
		{[]Fact{fact(known, 200, "🎉"), fact(next, 2e9, "🎉")}, 2},
	} {
		m := &Message{}
		for _, f := range tc.facts {
			m = m.With(f)
		}
		n := 0
		for _, r := range m.Reactions() {
			n += len(r.By)
		}
		if n != tc.want {
			t.Errorf("%+v: %d reactions, want %d", tc.facts, n, tc.want)
		}
	}
}

// A room can remove a message of ours, whether it is in memory, comes later or is on the disk. Nobody else can do
// so in the name of the room.
func TestSec9_OurOwnMessageIsModerated(t *testing.T) {
	const lounge = jid.JID("lounge@rooms.localhost")
	conv := Groupchat.With(lounge)
	about := Target{Conv: conv, ID: "s1"}
	ours := MessageAdded{Conv: conv, Message: Message{ID: "m1", ArchiveID: "s1", Author: ada, Mine: true, Body: "ours", At: noon, Delivery: OnServer}}
	moderated := func(by jid.JID) Filed {
		return Filed{Target: about, Fact: Fact{Kind: Moderated, By: by, At: 1, Text: "spam"}}
	}
	begin := signedIn().With(ChatStarted{Conv: conv})
	here := begin.With(ours)
	row := here.Changes(begin)
	for by, honest := range map[jid.JID]bool{lounge: true, ada: false, lounge.WithResource("grace"): false, lounge.WithResource("ada"): false, "other@rooms.localhost": false} {
		disk := &keptRows{map[Key]*MessageRow{}, map[string]Row{}}
		disk.write(row)
		for k, m := range disk.messages {
			m := *m
			if honest {
				m.Attach(moderated(by).Fact) // Filed drops all others before this
			}
			disk.messages[k] = &m
		}
		page, _ := disk.before(Key{}, 10)
		for how, s := range map[string]*State{
			"live":   here.With(moderated(by)),
			"before": begin.With(moderated(by)).With(ours),
			"disk":   begin.With(HistoryRead{Conv: conv, Messages: page}),
		} {
			m := s.Chat(conv).Timeline.Last()
			if f, gone := m.Gone(); gone != honest || honest && (f.Text != "spam" || m.Words() != "") || !honest && m.Words() != "ours" {
				t.Errorf("by %s, %s: %q, %+v %v", by, how, m.Words(), f, gone)
			}
		}
	}
}
