//go:build linux

package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
	"natter/server/trial"
)

// town is a domain with its server, which others reach through a gateway alone, and it them.
type town struct {
	*xmpptest.Server
	*federated
	ws string // for its people
}

// found starts a server for a domain and its gateway.
func found(t *testing.T, kind xmpptest.Kind, domain string, known names, change ...func(*FederationConfig)) *town {
	t.Helper()
	if testing.Short() {
		t.Skip("a real server takes its time, and this is -short")
	}
	module, err := os.ReadFile("../deploy/mod_s2s_natter.lua")
	if err != nil {
		t.Fatal(err)
	}
	l := listenHere(t)
	s, err := xmpptest.StartFederated(kind, t.TempDir(), xmpptest.Federation{
		Domain: domain, Outgoing: l.Addr().String(), Names: namesOf(t, l),
		Modules: map[string]string{"s2s_natter": string(module)},
	})
	var missing *xmpptest.NotInstalledError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	f := federateAt(t, l, domain, s.Servers, known, change...)
	t.Cleanup(func() {
		if t.Failed() {
			f.log.mu.Lock()
			defer f.log.mu.Unlock()
			log, _ := os.ReadFile(s.Log)
			t.Logf("gateway of %s:\n%s\n%s:\n%s", domain, f.log.b.String(), s.Name, log[max(0, len(log)-8000):])
		}
	})
	_, ws := start(t, Config{Domains: []Domain{{Name: domain, Backends: []Backend{{Address: s.TCP}}}}})
	return &town{s, f, ws}
}

// namesOf is a name server by which all servers are where l is.
func namesOf(t *testing.T, l net.Listener) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() { _ = ServeNames(conn, l.Addr().(*net.TCPAddr).AddrPort()) }()
	return conn.LocalAddr().String()
}

// frames keeps the dialogue of WebSockets, without what is secret in it.
type frames struct {
	mu  sync.Mutex
	all []string
}

var key = regexp.MustCompile(`>[0-9a-f]{32,}<`)

func (f *frames) of(domain string) func(*FederationConfig) {
	return func(c *FederationConfig) {
		c.Trace = func(peer string, out bool, doc string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			arrow := "<-"
			if out {
				arrow = "->"
			}
			f.all = append(f.all, fmt.Sprintf("%-10s %s %s", domain, arrow, key.ReplaceAllString(doc, ">…<")))
		}
	}
}

// have reports whether there was a message that begins like this and is in a namespace.
func (f *frames) have(begins, space string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.all, func(line string) bool { return strings.Contains(line, begins) && strings.Contains(line, space) })
}

// show prints the dialogue, the first lines of it.
func (f *frames) show(t *testing.T, title string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%s, frames as one gateway saw them:\n%s", title, strings.Join(f.all[:min(len(f.all), 24)], "\n"))
}

// talk lets a person of each town meet one of the other: subscription, presence, a message
// each way. It returns the two.
func talk(t *testing.T, a, b *town) (ada, grace *person) {
	t.Helper()
	ada = signIn(t, a.ws, a.Account(t, "ada", password))
	grace = signIn(t, b.ws, b.Account(t, "grace", password))
	ada.say(grace.jid, "hello from "+a.Domain)
	grace.hears(t, ada.jid, "hello from "+a.Domain)
	grace.say(ada.jid, "hello from "+b.Domain)
	ada.hears(t, grace.jid, "hello from "+b.Domain)
	befriend(t, ada, grace)
	return ada, grace
}

// befriend lets both see each other.
func befriend(t *testing.T, ada, grace *person) {
	t.Helper()
	ada.Do(state.AddContact{JID: grace.jid})
	grace.until(t, "asked by "+string(ada.jid), func(s *state.State) bool { return s.Contact(ada.jid).Asks() })
	grace.Do(state.AcceptContact{JID: ada.jid})
	ada.until(t, "asked by "+string(grace.jid), func(s *state.State) bool { return s.Contact(grace.jid).Asks() })
	ada.Do(state.AcceptContact{JID: grace.jid})
	sees := func(p *person, other jid.JID) {
		p.until(t, "sees "+string(other), func(s *state.State) bool {
			c := s.Contact(other)
			return c != nil && c.Subscription == state.SubscriptionBoth && c.Presence().Show != ""
		})
	}
	sees(ada, grace.jid)
	sees(grace, ada.jid)
}

