package trial

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"natter/framing"
)

const enable = `<enable xmlns='urn:xmpp:sm:3' resume='true'/>`

// managed is a client with Stream Management, and the id of its stream.
func (f *fixture) managed(t *testing.T, user, resource string) (*client, string) {
	t.Helper()
	c := f.bound(t, user, resource)
	c.send(enable)
	e := c.want("<enabled")
	if e.Attr("resume") != "true" || e.Attr("max") != "300" {
		t.Errorf("got %s", e)
	}
	return c, e.Attr("id")
}

func resume(id string, h int) string {
	return fmt.Sprintf(`<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>`, id, h)
}

func TestV20_Order(t *testing.T) {
	t.Run("enable before bind", func(t *testing.T) {
		c := adaUnbound(demo(t), t)
		c.send(enable)
		c.want("<unexpected-request")
		c.bind("a")
	})
	t.Run("resume after bind", func(t *testing.T) {
		c := adaBound(demo(t), t)
		c.send(resume("x", 0))
		c.want("<unexpected-request")
	})
	t.Run("enable twice", func(t *testing.T) {
		c, _ := demo(t).managed(t, "ada", "a")
		c.send(enable)
		c.want("<unexpected-request")
	})
	t.Run("r and a without enable", func(t *testing.T) {
		c := adaBound(demo(t), t)
		c.send(`<r xmlns='urn:xmpp:sm:3'/>`)
		c.want("<unexpected-request")
		c.send(`<a xmlns='urn:xmpp:sm:3' h='0'/>`)
		c.want("<unexpected-request")
	})
	t.Run("without resume", func(t *testing.T) {
		f := demo(t)
		c := f.bound(t, "ada", "a")
		c.send(`<enable xmlns='urn:xmpp:sm:3'/>`)
		if e := c.want("<enabled"); e.Attr("id") != "" {
			t.Error(e)
		}
		c.lose()
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.accounts["ada"].sessions) != 0 {
			t.Error("the session waits for a resume that cannot come")
		}
	})
}

func TestV20_Counts(t *testing.T) {
	c, _ := demo(t).managed(t, "ada", "a")
	r := func(want string) {
		t.Helper()
		c.send(`<r xmlns='urn:xmpp:sm:3'/>`)
		if e := c.want("<a "); e.Attr("h") != want {
			t.Errorf("got %s, want h=%s", e, want)
		}
	}
	r("0")
	c.send(`<presence xmlns='jabber:client' to='nobody@localhost'/>`)
	c.send(chat("grace@localhost", "one"))
	r("2")
	c.send(`<iq xmlns='jabber:client' type='get' id='1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>`)
	c.want("type='result'")
	c.want("<r ")
	r("3")
	t.Run("too high", func(t *testing.T) {
		c.send(`<a xmlns='urn:xmpp:sm:3' h='2'/>`)
		failed := c.wantFailure(framing.UndefinedCondition)
		if failed.App.Attr("h") != "2" || failed.App.Attr("send-count") != "1" {
			t.Errorf("got %s", failed.App)
		}
	})
}

func TestV20_CountsWrap(t *testing.T) {
	m := &acks{most: 10, out: 1<<32 - 1}
	first, second := framing.New("", "a"), framing.New("", "b")
	m.sent(first)
	m.sent(second)
	if m.out != 1 || !m.ack(0) || !slices.Equal(m.unacked, []*framing.Element{second}) {
		t.Errorf("after the wrap: %+v", m)
	}
	if m.ack(2) || m.ack(1<<32-1) {
		t.Error("counts that cannot be were believed")
	}
	if !m.ack(1) || len(m.unacked) != 0 {
		t.Errorf("all is acknowledged: %+v", m)
	}
}

