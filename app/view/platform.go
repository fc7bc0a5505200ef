package view

import (
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/jid"
	"natter/app/state"
)

// Platform is what the browser does for the view: it tells what the person did and
// puts in place what a description of elements cannot say.
type Platform interface {
	Teller
	// Listen calls f for everything the person does, on any goroutine.
	Listen(f func(Signal)) (stop func())
	// Hold remembers what stands where, before the page changes, and returns the data-key
	// of the first message in sight, "" if there is none.
	// With exact false it need not look where a page that is at its end stands: it stays there.
	Hold(exact bool) string
	// Settle puts it back after the change and does what Settling asks for.
	Settle(Settling)
	// Attentive reports whether the page is visible and has the focus.
	Attentive() bool
	// Narrow reports whether there is room for one pane only.
	Narrow() bool
	// Hour12 reports whether the person's clock has twelve hours.
	Hour12() bool
	// Offset returns how far the person's clock is ahead of UTC at an instant, in seconds.
	Offset(time.Time) int
	// Place is the conversation that was open when the page was last left, "" if none.
	Place() string
	SetPlace(conv string)
	// Theme is "light", "dark" or "" for the system's choice.
	Theme() string
	SetTheme(string)
	SetNotices(string)
	Copy(text string)
	// Emojis loads the list of emoji and calls tell, on any goroutine; with "" if that fails.
	Emojis(tell func(list string))
	// Picks is which emoji the person likes, as SetPicks has kept it.
	Picks() string
	SetPicks(string)
	// Back leaves the pane that Settling.Enter entered, as the browser's Back does.
	Back()
	Log(text string)
}

// Signal is one thing the person did. The page sends it as an object with the same fields in
// lower case; see web/types.d.ts.
type Signal struct {
	Do     Command
	Conv   state.ConvID // data-conv of what was acted on: which conversation
	JID    jid.JID      // data-jid of it: who
	Text   string       // what was typed or chosen
	Also   string       // the second field of a form; for "key": the part of the page with the focus
	On     bool         // a form's checkbox; for "edge": at the end of the log
	Number int          // for "rows": the first row in sight; for "hit": which one
}

// Settling is what to do once a change is on screen. The page gets it as an object with the same
// fields in lower case.
type Settling struct {
	Scroll   string // "end", "new" (the divider), "found" (the message), "stay", "put" (the page does not move), "" to stay or to follow the end
	Focus    string // id of the element to focus, "" to leave the focus alone
	Enter    bool   // a pane was entered that Back should leave
	Fill     bool   // the composer is to hold Words
	Words    string
	Unfilter bool   // the field above the list is to be emptied
	Insert   string // is put where the caret of the composer is
	Over     bool   // Insert takes the place of the word before the caret that was to be completed
}

// Page is the Platform of a page that has loaded web/natter.js.
type Page struct{}

func helper() app.Value { return app.Window().Get("natterPage") }

// Listen implements Platform.
func (Page) Listen(f func(Signal)) (stop func()) {
	listener := app.FuncOf(func(_ app.Value, args []app.Value) any {
		if len(args) == 1 {
			f(readSignal(args[0]))
		}
		return nil
	})
	helper().Call("listen", listener)
	return func() {
		helper().Call("listen", nil)
		listener.Release()
	}
}

// readSignal reads the object of a Signal, in which fields may be missing. Asking each one costs
// less than a microsecond.
func readSignal(v app.Value) Signal {
	text := func(name string) string {
		if f := v.Get(name); f.Truthy() {
			return f.String()
		}
		return ""
	}
	sig := Signal{Do: Command(text("do")), Conv: state.ConvID(text("conv")), JID: jid.JID(text("jid")), Text: text("text"), Also: text("also"), On: v.Get("on").Truthy()}
	if n := v.Get("number"); n.Truthy() {
		sig.Number = n.Int()
	}
	return sig
}

// Hold implements Platform.
func (Page) Hold(exact bool) string { return helper().Call("hold", exact).String() }

// Settle implements Platform.
func (Page) Settle(s Settling) {
	helper().Call("settle", map[string]any{"scroll": s.Scroll, "focus": s.Focus, "enter": s.Enter, "fill": s.Fill, "words": s.Words, "unfilter": s.Unfilter, "insert": s.Insert, "over": s.Over})
}

// Attentive implements Platform.
func (Page) Attentive() bool { return helper().Call("attentive").Bool() }

// Narrow implements Platform.
func (Page) Narrow() bool { return helper().Call("narrow").Bool() }

// Hour12 implements Platform.
func (Page) Hour12() bool { return helper().Get("hour12").Bool() }

// Offset implements Platform.
func (Page) Offset(t time.Time) int { return helper().Call("offset", t.UnixMilli()).Int() }

// Place implements Platform.
func (Page) Place() string { return helper().Call("place").String() }

// SetPlace implements Platform.
func (Page) SetPlace(conv string) { helper().Call("setPlace", conv) }

// Theme implements Platform.
func (Page) Theme() string { return helper().Call("theme").String() }

// SetTheme implements Platform.
func (Page) SetTheme(theme string) { helper().Call("setTheme", theme) }

// Count implements Teller.
func (Page) Count(account string, n int) { helper().Call("count", account, n) }

// Notices implements Teller.
func (Page) Notices() string { return helper().Call("notices").String() }

// SetNotices implements Platform.
func (Page) SetNotices(chosen string) { helper().Call("setNotices", chosen) }

// Notify implements Teller.
func (Page) Notify(account, conv, title, text string) {
	helper().Call("notify", account, conv, title, text)
}

// Unnotify implements Teller.
func (Page) Unnotify(account, conv string) { helper().Call("unnotify", account, conv) }

// Copy implements Platform.
func (Page) Copy(text string) { helper().Call("copy", text) }

// Emojis implements Platform.
func (Page) Emojis(tell func(list string)) {
	var loaded app.Func
	loaded = app.FuncOf(func(_ app.Value, args []app.Value) any {
		loaded.Release()
		tell(args[0].String())
		return nil
	})
	helper().Call("emojis", loaded)
}

// Picks implements Platform.
func (Page) Picks() string { return helper().Call("picks").String() }

// SetPicks implements Platform.
func (Page) SetPicks(picks string) { helper().Call("setPicks", picks) }

// Back implements Platform.
func (Page) Back() { helper().Call("back") }

// Log implements Platform.
func (Page) Log(text string) { helper().Call("log", text) }
