//go:build linux

package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

func TestChat(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace, linus := p.person(t).here(), p.person(t).here(), p.person(t).here()

		t.Run("D01 T02 found by host-meta, over wss", func(t *testing.T) {
			if c := ada.State().Connection; !strings.HasPrefix(c.Endpoint, "wss://") || c.Problem != nil {
				t.Errorf("the connection is %+v", c)
			}
		})
		t.Run("P01 P07 SASL2 and Bind 2 where they are offered", func(t *testing.T) {
			if used := count(ada.wire.sent(0), "<authenticate xmlns=\"urn:xmpp:sasl:2\""); (used == 1) != p.sasl2 {
				t.Errorf("used %d times, offered: %v", used, p.sasl2)
			}
		})
		befriend(ada, grace)

		t.Run("both ways, receipts included", func(t *testing.T) {
			ada.says(grace, "hello")
			grace.hears(ada, "hello")
			ada.sees(grace.account, "hello", state.Delivered)
			grace.says(ada, "<&> \"'\n\tšč 😀")
			ada.hears(grace, "<&> \"'\n\tšč 😀")
			grace.sees(ada.account, "<&> \"'\n\tšč 😀", state.Delivered)
			ada.wants(grace.account, "hello", "<&> \"'\n\tšč 😀")
			grace.wants(ada.account, "hello", "<&> \"'\n\tšč 😀")
		})
		t.Run("M05 without a receipt it is on the server", func(t *testing.T) {
			ada.says(linus, "who are you?")
			linus.hears(ada, "who are you?")
			if m := ada.sees(linus.account, "who are you?", state.OnServer); m.Delivery != state.OnServer {
				t.Errorf("it is %v", m.Delivery)
			}
		})
		t.Run("unread", func(t *testing.T) {
			ada.says(grace, "one more")
			grace.hears(ada, "one more")
			// Grace's answer in between counts the first as read.
			if n := grace.State().Chat(ada.conv()).Unread; n != 1 {
				t.Errorf("%d unread", n)
			}
			grace.Do(state.ReadChat{Conv: ada.conv()})
			grace.until("nothing unread", func(s *state.State) bool { return s.Chat(ada.conv()).Unread == 0 })
		})
		t.Run("typing", func(t *testing.T) {
			typing := func(yes bool) func(*state.State) bool {
				return func(s *state.State) bool { return s.Chat(grace.conv()).Typing == yes }
			}
			grace.Do(state.Typing{Conv: ada.conv(), Typing: true})
			ada.until("typing", typing(true))
			grace.Do(state.Typing{Conv: ada.conv()})
			ada.until("not typing", typing(false))
			grace.Do(state.Typing{Conv: ada.conv(), Typing: true})
			ada.until("typing again", typing(true))
			grace.says(ada, "there")
			ada.hears(grace, "there")
			if ada.State().Chat(grace.conv()).Typing {
				t.Error("still typing after the message")
			}
		})
		t.Run("K04 S02 pings by the other client are answered", func(t *testing.T) {
			answered := make(chan string, 1)
			since := ada.wire.now()
			ada.Send(framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", "ping1").
				Set("to", grace.State().Me.String()).Add(framing.New("urn:xmpp:ping", "ping")))
			stop := ada.Watch(func() {})
			defer stop()
			ada.says(grace, "and a ping")
			grace.hears(ada, "and a ping")
			ada.sees(grace.account, "and a ping", state.Delivered)
			for _, doc := range ada.wire.received(since) {
				if strings.Contains(doc, "ping1") {
					answered <- doc
				}
			}
			select {
			case doc := <-answered:
				e, err := framing.Parse(doc, framing.Limits{})
				if err != nil || e.Attr("type") != "result" || e.Attr("id") != "ping1" || e.First() != nil {
					t.Errorf("the answer is %s", doc)
				}
			default:
				t.Error("no answer")
			}
		})
		t.Run("N07 S01 S03 S17 S19 on the wire", func(t *testing.T) {
			for _, who := range []*person{ada, grace, linus} {
				lawful(t, who.wire.sent(0))
			}
		})
		t.Run("S12 roster, carbons, presence, archive, in this order", func(t *testing.T) {
			// If the archive were asked before presence is sent, a message between the two would be lost.
			order := -1
			sent := ada.wire.sent(0)
			for _, what := range []string{`type="get"`, "urn:xmpp:carbons:2", "<presence ", `<query xmlns="urn:xmpp:mam:2"`} {
				at := slices.IndexFunc(sent, func(doc string) bool {
					return strings.Contains(doc, what) && (what != `type="get"` || strings.Contains(doc, "jabber:iq:roster"))
				})
				if strings.HasPrefix(sent[at], "<authenticate ") {
					continue // carbons come with Bind 2
				}
				if at <= order {
					t.Errorf("%s is the %dth, too early", what, at)
				}
				order = at
			}
		})
		if ada.wire.Dials() != 1 || grace.wire.Dials() != 1 {
			t.Error("somebody had to connect twice")
		}
	})
}

