//go:build js && wasm

package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"natter/app/connect/discover"
	"natter/app/jid"
	"natter/app/store"
	"natter/wasm/browser"
)

// What is kept beside the tables and the vault, none of it secret.

// cache keeps where a domain can be reached, while the page lives. An endpoint may name a
// person: it outlives the page only while somebody of the domain is remembered here.
type cache struct {
	storage browser.Storage
	found   *sync.Map // by domain, as JSON
}

func (c cache) key(domain string) string { return browser.EndpointsKey + store.Hash(domain) }

func (c cache) Load(domain string) (r discover.Result, ok bool) {
	raw, here := c.found.Load(domain)
	if !here {
		raw = c.storage.Load(c.key(domain))
		c.found.Store(domain, raw)
	}
	err := json.Unmarshal([]byte(raw.(string)), &r)
	return r, err == nil
}

func (c cache) Save(domain string, r discover.Result) {
	raw, err := json.Marshal(r)
	if err != nil {
		return
	}
	c.found.Store(domain, string(raw))
	if c.storage.Load(c.key(domain)) != "" {
		c.storage.Save(c.key(domain), string(raw))
	}
}

// keep makes what was found for an account outlive the page.
func (c cache) keep(account jid.JID) {
	domain, _ := discover.Host(account.Domain())
	if raw, _ := c.found.Load(domain); raw != nil && raw != "" {
		c.storage.Save(c.key(domain), raw.(string))
	}
}

// drop ends that.
func (c cache) drop(account jid.JID) {
	domain, _ := discover.Host(account.Domain())
	c.storage.Remove(c.key(domain))
}

// pins keeps which accounts have used SCRAM. That stays when the person signs out: the next
// sign-in must not be talked into less.
type pins struct{ storage browser.Storage }

func (p pins) key(account jid.JID) string {
	return browser.SCRAMKey + store.Hash(account.Bare().String())
}

// SCRAMSeen also looks for the key that builds before December 2026 used: half of the hash.
func (p pins) SCRAMSeen(account jid.JID) bool {
	key := p.key(account)
	return p.storage.Load(key) != "" || p.storage.Load(key[:len(key)-16]) != ""
}

func (p pins) SetSCRAMSeen(account jid.JID) {
	p.storage.Save(p.key(account), time.Now().UTC().Format(time.DateOnly))
}

// tab is the UUIDv4 that names this client to servers (XEP-0388 §2.3). It belongs to
// the tab and survives its reloads: a server takes two sessions with one id for the
// same client and throws the older one out (XEP-0386 §3.2).
func tab(storage browser.Storage) string {
	const key = browser.TabKey
	id := storage.Load(key)
	if id == "" {
		var b [16]byte
		rand.Read(b[:])
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		id = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		storage.Save(key, id)
	}
	return id
}
