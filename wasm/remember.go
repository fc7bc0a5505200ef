//go:build js && wasm

package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/jid"
	"natter/app/store"
	"natter/wasm/browser"
)

// remembered is what a page needs at its start, before it can open anything: the account, and to what the credential is
// bound. It is no secret, but it contains an address, so it is stored only if the person wanted to be remembered.
type remembered struct {
	Account   jid.JID `json:"account"`
	UserAgent string  `json:"userAgent"`
	Mechanism string  `json:"mechanism"`
	Out       bool    `json:"out,omitempty"` // the person has signed out, see client.Keeper
}

// keeper is the client.Keeper of this browser. The tables are in IndexedDB. The vault has the credential, and a note for
// each account of which something is kept.
type keeper struct {
	storage   browser.Storage
	tab       browser.Storage
	vault     browser.Vault
	places    cache
	connector *connect.Connector
}

// all returns the notes of the accounts that are remembered, and of those that are signed out but not forgotten yet. The
// account that was used last comes first.
func (k keeper) all(ctx context.Context) (all []remembered, err error) {
	notes, err := k.vault.Notes(ctx)
	for _, note := range notes {
		var r remembered
		if json.Unmarshal([]byte(note), &r) == nil {
			all = append(all, r)
		}
	}
	return all, err
}

// note returns the note of an account, the zero value if there is none.
func (k keeper) note(ctx context.Context, account jid.JID) (remembered, error) {
	all, err := k.all(ctx)
	for _, r := range all {
		if r.Account == account {
			return r, nil
		}
	}
	return remembered{}, err
}

// who returns the account for this page: that of the tab before, else the one that was used last. An account that is
// signed out comes only if there is no other; out has all of these. web/start.js uses the same rule for the sketch that
// it shows before this program runs.
func (k keeper) who(ctx context.Context) (who remembered, out []remembered) {
	all, err := k.all(ctx)
	if err != nil {
		browser.Log(err.Error())
		_ = json.Unmarshal([]byte(k.storage.Load(browser.RememberedKey)), &who)
		return who, nil
	}
	mine := k.tab.Load(browser.AccountKey)
	for _, r := range all {
		switch {
		case r.Out:
			out = append(out, r)
		case who.Account == "", store.Name(r.Account) == mine:
			who = r
		}
	}
	if who.Account == "" {
		k.storage.Remove(browser.RememberedKey)
		k.storage.Remove(browser.OpenKey)
		if len(out) > 0 {
			who = out[0]
		}
		return who, out
	}
	if note, err := json.Marshal(who); err == nil && k.storage.Load(browser.RememberedKey) != string(note) {
		k.storage.Save(browser.RememberedKey, string(note))
	}
	return who, out
}

func (r remembered) binding() []byte {
	return connect.Credential{Account: r.Account, UserAgent: r.UserAgent, Mechanism: r.Mechanism}.Binding()
}

// Meet implements client.Keeper. The tabs use the name of the database, which does not contain the address.
func (k keeper) Meet(account jid.JID, hear func(string)) client.Link {
	return browser.Meet(store.Name(account), hear)
}

// Open implements client.Keeper.
func (k keeper) Open(ctx context.Context, account jid.JID) (store.Store, error) {
	return browser.OpenStore(ctx, account)
}

// Renew implements client.Keeper.
func (k keeper) Renew(ctx context.Context, request *connect.Request) error {
	if request.Password != "" {
		return nil
	}
	r, err := k.note(ctx, request.Account)
	if err != nil || r.Account == "" {
		return err
	}
	raw, err := k.vault.Load(ctx, store.Name(r.Account), r.binding())
	switch {
	case errors.Is(err, browser.ErrNoSecret), errors.Is(err, browser.ErrSealed):
		return nil // this credential can never be read again
	case err != nil:
		return err
	}
	defer clear(raw)
	var c connect.Credential
	if json.Unmarshal(raw, &c) == nil {
		request.Credential = &c
	}
	return nil
}

// Keep implements client.Keeper.
func (k keeper) Keep(ctx context.Context, c *connect.Credential) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	defer clear(raw)
	r := remembered{Account: c.Account, UserAgent: c.UserAgent, Mechanism: c.Mechanism}
	note, err := json.Marshal(r)
	if err == nil {
		err = k.vault.Save(ctx, store.Name(c.Account), r.binding(), raw, string(note))
	}
	if err != nil {
		browser.Log(err.Error())
		return err
	}
	k.storage.Save(browser.RememberedKey, string(note))
	k.tab.Save(browser.AccountKey, store.Name(c.Account))
	k.places.keep(c.Account)
	return nil
}

// Drop implements client.Keeper.
func (k keeper) Drop(ctx context.Context, account jid.JID) {
	if err := k.vault.Delete(ctx, store.Name(account)); err != nil {
		browser.Log(err.Error())
	}
}

// Knows implements client.Keeper. It returns true if it cannot find out, unless this browser keeps nothing.
func (k keeper) Knows(ctx context.Context, account jid.JID) bool {
	r, err := k.note(ctx, account)
	if err != nil || r.Account != "" {
		return !errors.Is(err, browser.ErrNoVault)
	}
	there, err := browser.StoreExists(ctx, account)
	return there || err != nil && !errors.Is(err, store.ErrUnavailable)
}

// SignOut implements client.Keeper.
func (k keeper) SignOut(ctx context.Context, account jid.JID) {
	r, err := k.note(ctx, account)
	r.Account, r.Out = account, true
	if err == nil {
		var note []byte
		if note, err = json.Marshal(r); err == nil {
			err = k.vault.Mark(ctx, store.Name(account), string(note))
		}
	}
	if err != nil {
		browser.Log(err.Error())
	}
	k.who(ctx)
}

// SignedOut implements client.Keeper.
func (k keeper) SignedOut(ctx context.Context, account jid.JID) bool {
	r, _ := k.note(ctx, account)
	return r.Out
}

// Forget implements client.Keeper.
func (k keeper) Forget(ctx context.Context, request connect.Request, gone bool) {
	request.Password = ""
	if err := k.Renew(ctx, &request); err != nil {
		browser.Log(err.Error())
	}
	forget := k.vault.Delete
	if gone {
		forget = k.vault.Forget
	}
	if err := forget(ctx, store.Name(request.Account)); err != nil {
		browser.Log(err.Error())
	}
	k.storage.Remove(browser.NoticesKey + store.Name(request.Account))
	if k.tab.Load(browser.AccountKey) == store.Name(request.Account) {
		k.tab.Remove(browser.AccountKey)
	}
	k.who(ctx)
	all, _ := k.all(ctx)
	if !slices.ContainsFunc(all, func(r remembered) bool { return !r.Out && r.Account.Domain() == request.Account.Domain() }) {
		k.places.drop(request.Account)
	}
	if err := k.connector.Invalidate(ctx, request); err != nil {
		browser.Log(err.Error())
	}
}
