package view

import (
	"slices"
	"strings"
	"testing"

	"natter/app/state"
)

// crowd is a bench whose pages nobody may see.
type crowd struct {
	*bench
	unseen bool
}

func (c *crowd) Unseen() bool { return c.unseen }

func TestNotices(t *testing.T) {
	b := sit(t)
	c := &crowd{bench: b}
	b.receive(alan, "before")
	n := &notices{model: c, teller: b, unread: map[state.ConvID]int{}, last: state.New(), told: map[state.ConvID]told{}}
	hears := func(what string, want ...string) {
		t.Helper()
		n.look()
		if !slices.Equal(b.heard, want) {
			t.Errorf("%s: told\n%s\ninstead of\n%s", what, strings.Join(b.heard, "\n"), strings.Join(want, "\n"))
		}
		b.heard = nil
	}
	const me = string(ada)
	hears("what was there is no news", me+" 1")
	hears("nothing")
	b.play(state.TypingChanged{Conv: alan, Typing: true})
	hears("somebody writes")

	c.unseen = true
	b.receive(grace, "secret")
	hears("nothing was chosen", me+" 2")
	b.notices = "on"
	b.receive(grace, "secret")
	hears("without text", me+"|grace@example.org|Grace|2 new messages", me+" 3")
	b.notices = "text"
	b.receive(grace, "two\nlines")
	hears("with text", me+"|grace@example.org|Grace|two lines", me+" 4")
	b.about(grace, "4", grace, state.Reacted, "👍")
	hears("nothing of a reaction")
	b.about(grace, "4", grace, state.Corrected, "two words")
	hears("corrected", me+"|grace@example.org|Grace|two words")
	b.about(grace, "4", grace, state.Retracted, "")
	hears("taken back", me+"|grace@example.org|Grace|Message retracted")
	for _, none := range []string{"none", "refused"} {
		b.notices = none
		b.receive(alan, "one more")
		hears(none, me+" "+map[string]string{"none": "5", "refused": "6"}[none])
	}
	b.notices = "on"
	c.unseen = false
	b.receive(grace, "in sight, or another tab tells")
	hears("seen", me+" 7")

	c.unseen = true
	b.play(state.Filed{Target: state.Target{Conv: grace, Author: grace, ID: "3"}, Fact: state.Fact{Kind: state.ReadMark, By: b.state.Account()}})
	hears("read in part on another device", me+" 5")
	b.play(state.ChatRead{Conv: grace})
	hears("read", "none from grace@example.org", me+" 3")
	b.receive(grace, "again")
	hears("again", me+"|grace@example.org|Grace|New message", me+" 4")
	b.play(state.Cleared{})
	n.look()
	slices.Sort(b.heard)
	if want := []string{" 0", "none from alan@example.org", "none from grace@example.org"}; !slices.Equal(b.heard, want) {
		t.Errorf("after signing out: %q", b.heard)
	}
}

// Off is what somebody finds, and what they choose is the Platform's to keep.
func TestNotices_AreChosenInTheMenu(t *testing.T) {
	b := sit(t)
	pressed := func(text string) bool {
		for _, button := range strings.Split(b.html(), "<button") {
			if strings.Contains(button, `data-do="notices"`) && strings.Contains(button, text) {
				return !strings.Contains(button, `aria-pressed="false"`)
			}
		}
		t.Errorf("no choice is called %q", text)
		return false
	}
	if !pressed("Off") || pressed("With text") {
		t.Error("not off")
	}
	b.sig("notices", "", "text")
	if !pressed("With text") || pressed("Off") {
		t.Error("not with text")
	}
	b.notices = "refused"
	b.rev++
	if !pressed("Off") || !strings.Contains(b.html(), "The browser blocks notifications") {
		t.Error("nobody is told why not")
	}
	b.notices = "none"
	b.rev++
	if strings.Contains(b.html(), `data-do="notices"`) {
		t.Error("what cannot be had is offered")
	}
}
