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
	ctx      app.Context
	stops    []func()
	settling bool
	awaited  atomic.Bool
}

// OnMount starts to listen; it is not called outside a browser.
func (r *Root) OnMount(ctx app.Context) {
	r.ctx = ctx
	d := r.desk
	d.later = func(wait time.Duration, f func()) {
		time.AfterFunc(wait, func() { d.post(f) })
	}
	d.post = func(f func()) {
		ctx.Dispatch(func(app.Context) { r.change(f) })
	}
	r.stops = append(r.stops,
		d.model.Watch(func() {
			if r.awaited.Swap(true) {
				return // the dispatch on its way will find this state too
			}
			ctx.Dispatch(func(app.Context) {
				r.awaited.Store(false)
				r.change(d.refresh)
			})
		}),
		d.platform.Listen(func(sig Signal) {
			ctx.Dispatch(func(app.Context) { r.change(func() { d.happened(sig) }) })
		}))
	r.change(d.refresh)
}

// OnDismount stops listening.
func (r *Root) OnDismount() {
	for _, stop := range r.stops {
		stop()
	}
}

// change carries out f and has the result put in place after it is drawn. A panic
// would end the Go program and leave a dead page: it is logged instead.
func (r *Root) change(f func()) {
	d := r.desk
	defer func() {
		if p := recover(); p != nil {
			d.platform.Log(fmt.Sprint("view: ", p))
		}
	}()
	if !r.settling {
		r.settling = true
		d.sight = d.platform.Hold()
		r.ctx.Defer(func(app.Context) {
			r.settling = false
			s := d.settling
			d.settling = Settling{}
			d.platform.Settle(s)
		})
	}
	f()
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
		body = append(body, &details{Rev: rev, Desk: d, Peer: d.open})
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
		Rev: d.rev, Desk: d, Peer: d.open,
		Chat: d.s.Chat(d.open), Contact: d.s.Contact(d.open),
		Phase: d.s.Connection.Phase, Elsewhere: d.s.Connection.Elsewhere(), Gaps: d.s.Gaps(d.open),
	}
}

// announcer tells screen readers of new messages, each once. The log itself cannot:
// scrolling through history changes it, and that is no news.
func announcer(d *desk) app.UI {
	return app.Div().Class("sr").Attr("role", "status").Aria("live", "polite").Text(d.news)
}
