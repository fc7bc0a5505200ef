//go:build js && wasm

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"natter/app/connect/discover"
	"natter/app/jid"
	"natter/wasm/browser"
)

// What is kept between visits of everybody, none of it secret. Addresses are kept as
// hashes only: the next person at this computer should not read who was here.

// cache keeps where a domain can be reached.
type cache struct{ storage browser.Storage }

func (c cache) Load(domain string) (r discover.Result, ok bool) {
	err := json.Unmarshal([]byte(c.storage.Load("natter.endpoints."+domain)), &r)
	return r, err == nil
}

func (c cache) Save(domain string, r discover.Result) {
	raw, err := json.Marshal(r)
	if err != nil {
		return
	}
	c.storage.Save("natter.endpoints."+domain, string(raw))
}

// pins keeps which accounts have used SCRAM.
type pins struct{ storage browser.Storage }

func (p pins) key(account jid.JID) string {
	sum := sha256.Sum256([]byte(account.Bare()))
	return "natter.scram." + hex.EncodeToString(sum[:8])
}

func (p pins) SCRAMSeen(account jid.JID) bool { return p.storage.Load(p.key(account)) != "" }

func (p pins) SetSCRAMSeen(account jid.JID) {
	p.storage.Save(p.key(account), time.Now().UTC().Format(time.DateOnly))
}

// tab is the UUIDv4 that names this client to servers (XEP-0388 §2.3). It belongs to
// the tab and survives its reloads: a server takes two sessions with one id for the
// same client and throws the older one out (XEP-0386 §3.2).
func tab(storage browser.Storage) string {
	const key = "natter.tab"
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
