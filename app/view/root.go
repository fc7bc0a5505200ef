package view

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// Root is the whole page. Everything that happens passes through it, one dispatch
// for each burst, so that the page is measured once before and once after a change.
type Root struct {
	app.Compo

	desk     *desk
	yield    func() // see Run
	ctx      app.Context
	stops    []func()
	settling bool
	awaited  atomic.Bool
	ended    time.Time // the last drawing
	rested   time.Time // from when on the next drawing does not take too much of the time
}

// Drawing what others say takes about a fifth of the time when much of it comes: after a long
// drawing there is a pause of four times its length, but no longer than a person waits for without
// noticing. After a short one there is a pause if another came right before it: with many short
// ones the browser's share, which comes after ours and cannot be measured here, is the larger one.
const (
	quick   = 8 * time.Millisecond
	noticed = 100 * time.Millisecond
)

// drawn notes how long it took to draw.
func (r *Root) drawn(began, ended time.Time) {
	pause := time.Duration(0)
	if took := ended.Sub(began); took > quick {
		pause = min(4*took, noticed)
	} else if began.Sub(r.ended) < noticed {
		pause = noticed / 3
	}
	r.ended, r.rested = ended, ended.Add(pause)
}

// OnMount starts to listen; it is not called outside a browser.
func (r *Root) OnMount(ctx app.Context) {
	r.ctx = ctx
	d := r.desk
	d.later = func(wait time.Duration, f func()) {
		time.AfterFunc(wait, func() { d.post(f) })
	}
	d.post = func(f func()) {
		ctx.Dispatch(func(app.Context) { r.change(f, true) })
	}
	r.stops = append(r.stops,
		d.model.Watch(func() {
			if r.awaited.Swap(true) {
				return // the dispatch on its way will find this state too
			}
			draw := func() {
				ctx.Dispatch(func(app.Context) {
					r.awaited.Store(false)
					r.change(d.refresh, false)
				})
			}
			if wait := time.Until(r.rested); wait > 0 && wait <= noticed {
				time.AfterFunc(wait, func() {
					r.yield() // the program may find that the time has come in the middle of a long task
					draw()
				})
				return
			}
			draw()
		}),
		d.platform.Listen(func(sig Signal) {
			ctx.Dispatch(func(ctx app.Context) {
				if sig.Do == doMessage || sig.Do == doSend {
					// Writing is quick: what is written is on the page already, and what is sent
					// comes back in a State.
					ctx.PreventUpdate()
					r.guard(func() { d.happened(sig) })
					return
				}
				r.change(func() { d.happened(sig) }, true)
			})
		}))
	r.change(d.refresh, false)
}

// OnDismount stops listening.
func (r *Root) OnDismount() {
	for _, stop := range r.stops {
		stop()
	}
}

// guard keeps what goes wrong in f from ending the program, which would leave a dead page.
func (r *Root) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.desk.platform.Log(fmt.Sprint("view: ", p))
		}
	}()
	f()
}

// change carries out f and has the result put in place after it is drawn; exact is for
// Platform.Hold.
func (r *Root) change(f func(), exact bool) {
	d := r.desk
	if !r.settling {
		r.settling = true
		began := time.Now()
		d.sight = d.platform.Hold(exact)
		r.ctx.Defer(func(app.Context) {
			r.settling = false
			s := d.settling
			d.settling = Settling{}
			d.platform.Settle(s)
			r.drawn(began, time.Now())
		})
	}
	r.guard(f)
}

// Render implements app.Composer.
func (r *Root) Render() app.UI {
	d := r.desk
	root := app.Div().ID("app")
	if d.s.Account() == "" || d.s.Connection.Phase == state.SignedOut {
		return root // the form is on screen
	}
	rev := d.s.Rev + d.rev // both only grow
	root = root.Class("natter").DataSet("pane", d.pane())
	body := []app.UI{
		&list{Rev: rev, Desk: d},
		app.Main().Class("stage").Body(r.stage(rev)),
	}
	if d.details && d.open != "" {
		body = append(body, &details{Rev: rev, Desk: d, Conv: d.open, Peer: d.open.JID()})
	}
	body = append(body, announcer(d), d.drawDialog(rev))
	return root.Body(body...)
}

func (r *Root) stage(rev uint64) app.UI {
	d := r.desk
	if d.open == "" {
		return app.Div().Class("nothing-open").Body(
			app.Div().Class("nothing-mark").Body(icon("chat")),
			app.P().Class("nothing-text").Text("Choose a conversation, or start a new one."),
			app.P().Class("nothing-keys").Body(
				app.Elem("kbd").Text(d.mod()+" K"), app.Text(" finds anyone, "),
				app.Elem("kbd").Text("?"), app.Text(" shows all keys")),
		)
	}
	return &chat{
		Rev: d.rev, Desk: d, Conv: d.open,
		Chat: d.s.Chat(d.open), Contact: contact(d.s, d.open),
		Phase: d.s.Connection.Phase, Elsewhere: d.s.Connection.Elsewhere(), Gaps: d.s.Gaps(d.open),
		Room: d.seenOf(d.room()), Aside: d.seenAside(d.open),
	}
}

// announcer tells screen readers of new messages, each once. The log itself cannot:
// scrolling through history changes it, and that is no news.
func announcer(d *desk) app.UI {
	return app.Div().Class("sr").Attr("role", "status").Aria("live", "polite").Text(d.news)
}