// lawful checks the rules for what a client sends in one session.
func lawful(t *testing.T, docs []string) {
	t.Helper()
	bound := false
	for _, doc := range docs {
		e, err := framing.Parse(doc, framing.Limits{})
		if err != nil {
			t.Errorf("%v: %s", err, doc)
			continue
		}
		if e.Child("urn:ietf:params:xml:ns:xmpp-bind", "bind") != nil || e.Is("urn:xmpp:sasl:2", "authenticate") {
			bound = true
			continue
		}
		switch e.Name.Local {
		case "message", "presence", "iq":
		default:
			continue
		}
		_, typed := e.Lookup(framing.Name{Local: "type"})
		switch {
		case !bound:
			t.Errorf("before the session is bound: %s", doc)
		case e.Name.Space != framing.NSClient:
			t.Errorf("not in jabber:client: %s", doc)
		case e.Attr("from") != "":
			t.Errorf("with a sender: %s", doc)
		case typed && e.Attr("type") == "":
			t.Errorf("with an empty type: %s", doc)
		case e.Name.Local == "iq" && (e.Attr("id") == "" || e.Attr("type") == ""):
			t.Errorf("without id or type: %s", doc)
		case e.Name.Local == "message" && e.Attr("id") == "":
			t.Errorf("without an id: %s", doc)
		case (e.Attr("type") == "get" || e.Attr("type") == "set") && len(e.Elements()) != 1:
			t.Errorf("not exactly one payload: %s", doc)
		case e.Child("jabber:iq:roster", "query") != nil && e.Attr("to") != "":
			t.Errorf("our own account needs no address: %s", doc)
		}
	}
}

func TestCarbons(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		desk, grace := p.person(t).here(), p.person(t).here()
		befriend(desk, grace)
		phone := p.device(t, desk.account).here()

		grace.says(desk, "for both of you")
		desk.hears(grace, "for both of you")
		phone.hears(grace, "for both of you")

		desk.says(grace, "from the desk")
		grace.hears(desk, "from the desk")
		phone.sees(grace.account, "from the desk", state.OnServer)

		phone.says(grace, "from the phone")
		grace.hears(desk, "from the phone")
		desk.sees(grace.account, "from the phone", state.OnServer)

		// Grace's next message goes to the full address of the phone.
		grace.says(desk, "to the phone")
		phone.hears(grace, "to the phone")
		desk.hears(grace, "to the phone")

		for _, mine := range []*person{desk, phone} {
			mine.wants(grace.account, "for both of you", "from the desk", "from the phone", "to the phone")
		}
		grace.wants(desk.account, "for both of you", "from the desk", "from the phone", "to the phone")
	})
}

