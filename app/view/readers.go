package view

import (
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// readers are those in the open room who have read up to a message that is shown, and have written nothing
// after it. Whoever tells nobody what they have read is told of nobody.
func (d *desk) readers(shown []*state.Message) map[state.Key][]string {
	r := d.room()
	if r == nil || r.Readers == nil || d.s.Discreet || !r.TellsReaders() {
		return nil
	}
	wrote := map[jid.JID]state.Key{}
	for _, m := range shown {
		wrote[m.Author] = m.Key
	}
	by := map[state.Key][]string{}
	for _, o := range r.Readers.All {
		if !o.To.Before(wrote[o.By]) {
			by[o.To] = append(by[o.To], memberName(o.Nick))
		}
	}
	return by
}

// mostReadBy is how many names stand below a message.
const mostReadBy = 5

// readBy says below a message who has read up to it.
func readBy(names []string) app.UI {
	text := strings.Join(names[:min(len(names), mostReadBy)], ", ")
	if more := len(names) - mostReadBy; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return app.P().Class("read-by").Attr("role", "note").Text("Read by " + text)
}
