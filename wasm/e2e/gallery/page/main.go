//go:build js && wasm

// Command page shows one story; the address says which.
package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/view"
	"natter/app/view/stories"
)

// model is a client without a server: what is said is said, and older messages
// come from nowhere.
type model struct {
	s       *state.State
	watcher func()
}

func (m *model) State() *state.State { return m.s }

func (m *model) Watch(f func()) (stop func()) {
	m.watcher = f
	return func() { m.watcher = nil }
}

func (m *model) play(ev state.Event) {
	m.s = m.s.With(ev)
	if m.watcher != nil {
		m.watcher()
	}
}

func (m *model) Do(in state.Intent) {
	switch in := in.(type) {
	case state.StartChat:
		m.play(state.ChatStarted(in))
	case state.ReadChat:
		m.play(state.ChatRead(in))
	case state.SendMessage:
		m.play(state.MessageAdded{Conv: in.Conv, Message: state.Message{
			ID: fmt.Sprint(m.s.Rev), Author: m.s.Account(), Mine: true, Delivery: state.Queued, Body: in.Body, At: time.Now(),
		}})
	case state.ReadOriginal:
		m.play(state.OriginalRead{Original: &state.Original{ReadOriginal: in, XML: `<result xmlns="urn:xmpp:mam:2" id="28482-98726-73623" queryid="f27">
  <forwarded xmlns="urn:xmpp:forward:0">
    <delay xmlns="urn:xmpp:delay" stamp="2026-07-10T23:08:25Z"/>
    <message xmlns="jabber:client" from="ada@example.org/balcony" id="l2" to="grace@example.org" type="chat">
      <body>Which one of them made the machine stop, I wander?</body>
    </message>
  </forwarded>
</result>`}})
	case state.KeepAim:
		m.play(state.AimChanged(in))
	case state.LoadMissing:
		m.play(state.ArchiveAsked{Part: state.Part{Archive: m.s.Account(), With: in.Conv.JID()}, After: in.After})
	case state.SignOut:
		m.play(state.Cleared{})
	}
	app.Window().Get("did").Call("push", fmt.Sprintf("%T", in))
}

// fill brings a page of what is missing in the newest gap of a conversation; the last
// one closes it.
func (m *model) fill(peer jid.JID, n int, last bool) {
	gaps := m.s.Gaps(state.Direct.With(peer))
	gap := gaps[len(gaps)-1]
	part := state.Part{Archive: m.s.Account(), With: peer}
	page := state.ArchivePage{Conv: state.Direct.With(peer), Older: true}
	read := state.Reading{To: gap.Before, Before: gap.Before.ID}
	for i := range n {
		at := gap.Before.At.Add(time.Duration(i-n) * time.Minute)
		id := fmt.Sprint("letter ", at.Unix())
		page.Messages = append(page.Messages, state.Message{ID: id, ArchiveID: id, Author: peer, Body: id, At: at})
		read.IDs = append(read.IDs, id)
	}
	read.From = state.Edge{ID: read.IDs[0], At: page.Messages[0].At}
	if last {
		read.From, read.After = gap.After, gap.After.ID
	}
	m.play(page)
	m.play(state.ArchiveRead{Part: part, Page: read})
	if last {
		m.play(state.ArchiveFilled{Part: part, After: gap.After.ID})
	}
}

// Search finds what is in memory, at once.
func (m *model) Search(typed string, n int, tell func(state.Found)) (stop func()) {
	f := state.Found{Done: true}
	words := state.Words(typed)
	for c := range m.s.Chats {
		for _, said := range c.Timeline.Newest(c.Timeline.Len()) {
			if state.Has(said.Body, words) {
				f.Hits = append(f.Hits, state.Hit{Conv: c.Conv, Message: *said})
			}
		}
	}
	slices.SortFunc(f.Hits, func(a, b state.Hit) int { return cmp.Compare(b.Message.Key.Time, a.Message.Key.Time) })
	f.More = len(f.Hits) > n
	f.Hits = f.Hits[:min(n, len(f.Hits))]
	tell(f)
	return func() {}
}

// page plays what a story's person does, once the view listens.
type page struct {
	view.Page
	do []view.Signal
}

func (p page) Listen(f func(view.Signal)) (stop func()) {
	stop = p.Page.Listen(f)
	for _, sig := range p.do {
		f(sig)
	}
	return stop
}

// Place is nowhere: a story does not go on where the last one ended.
func (page) Place() string   { return "" }
func (page) SetPlace(string) {}

func main() {
	name := app.Window().URL().Query().Get("story")
	story, ok := stories.Find(name)
	if !ok {
		panic("no story " + name)
	}
	m := &model{s: story.Make(time.Now())}
	receive := app.FuncOf(func(_ app.Value, args []app.Value) any {
		peer := m.s.Chat("grace@example.org").Conv
		at := time.Now()
		if len(args) > 1 {
			at = time.UnixMilli(int64(args[1].Float()))
		}
		m.play(state.MessageAdded{Conv: peer, Message: state.Message{
			ID: fmt.Sprint(m.s.Rev), Author: peer.JID(), Body: args[0].String(), At: at,
		}})
		return nil
	})
	app.Window().Set("receive", receive)
	app.Window().Set("fill", app.FuncOf(func(_ app.Value, args []app.Value) any {
		m.fill("grace@example.org", args[0].Int(), args[1].Bool())
		return nil
	}))
	view.Run(m, page{do: story.Do}, func() {})
}
