//go:build linux

package xmpptest

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// prosodyConfig serves 0.12 and 13. What only one of them knows is said where it is.
func prosodyConfig(s *Server, dir string) map[string]string {
	web := fmt.Sprintf("https://localhost:%d/", s.webPort)
	muc := `"muc_mam"; "muc_moderation"; `
	modules := `"roster"; "tls"; "saslauth"; "disco"; "presence"; "message"; "iq"; "carbons"; "mam"; "smacks"; "csi_simple"; "csi"; "ping"; ` +
		`"blocklist"; "pep"; "vcard4"; "vcard_legacy"; "bookmarks"; "private"; "offline"; "version"; "time"; "lastactivity"; ` +
		`"http"; "websocket"; "register"; "cloud_notify"; `
	hosts := ""
	if s.Kind == KindProsody {
		// No mod_http_altconnect in Debian 12: host-meta is two files. SASL2 dies over
		// TLS there, so it has a host of its own.
		modules += `"http_files";`
		muc += `"vcard_muc";` // 13 has it built in
		hosts = `VirtualHost "sasl2.test"
	modules_enabled = { "sasl2"; "sasl2_bind2"; }
`
	} else {
		modules += `"http_altconnect"; "sasl2"; "sasl2_bind2"; "sasl2_sm"; "sasl2_fast"; "account_activity"; "s2s_bidi";`
	}
	proxied := ""
	if s.Proxied != "" {
		modules += `"net_proxy";`
		proxied = fmt.Sprintf("proxy_port_mappings = { [%[1]s] = \"c2s\" }\nproxy_ports = { %[1]s }", portOf(s.Proxied))
	}
	if s.off == WebSocket {
		modules = strings.Replace(modules, `"websocket"; `, "", 1)
	}
	federation := "modules_disabled = { \"s2s\" }\ns2s_ports = {}"
	if f := s.federation; f != nil {
		host, port, _ := net.SplitHostPort(f.Outgoing)
		modules += `"dialback";`
		for name := range f.Modules {
			modules += fmt.Sprintf("%q;", name)
		}
		federation = fmt.Sprintf("s2s_ports = { %s }\ns2s_interfaces = { \"127.0.0.1\" }\ns2s_direct_tls_ports = {}\n"+
			"s2s_require_encryption = false\ns2s_secure_auth = false\nplugin_paths = { %q }\nnatter_address = %q\nnatter_port = %s\n",
			portOf(s.Servers), dir+"/modules", host, port)
	}
	config := strings.NewReplacer("FEDERATION", federation, "PROXIED", proxied, "TCPPORT", portOf(s.TCP), "TLSPORT", portOf(s.TLS), "DIR", dir, "DOMAIN", s.Domain, "WEBPORT", fmt.Sprint(s.webPort), "WSPORT", fmt.Sprint(s.wsPort),
		"WEB", web, "MUCMODULES", muc, "MODULES", modules, "MOREHOSTS", hosts, "ROOMS", s.Rooms, "UPLOAD", s.Upload).Replace(prosodyLua)
	files := map[string]string{"prosody.cfg.lua": config, "data/keep": ""}
	if s.federation != nil {
		for name, text := range s.federation.Modules {
			files["modules/mod_"+name+".lua"] = text
		}
	}
	if s.Kind == KindProsody {
		files["www/.well-known/host-meta"] = `<?xml version="1.0" encoding="utf-8"?>
<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">
<Link rel="urn:xmpp:alt-connections:websocket" href="` + s.WSS + `"/>
</XRD>
`
		files["www/.well-known/host-meta.json"] = `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"` + s.WSS + `"}]}`
	}
	return files
}

const prosodyLua = `
run_as_root = true
pidfile = "DIR/prosody.pid"
data_path = "DIR/data"
certificates = "DIR"
log = { info = "*console" }
admins = {}

modules_enabled = { MODULES }
FEDERATION
c2s_ports = { TCPPORT }
c2s_direct_tls_ports = { TLSPORT }
c2s_interfaces = { "127.0.0.1" }
c2s_direct_tls_interfaces = { "127.0.0.1" }
PROXIED
legacy_ssl_ports = {}
interfaces = { "127.0.0.1" }
http_interfaces = { "127.0.0.1" }
https_interfaces = { "127.0.0.1" }
http_ports = { WSPORT }
https_ports = { WEBPORT }
https_ssl = { key = "DIR/key.pem"; certificate = "DIR/cert.pem"; }
ssl = { key = "DIR/key.pem"; certificate = "DIR/cert.pem"; }
http_default_host = "DOMAIN"
http_external_url = "WEB"
http_paths = { files = "/"; }
http_files_dir = "DIR/www"
http_cors_override = { files = { enabled = true; }; }

c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = false
authentication = "internal_hashed"
password_hash = "SHA-256"
default_archive_policy = true
storage = "internal"
sasl2_fast_token_min_ttl = 0 -- a new token each time one is used

VirtualHost "DOMAIN"
	disco_items = { { "ROOMS" }; { "UPLOAD" }; }

-- Only a host's own name is answered in TLS, and the browser says localhost.
VirtualHost "localhost"

VirtualHost "every.test"
	authentication = "internal_plain"

VirtualHost "sha1.test"
	password_hash = "SHA-1"

VirtualHost "plain.test"
	disable_sasl_mechanisms = { "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER" }

VirtualHost "anon.test"
	authentication = "anonymous"

MOREHOSTS
Component "ROOMS" "muc"
	modules_enabled = { MUCMODULES }
	restrict_room_creation = false
	muc_room_default_public = true

Component "UPLOAD" "http_file_share"
	http_host = "DOMAIN"
`

func prosodyCommand(s *Server, dir string) []string {
	return []string{"/usr/bin/lua5.4", "/usr/bin/prosody", "--config", dir + "/prosody.cfg.lua", "-F", "--root"}
}

// prosodyAccount writes the account into the data folder; a running server reads
// it when it is asked for.
func prosodyAccount(ctx context.Context, s *Server, local, host, password string) error {
	return s.run(ctx, "/usr/bin/lua5.4", "/usr/bin/prosodyctl", "--config", s.seen()+"/prosody.cfg.lua", "--root",
		"register", local, host, password)
}
