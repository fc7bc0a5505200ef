//go:build js && wasm

package main

import (
	"context"
	"encoding/json"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/jid"
	"natter/app/store"
	"natter/wasm/browser"
)

// remembered is what a page that starts has to know before it can open anything: whose
// messages to show, and to what their credential is bound. It is no secret, but it says
// an address: it is there only if the person wanted to be remembered.
type remembered struct {
	Account   jid.JID `json:"account"`
	UserAgent string  `json:"userAgent"`
	Mechanism string  `json:"mechanism"`
	Out       bool    `json:"out,omitempty"` // the person has signed out, see client.Keeper
}

// rememberedKey is where a copy of it is for web/trusted.js and web/signin.js, so that
// the form does not flash. The browser writes that copy when it likes: after a crash
// it may be gone, or still be there. What is in the vault is true.
const rememberedKey = "natter.remembered"

// keeper is the client.Keeper of this browser: IndexedDB for the tables, the vault for
// the credential.
type keeper struct {
	storage   browser.Storage
	vault     browser.Vault
	connector *connect.Connector
}

func (k keeper) who(ctx context.Context) (r remembered) {
	note := k.vault.Note(ctx)
	_ = json.Unmarshal([]byte(note), &r) // nobody, if it cannot be read
	switch {
	case note == "" || r.Out:
		k.storage.Remove(rememberedKey)
	case k.storage.Load(rememberedKey) != note:
		k.storage.Save(rememberedKey, note)
	}
	return r
}

func (r remembered) binding() []byte {
	return connect.Credential{Account: r.Account, UserAgent: r.UserAgent, Mechanism: r.Mechanism}.Binding()
}

// Meet implements client.Keeper. The name is that of the database, and says no address.
func (k keeper) Meet(account jid.JID, hear func(string)) client.Link {
	return browser.Meet(store.Name(account), hear)
}

// Open implements client.Keeper.
func (k keeper) Open(ctx context.Context, account jid.JID) (store.Store, error) {
	s, err := browser.OpenStore(ctx, account)
	if err == nil {
		browser.Persist(ctx) // asked for when there is something to lose
	}
	return s, err
}

// Renew implements client.Keeper.
func (k keeper) Renew(ctx context.Context, request *connect.Request) {
	r := k.who(ctx)
	if r.Account != request.Account || request.Password != "" {
		return
	}
	raw, err := k.vault.Load(ctx, store.Name(r.Account), r.binding())
	if err != nil {
		return
	}
	defer clear(raw)
	var c connect.Credential
	if json.Unmarshal(raw, &c) == nil {
		request.Credential = &c
	}
}

// Keep implements client.Keeper.
func (k keeper) Keep(ctx context.Context, c *connect.Credential) {
	raw, err := json.Marshal(c)
	if err != nil {
		return
	}
	defer clear(raw)
	r := remembered{Account: c.Account, UserAgent: c.UserAgent, Mechanism: c.Mechanism}
	note, err := json.Marshal(r)
	if err == nil {
		err = k.vault.Save(ctx, store.Name(c.Account), r.binding(), raw, string(note))
	}
	if err != nil {
		browser.Log(err.Error())
		return
	}
	k.storage.Save(rememberedKey, string(note))
}

// Drop implements client.Keeper.
func (k keeper) Drop(ctx context.Context, account jid.JID) {
	if err := k.vault.Delete(ctx, store.Name(account)); err != nil {
		browser.Log(err.Error())
	}
}

// SignOut implements client.Keeper.
func (k keeper) SignOut(ctx context.Context, account jid.JID) {
	r := k.who(ctx)
	if r.Account != "" && r.Account != account {
		return // somebody else is remembered since
	}
	r.Account, r.Out = account, true
	note, err := json.Marshal(r)
	if err == nil {
		err = k.vault.Mark(ctx, string(note))
	}
	if err != nil {
		browser.Log(err.Error())
	}
	k.storage.Remove(rememberedKey)
}

// SignedOut implements client.Keeper.
func (k keeper) SignedOut(ctx context.Context, account jid.JID) bool {
	r := k.who(ctx)
	return r.Account == account && r.Out
}

// Forget implements client.Keeper.
func (k keeper) Forget(ctx context.Context, request connect.Request) {
	request.Password = ""
	k.Renew(ctx, &request)
	k.storage.Remove(rememberedKey)
	if err := k.vault.Forget(ctx, store.Name(request.Account)); err != nil {
		browser.Log(err.Error())
	}
	if err := k.connector.Invalidate(ctx, request); err != nil {
		browser.Log(err.Error())
	}
}
