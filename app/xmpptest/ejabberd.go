//go:build linux

package xmpptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

func ejabberdConfig(s *Server, dir string) map[string]string {
	sasl2, modules := "", ""
	if s.Kind == KindEjabberd24 {
		modules = "  mod_auth_fast: {}\n"
		sasl2 = "    allow_unencrypted_sasl2: true\n" // without it no SASL2 over WebSocket, wss included
	}
	websocket := "/xmpp-websocket: ejabberd_http_ws"
	if s.off == WebSocket {
		websocket = "/nothing: mod_http_api"
	}
	federation, listener, inetrc := "s2s_access: none\n", "", "{lookup,[\"file\",\"native\"]}.\n"
	if f := s.federation; f != nil {
		modules += "  mod_s2s_dialback: {}\n"
		federation = "s2s_access: all\ns2s_use_starttls: false\noutgoing_s2s_families: [ipv4]\n"
		listener = fmt.Sprintf("  -\n    port: %s\n    ip: \"127.0.0.1\"\n    module: ejabberd_s2s_in\n", portOf(s.Servers))
		inetrc += fmt.Sprintf("{resolv_conf,\"\"}.\n{nameserver,{127,0,0,1},%s}.\n", portOf(f.Names))
	}
	config := strings.NewReplacer("s2s_access: none\n", federation, "LISTENERS\n", listener, "TCPPORT", portOf(s.TCP), "TLSPORT", portOf(s.TLS), "PROXIED", portOf(s.Proxied),
		"/xmpp-websocket: ejabberd_http_ws", websocket, "DIR", dir, "DOMAIN", s.Domain, "WEBPORT", fmt.Sprint(s.webPort), "WSPORT", fmt.Sprint(s.wsPort),
		"WSS", s.WSS, "WEB", s.Web, "    SASL2\n", sasl2, "  MODULES\n", modules).Replace(ejabberdYAML)
	return map[string]string{"ejabberd.yml": config, "spool/ejabberd.schema": ejabberdSchema, "inetrc": inetrc}
}

const ejabberdYAML = `
hosts: [DOMAIN, every.test, sha1.test, plain.test, anon.test]
loglevel: info
log_rotate_size: infinity
certfiles: [DIR/both.pem]
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2]
s2s_access: none
max_fsm_queue: 10000

host_config:
  every.test:
    auth_password_format: plain
  sha1.test:
    auth_scram_hash: sha
  plain.test:
    disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512, SCRAM-SHA-1-PLUS, SCRAM-SHA-256-PLUS, SCRAM-SHA-512-PLUS]
  anon.test:
    auth_method: anonymous
    anonymous_protocol: sasl_anon
    allow_multiple_connections: true

append_host_config:
  DOMAIN:
    modules:
      mod_http_upload:
        put_url: "WEB/upload"
        docroot: DIR/upload
        custom_headers:
          Access-Control-Allow-Origin: "*"
          Access-Control-Allow-Methods: GET,HEAD,PUT,OPTIONS
          Access-Control-Allow-Headers: Content-Type, Authorization

listen:
  -
    port: WSPORT
    ip: "127.0.0.1"
    module: ejabberd_http
    SASL2
    request_handlers:
      /xmpp-websocket: ejabberd_http_ws
      /api: mod_http_api
  -
    port: WEBPORT
    ip: "127.0.0.1"
    module: ejabberd_http
    tls: true
    SASL2
    request_handlers:
      /xmpp-websocket: ejabberd_http_ws
      /.well-known/host-meta: mod_host_meta
      /.well-known/host-meta.json: mod_host_meta
      /upload: mod_http_upload
  -
    port: TCPPORT
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    starttls: true
    SASL2
  -
    port: TLSPORT
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    tls: true
    SASL2
  -
    port: PROXIED
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    use_proxy_protocol: true
    SASL2
LISTENERS

api_permissions:
  tests:
    from: [mod_http_api]
    who: [{ip: 127.0.0.1/8}]
    what: "*"

modules:
  MODULES
  mod_adhoc: {}
  mod_admin_extra: {}
  mod_avatar: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_host_meta:
    websocket_url: "WSS"
    bosh_service_url: undefined
  mod_http_api: {}
  mod_last: {}
  mod_mam:
    default: always
    assume_mam_usage: true
  mod_muc:
    host: "rooms.@HOST@"
    access_create: all
    access_persistent: all
    default_room_options:
      mam: true
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub:
    plugins: [flat, pep]
    access_createnode: all
  mod_push: {}
  mod_roster:
    versioning: true
  mod_stream_mgmt:
    resend_on_timeout: if_offline
  mod_time: {}
  mod_vcard: {}
  mod_vcard_xupdate: {}
  mod_version: {}
`

