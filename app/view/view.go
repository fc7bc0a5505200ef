// Package view draws a State and turns what the person does into Intents.
//
// Components are go-app's; they hold only what is truly theirs: which conversation
// is open, drafts, the window on the messages. What surprises:
//
//   - go-app redraws a component when an exported field differs, compared field by
//     field, so Rev comes first and the rest are pointers that never change what
//     they point to. A handler redraws its component and all above it, so those stay
//     small.
//   - Its diff is by position. Handlers in loops need app.EventScope, rows are told
//     apart by data-key, never by their place, and where a window moves keyed puts
//     those that stay in their places first.
//   - Nothing here may use Style, a style attribute or app.Raw: the page's policy
//     refuses them. What CSS classes cannot say, web/natter.js does.
//   - Everything a stranger wrote is text: through plain for names, through
//     app/text and draw for bodies.
package view

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// Model is where components get the state from and where intents go.
// *client.Client is one.
type Model interface {
	State() *state.State
	Do(state.Intent)
	// Watch calls f, on any goroutine, when there is a new State.
	Watch(f func()) (stop func())
	// Search looks for the newest n messages that have all the words of what was typed,
	// and calls tell, on any goroutine, whenever it has found more, at last with Done.
	Search(typed string, n int, tell func(state.Found)) (stop func())
}

// Run draws the page for as long as the program lives.
//
// It drives go-app's engine itself, which draws right after each dispatch then. The loop of
// app.RunWhenOnBrowser waits for a tick of its own 120 a second first: a message was on
// screen a frame later, and what is dispatched is no more often than a frame anyway.
// The engine is the one go-app offers for tests, and the same. What it listens to in the
// page is for links and paths between its own pages; here there is one.
//
// yield blocks until the browser has begun another task.
func Run(model Model, platform Platform, yield func()) {
	engine := app.NewTestEngine()
	if err := engine.Load(&Root{desk: newDesk(model, platform), yield: yield}); err != nil {
		panic(err)
	}
	for _, handler := range []string{"onclick", "onpopstate", "onresize"} {
		app.Window().Set(handler, nil)
	}
	for {
		engine.ConsumeNext()
	}
}