// Two servers that can reach each other through two gateways alone, over wss: their people
// talk, and see each other.
func TestFederation_Prosody(t *testing.T) {
	known, said := names{}, &frames{}
	a := found(t, xmpptest.KindProsody, "a.test", known, said.of("a.test"))
	b := found(t, xmpptest.KindProsody13, "b.test", known)
	ada, grace := talk(t, a, b)
	said.show(t, "Prosody 0.12 and 13")

	// Sockets that are lost are opened anew.
	a.mu.Lock()
	for l := range a.links {
		go l.drop()
	}
	a.mu.Unlock()
	eventually(t, "the streams are gone", func() bool { return a.Streams() == 0 && b.Streams() == 0 })
	ada.say(grace.jid, "are you still there?")
	grace.hears(t, ada.jid, "are you still there?")
	grace.say(ada.jid, "yes")
	ada.hears(t, grace.jid, "yes")

	// What cannot be delivered comes back to its author.
	ada.say("nobody@nowhere.test", "hello?")
	ada.until(t, "told that it did not arrive", func(s *state.State) bool {
		c := s.Chat("nobody@nowhere.test")
		return c != nil && len(c.Timeline.Newest(1)) == 1 && c.Timeline.Newest(1)[0].Bounced
	})
	if !a.log.says("nowhere.test has no WebSocket for servers") {
		t.Error("the log does not say why")
	}
	for _, f := range []*federated{a.federated, b.federated} {
		if !f.log.says("by=dialback") || f.log.says("by=external") {
			t.Error("the streams were not authenticated by dialback")
		}
	}
}

// XEP-0198 between servers that both have it goes through two gateways as it is: stanzas are
// counted, and what was under way when a socket is cut goes back to its author, for no server
// resumes such a stream (Prosody says so).
func TestFederation_StreamManagement(t *testing.T) {
	known, said := names{}, &frames{}
	var b *town
	cut := func(c *FederationConfig) {
		c.Trace = func(_ string, out bool, doc string) {
			if out || !strings.Contains(doc, "under way") {
				return
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for l := range b.links {
				_ = l.near.conn.Close() // it has come to this gateway, and no further
			}
		}
	}
	a := found(t, xmpptest.KindProsody13, "a.test", known, said.of("a.test"))
	b = found(t, xmpptest.KindProsody13, "b.test", known, cut)
	ada, grace := talk(t, a, b)
	for _, want := range []string{"-> <enable ", "<- <enabled ", "-> <r ", "<- <a ", "<- <enable ", "-> <enabled ", "<- <r ", "-> <a "} {
		eventually(t, "between the gateways there is "+want, func() bool { return said.have(want, "urn:xmpp:sm:3") })
	}
	ada.say(grace.jid, "under way")
	ada.until(t, "told that it did not arrive", func(s *state.State) bool {
		c := s.Chat(state.Direct.With(grace.jid))
		return c.Timeline.Newest(1)[0].Body == "under way" && c.Timeline.Newest(1)[0].Bounced
	})
	ada.say(grace.jid, "once more")
	grace.hears(t, ada.jid, "once more")
	if grace.heard(grace.State(), ada.jid, "under way") {
		t.Error("what came back had arrived")
	}
}

// A trial server is a server like any: its people and those of a stock server talk through two
// gateways, both of which count (XEP-0198).
func TestFederation_Trial(t *testing.T) {
	known, said := names{}, &frames{}
	a := found(t, xmpptest.KindProsody13, "a.test", known, said.of("a.test"))
	var b *federated
	x := trial.New(trial.Options{Domain: "b.test", Others: func() net.Conn {
		near, far := net.Pipe()
		go b.Carry(far)
		return near
	}})
	if err := x.AddAccount("grace", password); err != nil {
		t.Fatal(err)
	}
	b = federate(t, "b.test", "", known, func(c *FederationConfig) {
		c.Domains[0].Backends = []Backend{{Address: "trial", Dial: x.Servers}}
	})
	web := httptest.NewServer(x)
	t.Cleanup(web.Close)
	ada := signIn(t, a.ws, a.Account(t, "ada", password))
	grace := signIn(t, "ws"+strings.TrimPrefix(web.URL, "http")+"/ws", "grace@b.test")
	befriend(t, ada, grace)
	ada.say(grace.jid, "hello")
	grace.hears(t, ada.jid, "hello")
	grace.say(ada.jid, "hello yourself")
	ada.hears(t, grace.jid, "hello yourself")
	for _, want := range []string{"-> <enable ", "<- <enabled ", "-> <r ", "<- <a ", "<- <enable ", "-> <enabled ", "<- <r ", "-> <a "} {
		eventually(t, "between the gateways there is "+want, func() bool { return said.have(want, "urn:xmpp:sm:3") })
	}
	grace.say("nobody@a.test", "hello?")
	grace.until(t, "told that it did not arrive", func(s *state.State) bool {
		c := s.Chat(state.Direct.With("nobody@a.test"))
		return c != nil && len(c.Timeline.Newest(1)) == 1 && c.Timeline.Newest(1)[0].Bounced
	})
}

// Prosody with ejabberd, of either age.
func TestFederation_Ejabberd(t *testing.T) {
	for _, kinds := range [][2]xmpptest.Kind{
		{xmpptest.KindProsody13, xmpptest.KindEjabberd24},
		{xmpptest.KindEjabberd, xmpptest.KindProsody},
	} {
		t.Run(string(kinds[0])+" and "+string(kinds[1]), func(t *testing.T) {
			known := names{}
			a := found(t, kinds[0], "a.test", known)
			b := found(t, kinds[1], "b.test", known)
			talk(t, a, b)
		})
	}
}