// The archive is in memory as well as on disk. On disk alone, the default, it takes a tenth
// of a second to file a message once somebody has a thousand. ejabberd looks at its schema
// only when there is a table already, so the first start needs the command.
const (
	ejabberdSchema  = "archive_msg: {storage_type: disc_copies}\n"
	ejabberdArchive = "mnesia:change_table_copy_type(archive_msg, node(), disc_copies)."
)

// ejabberdCommand runs Erlang without a node name: no distribution, no epmd, no
// cookie. That also takes the command line tool away; accounts come by HTTP.
func ejabberdCommand(s *Server, dir string) []string {
	root := ""
	if s.kind.private {
		root = Root()
	}
	first := func(pattern string) string {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		if len(found) == 0 {
			return pattern
		}
		return strings.TrimPrefix(found[0], root)
	}
	return []string{
		"EJABBERD_CONFIG_PATH=" + dir + "/ejabberd.yml",
		"EJABBERD_LOG_PATH=" + dir + "/ejabberd.log",
		"ERL_LIBS=" + filepath.Dir(first("/usr/lib/*/ejabberd-*")),
		"ERL_INETRC=" + dir + "/inetrc",
		"ERL_CRASH_DUMP_SECONDS=0",
		"ROOTDIR=/usr/lib/erlang", "EMU=beam", "PROGNAME=erl", "BINDIR=" + first("/usr/lib/erlang/erts-*/bin"),
		// erlexec is what the shell script erl ends in.
		first("/usr/lib/erlang/erts-*/bin") + "/erlexec",
		"-noinput", "+sbwt", "none", "+S", "2:2", "-mnesia", "dir", `"` + dir + `/spool"`, "-s", "ejabberd",
		"-eval", ejabberdArchive,
	}
}

func ejabberdAccount(ctx context.Context, s *Server, local, host, password string) error {
	err := s.api(ctx, "register", map[string]string{"user": local, "host": host, "password": password})
	if errors.Is(err, errConflict) {
		return s.api(ctx, "change_password", map[string]string{"user": local, "host": host, "newpass": password})
	}
	return err
}

// ejabberdAgain leaves an account that is there as it is, barred ones too.
func ejabberdAgain(s *Server, local, host, password string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.api(ctx, "register", map[string]string{"user": local, "host": host, "password": password})
	if errors.Is(err, errConflict) {
		return nil
	}
	return err
}

func ejabberdDisable(ctx context.Context, s *Server, local, host string) error {
	return s.api(ctx, "ban_account", map[string]string{"user": local, "host": host, "reason": "test"})
}

var errConflict = errors.New("it is there already")

// api calls one of ejabberd's administration commands.
func (s *Server) api(ctx context.Context, command string, args map[string]string) error {
	_, err := s.ask(ctx, command, args)
	return err
}

// ask is api for a command that answers.
func (s *Server) ask(ctx context.Context, command string, args map[string]string) (answer []byte, err error) {
	body, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/api/%s", s.wsPort, command)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := s.HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusConflict {
		return nil, errConflict
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", command, resp.Status, answer)
	}
	return answer, nil
}