func TestArchive(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const n = 120
		ada, grace := p.person(t).here(), p.person(t).here()
		var all []string
		for i := range n {
			body := fmt.Sprintf("message %d", i)
			all = append(all, body)
			// The two write in turns, and each waits for the last message of the other.
			if i%10 == 9 {
				grace.says(ada, body)
				ada.hears(grace, body)
				continue
			}
			ada.says(grace, body)
			if i%10 == 8 {
				grace.hears(ada, body)
			}
		}
		ada.wants(grace.account, all...)

		late := p.device(t, ada.account).here()
		t.Run("the newest page at sign-in", func(t *testing.T) {
			got := late.bodies(grace.account)
			if len(got) == 0 || len(got) > 50 || !slices.Equal(got, all[n-len(got):]) {
				t.Errorf("%d rows: %q", len(got), got)
			}
			if unread := late.State().Chat(grace.conv()).Unread; unread != 0 {
				t.Errorf("%d unread of a history that is long read", unread)
			}
		})
		t.Run("older pages to the beginning, in order, each once", func(t *testing.T) {
			late.scrollBack(grace.account)
			late.wants(grace.account, all...)
			for _, m := range late.State().Chat(grace.conv()).Timeline.Newest(n) {
				if m.Mine != (m.Author == ada.account) || m.ArchiveID == "" || m.Mine && m.Delivery < state.OnServer {
					t.Errorf("the row is %+v", m)
				}
			}
			since := late.wire.now()
			late.Do(state.LoadOlder{Conv: grace.conv()})
			late.says(grace, "done")
			grace.hears(ada, "done")
			if count(late.wire.sent(since), "urn:xmpp:mam:2") != 0 {
				t.Error("asked for more than there is")
			}
		})
		t.Run("one who has it all already sees nothing twice", func(t *testing.T) {
			ada.scrollBack(grace.account)
			ada.until("the last", func(s *state.State) bool { return last(s, grace.account).Body == "done" })
			ada.wants(grace.account, append(slices.Clone(all), "done")...)
		})
	})
}

// scrollBack loads a conversation to its beginning.
func (p *person) scrollBack(peer jid.JID) {
	p.t.Helper()
	for range 100 {
		above := func(s *state.State) (state.Gap, bool, int) {
			gap := state.Gap{}
			if g := s.Older(state.Direct.With(peer)); g != nil {
				gap = *g
			}
			return gap, s.Chat(state.Direct.With(peer)).Earlier(), s.Chat(state.Direct.With(peer)).Timeline.Len()
		}
		s := p.until("a page", func(s *state.State) bool { gap, _, _ := above(s); return !gap.Fill.Loading })
		if s.Whole(state.Direct.With(peer)) {
			return
		}
		gap, earlier, n := above(s)
		if gap.Fill.Failed != "" {
			p.t.Fatal(gap.Fill.Failed)
		}
		p.Do(state.LoadOlder{Conv: state.Direct.With(peer)})
		p.until("more", func(s *state.State) bool {
			now, onDisk, have := above(s)
			return have > n || onDisk != earlier || now != gap && !now.Fill.Loading
		})
	}
	p.t.Fatal("the archive has no beginning")
}

func TestOfflineMessagesComeOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		befriend(ada, grace)
		grace.says(ada, "good night")
		ada.hears(grace, "good night")
		grace.Do(state.SignOut{})
		ada.until("she is gone", func(s *state.State) bool {
			return s.Contact(grace.account).Presence().Show == state.Unavailable
		})
		for _, body := range []string{"one", "two", "three"} {
			ada.says(grace, body)
			ada.sees(grace.account, body, state.OnServer)
		}
		// The server has stored them for her, and has them in its archive too.
		grace = p.device(t, grace.account).here()
		ada.until("she is back", func(s *state.State) bool {
			return s.Contact(grace.account).Presence().Show != state.Unavailable
		})
		ada.says(grace, "there you are")
		grace.hears(ada, "there you are")
		ada.sees(grace.account, "there you are", state.OnServer)
		ada.wants(grace.account, "good night", "one", "two", "three", "there you are")
		// Prosody 13 stamps the messages that it has stored in whole seconds, and those of its archive
		// in parts of a second. So in the same second either may come first.
		got := grace.bodies(ada.account)
		if i := slices.Index(got, "good night"); i >= 0 {
			got = append([]string{"good night"}, slices.Delete(got, i, i+1)...)
		}
		if !slices.Equal(got, []string{"good night", "one", "two", "three", "there you are"}) {
			t.Errorf("she finds %q", got)
		}
	})
}