func TestV20_Resume(t *testing.T) {
	// Ada has been sent three messages, has acknowledged one, and loses her
	// connection. Two more arrive.
	lose := func(t *testing.T) (*fixture, *client, string) {
		f := demo(t)
		ada, id := f.managed(t, "ada", "a")
		grace := f.online(t, "grace", "g")
		for i := range 3 {
			grace.send(chat("ada@localhost/a", fmt.Sprint(i)))
		}
		grace.all()
		ada.wantBodies("0", "1", "2")
		ada.lose()
		for i := range 2 {
			grace.send(chat("ada@localhost/a", fmt.Sprint(i+3)))
		}
		grace.wantSummary() // ada has not left
		return f, grace, id
	}
	t.Run("again in order", func(t *testing.T) {
		f, grace, id := lose(t)
		ada := adaUnbound(f, t)
		ada.send(resume(id, 1))
		if e := ada.want("<resumed"); e.Attr("previd") != id || e.Attr("h") != "1" { // the ping of wantBodies
			t.Error(e)
		}
		grace.send(chat("ada@localhost/a", "new"))
		grace.all()
		ada.wantBodies("1", "2", "3", "4", "new")
	})
	t.Run("V22 inline, before bind", func(t *testing.T) {
		f, _, id := lose(t)
		ada := f.opened(t)
		e := ada.sasl2("ada", "analytical", resume(id, 3)+`<bind xmlns='urn:xmpp:bind:0'/>`)
		if e.Child(nsSM, "resumed").Attr("previd") != id || e.Child(nsBind2, "bound") != nil ||
			e.Child(nsSASL2, "authorization-identifier").Text() != "ada@localhost/a" {
			t.Error(e)
		}
		for _, e := range ada.all() { // and no features
			if e.Name.Local == "features" {
				t.Error(e)
			}
		}
	})
	t.Run("too late", func(t *testing.T) {
		f, grace, id := lose(t)
		f.clock.add(5 * time.Minute)
		ada := adaUnbound(f, t)
		ada.send(resume(id, 1))
		if e := ada.want("<item-not-found"); e.Attr("h") != "1" {
			t.Errorf("%s, want the count of what was handled", e)
		}
		ada.bind("a")
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.wantBodies(greeting, "0", "1", "2", "3", "4") // nothing was acknowledged
		grace.all()
	})
	t.Run("V22 too late, then bound", func(t *testing.T) {
		f, _, id := lose(t)
		f.clock.add(5 * time.Minute)
		ada := f.opened(t)
		e := ada.sasl2("ada", "analytical", resume(id, 3)+`<bind xmlns='urn:xmpp:bind:0'/>`)
		if e.Child(nsSM, "failed").Attr("h") != "1" || e.Child(nsBind2, "bound") == nil {
			t.Error(e)
		}
	})
	t.Run("somebody else's stream", func(t *testing.T) {
		f, _, id := lose(t)
		grace := f.authenticated(t, "grace", "compiler")
		grace.send(resume(id, 1))
		if e := grace.want("<item-not-found"); e.Attr("h") != "" {
			t.Error(e)
		}
	})
	t.Run("too high", func(t *testing.T) {
		f, _, id := lose(t)
		ada := adaUnbound(f, t)
		ada.send(resume(id, 100))
		ada.wantFailure(framing.UndefinedCondition)
	})
	t.Run("conflict on the stale stream", func(t *testing.T) {
		f := demo(t)
		old, id := f.managed(t, "ada", "a")
		ada := adaUnbound(f, t)
		ada.send(resume(id, 0))
		ada.want("<resumed")
		old.wantFailure(framing.Conflict)
		<-old.served
		ada.all()
	})
	t.Run("V18 not after a close in order", func(t *testing.T) {
		f := demo(t)
		old, id := f.managed(t, "ada", "a")
		old.conn.Close(t.Context())
		<-old.served
		ada := adaUnbound(f, t)
		ada.send(resume(id, 0))
		ada.want("<item-not-found")
	})
	t.Run("presence outlives the connection", func(t *testing.T) {
		f := demo(t)
		ada, _ := f.managed(t, "ada", "a")
		ada.send(`<presence xmlns='jabber:client'/>`)
		ada.all()
		grace := f.online(t, "grace", "g")
		ada.lose()
		grace.wantSummary()
		f.clock.add(5 * time.Minute)
		grace.all() // the sweep runs with what somebody sends
		grace.send(presence("probe", "ada@localhost"))
		grace.wantSummary("unavailable from ada@localhost")
	})
}

func TestSec96_Queue(t *testing.T) {
	f := start(t, Options{Demo: true, Limits: Limits{Queue: 3}})
	ada, _ := f.managed(t, "ada", "a")
	grace := f.online(t, "grace", "g")
	for i := range 3 {
		grace.send(chat("ada@localhost/a", fmt.Sprint(i)))
	}
	grace.all()
	for range 4 { // and the <r/>
		ada.next()
	}
	ada.send(`<a xmlns='urn:xmpp:sm:3' h='3'/>`)
	ada.send(`<r xmlns='urn:xmpp:sm:3'/>`)
	ada.want("<a ")
	for i := range 4 {
		grace.send(chat("ada@localhost/a", fmt.Sprint("more ", i)))
	}
	grace.all()
	ada.wantFailure(framing.PolicyViolation)
	again := f.bound(t, "ada", "b")
	again.send(`<presence xmlns='jabber:client'/>`)
	again.wantBodies(greeting, "more 0", "more 1", "more 2")
}
