package trial

import (
	"strings"
	"testing"

	"natter/framing"
)

const bindEmpty = `<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>`

func bindAs(resource string) string {
	return `<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>` + resource + `</resource></bind></iq>`
}

func bindName(e *framing.Element) string {
	return e.Child(nsBind, "bind").Child(nsBind, "jid").Text()
}

func TestV11_Bind(t *testing.T) {
	t.Run("random resource", func(t *testing.T) {
		f := demo(t)
		a, b := adaUnbound(f, t), adaUnbound(f, t)
		a.send(bindEmpty)
		b.send(bindEmpty)
		first, second := bindName(a.next()), bindName(b.next())
		if !strings.HasPrefix(first, "ada@localhost/") || first == second {
			t.Errorf("%s and %s", first, second)
		}
	})
	t.Run("requested resource", func(t *testing.T) {
		c := adaUnbound(demo(t), t)
		c.send(bindAs("balcony"))
		if got := bindName(c.next()); got != "ada@localhost/balcony" {
			t.Error(got)
		}
	})
	t.Run("bad-request", func(t *testing.T) {
		c := adaUnbound(demo(t), t)
		c.send(bindAs(strings.Repeat("x", 2000)))
		c.want("<bad-request")
		c.bind("shorter")
	})
	t.Run("too many attempts", func(t *testing.T) {
		c := adaUnbound(demo(t), t)
		for range 6 {
			c.send(bindAs(strings.Repeat("x", 2000)))
			c.want("<bad-request")
		}
		c.wantFailure(framing.PolicyViolation)
	})
	t.Run("not-allowed twice on one stream", func(t *testing.T) {
		c := adaBound(demo(t), t)
		c.send(bindEmpty)
		c.want("<not-allowed")
	})
	t.Run("conflict replaces the old", func(t *testing.T) {
		f := demo(t)
		old := f.bound(t, "ada", "x")
		f.bound(t, "ada", "x").all()
		old.wantFailure(framing.Conflict)
	})
	t.Run("conflict renames the new", func(t *testing.T) {
		f := start(t, Options{Demo: true, Conflict: RenameNew})
		old := f.bound(t, "ada", "x")
		if c := f.bound(t, "ada", "x"); c.jid == old.jid {
			t.Errorf("both are %s", c.jid)
		}
		old.all()
	})
	t.Run("conflict refuses the new", func(t *testing.T) {
		f := start(t, Options{Demo: true, Conflict: RefuseNew})
		old := f.bound(t, "ada", "x")
		c := adaUnbound(f, t)
		c.send(bindAs("x"))
		c.want("<conflict")
		c.bind("y")
		old.all()
	})
	t.Run("sec 96 resource-constraint", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Sessions: 2}})
		f.bound(t, "ada", "x")
		f.bound(t, "ada", "y")
		c := adaUnbound(f, t)
		c.send(bindEmpty)
		c.want("<resource-constraint")
	})
	t.Run("a session that waits gives way", func(t *testing.T) {
		f := start(t, Options{Demo: true, Limits: Limits{Sessions: 2}})
		lost := f.bound(t, "ada", "x")
		lost.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`)
		lost.want("<enabled")
		f.bound(t, "ada", "y")
		lost.lose()
		f.bound(t, "ada", "z").all()
	})
}
