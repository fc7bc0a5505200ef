//go:build linux && xmppproxy

package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"natter/app/connect/discover"
	"natter/app/xmpptest"
)

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
// authenticates by certificate alone. It takes five minutes to build, so that this is no
// part of make test: make federation PEER=xmpp-proxy builds it and sets the tag. What it sends,
// all machines replay in TestW01_XMPPProxyFrames.
func TestFederation_XMPPProxy(t *testing.T) {
	binary := os.Getenv("XMPP_PROXY")
	if _, err := os.Stat(binary); err != nil {
		t.Fatal("XMPP_PROXY says where the program is: ", err)
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
