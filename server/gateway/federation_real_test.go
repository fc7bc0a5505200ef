//go:build linux

package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"natter/app/connect/discover"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/xmpptest"
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

// trustingLua lets Prosody believe what xmpp-proxy guarantees: that a stream which comes
// from it has been authenticated by certificate, and that one which goes to it will be.
const trustingLua = `
local function trust(session)
	session.secure = true;
	session.cert_chain_status = "valid";
	session.cert_identity_status = "valid";
end
module:hook("s2s-stream-features", function (event)
	if event.origin.type == "s2sin_unauthed" then trust(event.origin); end
end, 9000);
module:hook("s2sout-pre-connect", function (event) trust(event.session); end);
`

// The same with xmpp-proxy at one side, the other implementation of XEP-0468, which
// authenticates by certificate alone. It takes five minutes to build, so that only a machine
// which has it runs this (make federation PEER=xmpp-proxy builds it); what it sends, all
// machines replay in TestW01_XMPPProxyFrames.
func TestFederation_XMPPProxy(t *testing.T) {
	binary := os.Getenv("XMPP_PROXY")
	if cache, err := os.UserCacheDir(); err == nil && binary == "" {
		binary = filepath.Join(cache, "natter-test", "xmpp-proxy", "bin", "xmpp-proxy")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Log("xmpp-proxy has not been built here: make federation PEER=xmpp-proxy")
		return
	}
	known, said := names{}, &frames{}
	a := found(t, xmpptest.KindProsody, "a.test", known, said.of("a.test"), withCertificate("a.test"))

	dir := t.TempDir()
	cert, key := xmpptest.Ours().Issue("b.test")
	out, in := listenHere(t), listenHere(t)
	module, err := os.ReadFile("../deploy/mod_s2s_natter.lua")
	if err != nil {
		t.Fatal(err)
	}
	s, err := xmpptest.StartFederated(xmpptest.KindProsody13, t.TempDir(), xmpptest.Federation{
		Domain: "b.test", Outgoing: out.Addr().String(),
		Modules: map[string]string{"s2s_natter": string(module), "trusting": trustingLua},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	known["b.test"] = "wss://localhost:" + portOf(in.Addr()) + "/"
	for name, content := range map[string]string{
		"cert.pem": string(cert), "key.pem": string(key), "ca.pem": string(xmpptest.Ours().CertPEM),
		"xmpp-proxy.toml": fmt.Sprintf("incoming_listen = [ %q ]\noutgoing_listen = [ %q ]\ns2s_target = %q\nproxy = false\n"+
			"tls_key = \"%s/key.pem\"\ntls_cert = \"%s/cert.pem\"\nlog_level = \"debug\"\n", in.Addr(), out.Addr(), s.Servers, dir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = out.Close(), in.Close()
	proxy := exec.CommandContext(t.Context(), binary, filepath.Join(dir, "xmpp-proxy.toml"))
	proxy.Env = append(os.Environ(), "SSL_CERT_FILE="+dir+"/ca.pem", "HTTPS_PROXY="+hostMeta(t, "a.test", a.wss))
	var log record
	proxy.Stdout, proxy.Stderr = &log, &log
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = proxy.Process.Kill()
		_ = proxy.Wait()
		if t.Failed() {
			own, _ := os.ReadFile(s.Log)
			t.Logf("xmpp-proxy:\n%s\n%s:\n%s", log.b.String(), s.Name, own)
			said.show(t, "xmpp-proxy")
		}
	})
	_, ws := start(t, Config{Domains: []Domain{{Name: "b.test", Backends: []Backend{{Address: s.TCP}}}}})
	talk(t, a, &town{s, nil, ws})
	said.show(t, "Prosody 0.12 behind natter, Prosody 13 behind xmpp-proxy")
	if !a.log.says("direction=in peer=b.test by=external") || !a.log.says("direction=out peer=b.test by=external") {
		t.Error("the streams were not authenticated by certificate")
	}
}

// hostMeta is a proxy through which the host-meta of a domain can be fetched, and nothing
// else: names of tests are in no DNS. It returns its address.
func hostMeta(t *testing.T, domain, wss string) string {
	t.Helper()
	own := xmpptest.Ours().ServerTLS(domain)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/host-meta.json" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"links":[{"rel":%q,"href":%q,"ips":["127.0.0.1"],"priority":1,"weight":1,"sni":"localhost"}]}`, discover.RelServers, wss)
	}))
	web.TLS = own
	web.StartTLS()
	t.Cleanup(web.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != domain+":443" {
			http.NotFound(w, r)
			return
		}
		to, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, buf) }()
		_, _ = io.Copy(from, to)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
