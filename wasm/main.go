//go:build js && wasm

// Command wasm is the page: it wires the client to the browser and draws it. The
// files here say only what is connected with what; what touches JavaScript is in
// wasm/browser, and web/boot.js starts this program.
package main

import (
	"context"
	"fmt"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/state"
	"natter/app/view"
	"natter/wasm/browser"
)

func main() {
	form := browser.OpenForm()
	storage := browser.PageStorage
	connector := &connect.Connector{
		Find: &discover.Finder{
			Fetch:         browser.Fetch{},
			Cache:         cache{storage},
			Fixed:         form.Endpoints(),
			AllowLoopback: true,
		},
		Dial:      browser.DialSocket,
		Crypto:    browser.Crypto(),
		Pins:      pins{storage},
		UserAgent: connect.UserAgent{ID: tab(browser.TabStorage), Software: "Natter", Device: "Browser"},
	}
	keep := keeper{storage: storage, connector: connector}
	c := client.New(client.Config{
		Connector: connector,
		Keeper:    keep,
		Build:     browser.Build(),
		Yield:     browser.Yield,
		Log:       func(format string, args ...any) { browser.Log(fmt.Sprintf(format, args...)) },
	})
	go c.Run(context.Background())
	browser.WatchPage(c)
	watchForm(c, form)
	hinted := storage.Load(rememberedKey) != ""
	switch who := keep.who(context.Background()); {
	case who.Account != "":
		c.Do(state.Return{Account: who.Account, Out: who.Out})
		if who.Out && hinted {
			form.Show("")
		}
	case hinted:
		form.Show("") // the page has hidden it
	}

	// One page for every path below the one it is served from.
	app.RouteWithRegexp(".*", func() app.Composer { return view.New(model{c}, view.Page{}) })
	app.RunWhenOnBrowser()
}

// model is the client as the view wants it: told at most once a frame.
type model struct{ *client.Client }

// Watch implements view.Model.
func (m model) Watch(f func()) (stop func()) { return m.Client.Watch(browser.OnFrame(f)) }

// watchForm connects the sign-in form, which is part of the page itself, with the
// client.
func watchForm(c *client.Client, form browser.Form) {
	last := c.State().Connection
	c.Watch(func() {
		now := c.State().Connection
		defer func() { last = now }()
		switch {
		case now == last:
		case now.Phase == state.SigningIn:
			form.Busy("")
		case now.Phase == state.SignedOut && last.Phase > state.SigningIn:
			reason := ""
			if now.Problem != nil {
				reason = now.Problem.Text + " " + now.Problem.Advice
			}
			form.Show(reason)
		case now.Phase == state.SignedOut && now.Problem != nil:
			form.Fail(now.Problem.Text+" "+now.Problem.Advice, now.Problem.Field)
		case now.Phase > state.SigningIn && last.Phase <= state.SigningIn:
			form.Hide()
		}
	})
	form.OnSubmit(func(address, password, server string, remember bool) {
		c.Do(state.SignIn{Address: address, Password: password, Server: server, Remember: remember})
	})
}
