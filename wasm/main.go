//go:build js && wasm

// Command wasm is the page: it wires the client to the browser and draws it. The
// files here say only what is connected with what; what touches JavaScript is in
// wasm/browser, and web/boot.js starts this program.
package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/view"
	"natter/wasm/browser"
)

func main() {
	form := browser.OpenForm()
	storage := browser.PageStorage
	places := cache{storage, &sync.Map{}}
	connector := &connect.Connector{
		Find: &discover.Finder{
			Fetch:         browser.Fetch{},
			Cache:         places,
			Fixed:         form.Endpoints(),
			AllowLoopback: true,
		},
		Dial:      browser.DialSocket,
		Crypto:    browser.Crypto(),
		Pins:      pins{storage},
		UserAgent: connect.UserAgent{ID: tab(browser.TabStorage), Software: "Natter", Device: "Browser"},
	}
	keep := keeper{storage: storage, tab: browser.TabStorage, places: places, connector: connector}
	config := client.Config{
		Connector: connector,
		Keeper:    keep,
		CrashLog:  browser.OpenCrashLog(),
		Offline:   browser.Offline,
		Build:     browser.Build(),
		Yield:     browser.Breathe,
		Log:       func(format string, args ...any) { browser.Log(fmt.Sprintf(format, args...)) },
	}
	c := client.New(config)
	go c.Run(context.Background())
	browser.WatchPage(c)
	view.Notices(c, view.Page{})
	browser.Unsent(func() int { return c.State().Unsent() })
	watchForm(c, form)
	// The database is asked who is remembered while the view is made.
	go comeBack(c, config, keep, form)
	runtime.Gosched()

	view.Run(model{c}, view.Page{}, browser.Yield)
}

// comeBack goes on with whoever is remembered here, and sees to those who have signed out.
func comeBack(c *client.Client, config client.Config, keep keeper, form browser.Form) {
	hinted := keep.storage.Load(browser.RememberedKey) != ""
	who, out := keep.who(context.Background())
	switch {
	case who.Account != "":
		browser.TabStorage.Save(browser.AccountKey, store.Name(who.Account))
		c.Do(state.Return{Account: who.Account, Open: state.ConvID(view.Page{}.Place()), Out: who.Out})
		if who.Out && hinted {
			form.Show("")
		}
	case hinted:
		form.Show("") // the page has hidden it
	}
	for _, r := range out {
		if r.Account != who.Account { // nobody else would see to it
			other := client.New(config)
			go other.Run(context.Background())
			other.Do(state.Return{Account: r.Account, Out: true})
		}
	}
}

// model is the client as the view wants it: told at most once a frame.
type model struct{ *client.Client }

// Watch implements view.Model.
func (m model) Watch(f func()) (stop func()) { return m.Client.Watch(browser.OnFrame(f)) }

// watchForm connects the sign-in form, which is part of the page itself, with the
// client.
func watchForm(c *client.Client, form browser.Form) {
	last := c.State().Connection
	var keeps atomic.Bool // whoever signs in wants to be remembered
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
			form.Fail(now.Problem.Text+" "+now.Problem.Advice, now.Problem.Field, string(now.Problem.Account))
		case now.Phase > state.SigningIn && last.Phase <= state.SigningIn:
			form.Hide()
			if keeps.Swap(false) {
				go browser.Persist(context.Background()) // there is something to lose from now on
			}
		}
	})
	form.OnSubmit(func(in browser.SignIn) {
		if keeps.Store(in.Remember); !in.Remember {
			browser.TabStorage.Remove(browser.AccountKey)
		}
		c.Do(state.SignIn{Address: in.Address, Password: in.Password, Server: in.Server, Remember: in.Remember, As: jid.JID(in.As)})
	})
}