func TestS18_TooLarge(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, grace := p.person(t).here(), p.person(t).here()
		huge := strings.Repeat("ab&", 100_000)
		ada.says(grace, huge)
		m := ada.sees(grace.account, huge, state.Failed)
		if m.Problem != "It is too long for this server. Try to send it in parts." {
			t.Errorf("the sentence is %q", m.Problem)
		}
		ada.says(grace, "short")
		grace.hears(ada, "short")
		grace.wants(ada.account, "short")
		if ada.wire.Dials() != 1 {
			t.Error("it cost the connection")
		}
	})
}

// If a bot sends the same text several times, with the same id or without one, each is a message: live, and
// on a device that has only the archive. A live message without an id is not shown a second time after the
// archive was read.
func TestDuplicates(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ada, bot := p.person(t).here(), p.person(t).here()
		ok := func(id string) {
			st := framing.New(framing.NSClient, "message").Set("type", "chat").Set("to", string(ada.account)).
				Add(framing.New(framing.NSClient, "body").AddText("ok"))
			if id != "" {
				st.Set("id", id)
			}
			bot.Send(st)
		}
		want := []string{"ok", "ok", "ok", "that was by id", "ok", "ok", "the end"}
		for range 3 {
			ok("1")
		}
		bot.says(ada, "that was by id")
		ok("")
		ok("")
		bot.says(ada, "the end")
		ada.hears(bot, "the end")
		ada.wants(bot.account, want...)
		ada.Do(state.LoadOlder{Conv: bot.conv()})
		ada.until("all of the archive", func(s *state.State) bool { return s.Whole(bot.conv()) })
		ada.wants(bot.account, want...)

		p.device(t, ada.account).here().wants(bot.account, want...)
	})
}

// A message without a body is in each tab, after a reload, in the archive, and in the results of a search.
func TestUnreadable(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const notice = "This message is encrypted with OMEMO. Natter cannot read it. Ask for it to be sent again without encryption."
		d, ada := p.remembering(t)
		mirror := d.tab()
		grace := p.person(t).here()
		send := func(payload ...*framing.Element) {
			grace.Send(framing.New(framing.NSClient, "message").Set("type", "chat").Set("to", string(d.account)).Set("id", fmt.Sprint("u", len(payload))).
				Add(payload...).Add(framing.New("urn:xmpp:hints", "store")))
		}
		send(framing.New(framing.NSClient, "subject").AddText("Lunch?"))
		send(framing.New("urn:xmpp:eme:0", "encryption").Set("namespace", "eu.siacs.conversations.axolotl"),
			framing.New("eu.siacs.conversations.axolotl", "encrypted").Add(framing.New("eu.siacs.conversations.axolotl", "payload").AddText("eA==")))
		grace.says(ada.person, "the end")
		check := func(who *person) {
			t.Helper()
			who.hears(grace, "the end")
			all := who.State().Chat(grace.conv()).Timeline.Newest(10)
			if len(all) != 3 || all[0].Subject != "Lunch?" || all[0].Body != "" || all[0].Notice ||
				all[1].Body != notice || !all[1].Notice || all[2].Notice {
				for _, m := range all {
					t.Errorf("there is %+v", *m)
				}
			}
		}
		check(ada.person)
		check(mirror.person)
		ada.die()
		mirror.die()
		d.network.mend()
		ada = d.page().back()
		check(ada.person)
		if got := ada.found("LUNCH", 10); !slices.Equal(got, []string{""}) {
			t.Errorf("by its subject %q is found", got)
		}
		if got := ada.found("omemo", 10); !slices.Equal(got, []string{notice}) {
			t.Errorf("what cannot be read is found as %q", got)
		}
		check(p.device(t, d.account).here())
	})
}
