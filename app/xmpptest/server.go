//go:build linux

package xmpptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"natter/app/jid"
)

// Kind is a server that can be launched.
type Kind string

const (
	KindProsody    Kind = "prosody"    // 0.12.3, Debian 12's package
	KindEjabberd   Kind = "ejabberd"   // 23.01, Debian 12's package
	KindProsody13  Kind = "prosody13"  // 13.0.1, Debian 13's, in a root folder of its own
	KindEjabberd24 Kind = "ejabberd24" // 24.12, Debian 13's, in a root folder of its own
)

// Kinds holds every Kind, quick ones first.
var Kinds = []Kind{KindProsody, KindProsody13, KindEjabberd, KindEjabberd24}

// Hosts that every server has besides its Domain, all without components.
const (
	HostEvery     = "every.test" // every SCRAM the server knows: passwords are stored as they are
	HostSHA1      = "sha1.test"  // SCRAM-SHA-1 and PLAIN
	HostPlain     = "plain.test" // PLAIN only
	HostAnonymous = "anon.test"  // ANONYMOUS
)

// Server is a real XMPP server on loopback with data, ports and certificate of
// its own. Domain offers SCRAM-SHA-256 and PLAIN, without TLS too; archives
// (always on), carbons, Stream Management, blocking, PEP, rooms and upload are on,
// rate limits off.
//
// SASL2 has its oddities: ejabberd 24 offers it, and Prosody 13 FAST, only to those
// whose <open/> has a from; on Prosody 0.12 it works over WS alone and without FAST.
type Server struct {
	Kind   Kind
	Name   string // for people: "Prosody 13"
	Domain string // prosody.test, ejabberd24.test …

	WS      string // ws://127.0.0.1:port/xmpp-websocket
	WSS     string // wss://localhost:port/xmpp-websocket, also for Domain and the other hosts by name
	TCP     string // 127.0.0.1:port, for clients, STARTTLS offered but not insisted on
	TLS     string // the same with TLS from the first byte
	Proxied string // the same as TCP behind the PROXY protocol, empty if the server cannot (Prosody 0.12)

	Servers string // the same as TCP for other servers, empty without a Federation

	Web string // https://localhost:port; ask it as Domain for /.well-known/host-meta and host-meta.json

	Rooms  string // the room service of Domain
	Upload string // the upload service of Domain
	SASL2  string // the host with SASL2, Bind 2 and FAST, empty if the server has none

	CA     *x509.CertPool // what signed the certificate
	CAFile string         // the same as a PEM file
	Log    string         // the server's log file

	dir     string
	wsPort  int
	webPort int
	off     Off
	kind    launcher

	federation *Federation

	mu       sync.Mutex
	running  *process
	killed   bool               // since the last start
	accounts map[jid.JID]string // their passwords, for a server that forgets when killed
	made     atomic.Int32       // accounts with a name of ours
}

// launcher is what differs between the kinds.
type launcher struct {
	name    string
	private bool                                                        // lives in the private root
	probe   string                                                      // a file that is there if the server is installed
	config  func(s *Server, dir string) map[string]string               // files to write; dir as the server sees it
	command func(s *Server, dir string) []string                        // environment assignments, program, arguments
	account func(ctx context.Context, s *Server, l, h, pw string) error // makes it or changes its password
	again   func(s *Server, local, h, pw string) error                  // makes it unless it is there; nil if the server forgets nothing
	disable func(ctx context.Context, s *Server, local, h string) error // nil if the server cannot
}

func (k Kind) launcher() (launcher, error) {
	switch k {
	case KindProsody:
		return launcher{"Prosody 0.12", false, "/usr/bin/prosody", prosodyConfig, prosodyCommand, prosodyAccount, nil, nil}, nil
	case KindProsody13:
		return launcher{"Prosody 13", true, "/usr/bin/prosody", prosodyConfig, prosodyCommand, prosodyAccount, nil, nil}, nil
	case KindEjabberd:
		return launcher{"ejabberd 23", false, "/usr/sbin/ejabberdctl", ejabberdConfig, ejabberdCommand, ejabberdAccount, ejabberdAgain, ejabberdDisable}, nil
	case KindEjabberd24:
		return launcher{"ejabberd 24", true, "/usr/sbin/ejabberdctl", ejabberdConfig, ejabberdCommand, ejabberdAccount, ejabberdAgain, ejabberdDisable}, nil
	}
	return launcher{}, fmt.Errorf("no server is called %q", k)
}

// NotInstalledError says which server is missing.
type NotInstalledError struct{ Name string }

func (e *NotInstalledError) Error() string {
	return e.Name + " is not installed: run .ci/install"
}

// Root returns the folder Debian 13's servers are unpacked into, as .ci/install
// does: NATTER_TRIXIE, or natter-test/trixie in the user's cache folder.
func Root() string {
	if root := os.Getenv("NATTER_TRIXIE"); root != "" {
		return root
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "natter-test", "trixie")
}

// Off is something that servers are started without.
type Off string

// WebSocket is the server's own: clients then come by TCP alone, or through a gateway.
const WebSocket Off = "websocket"

// Start launches a server with its data in dir, which must be empty and is left to
// the caller, as is Stop. It returns when the server answers; a *NotInstalledError
// if it is not there. For t-less places such as TestMain: in a test call Prosody
// and its like.
func Start(kind Kind, dir string, off ...Off) (*Server, error) {
	return setUp(kind, dir, nil, off...)
}

// Federation is how a server meets others. Without one it meets nobody.
type Federation struct {
	Domain   string            // in the place of the usual
	Outgoing string            // 127.0.0.1:port that gets its streams to others
	Names    string            // for ejabberd: 127.0.0.1:port of the name server that says so
	Modules  map[string]string // for Prosody: the text of mod_NAME.lua by name
}

// StartFederated launches a server like Start that meets others over TCP alone: they reach
// it at Servers, and it reaches them where f says.
func StartFederated(kind Kind, dir string, f Federation) (*Server, error) {
	return setUp(kind, dir, &f)
}

func setUp(kind Kind, dir string, federation *Federation, off ...Off) (*Server, error) {
	l, err := kind.launcher()
	if err != nil {
		return nil, err
	}
	return l.setUp(kind, dir, federation, off...)
}

func (l launcher) setUp(kind Kind, dir string, federation *Federation, off ...Off) (*Server, error) {
	probe := l.probe
	if l.private {
		probe = filepath.Join(Root(), probe)
	}
	if _, err := os.Stat(probe); err != nil {
		return nil, &NotInstalledError{l.name}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	ports, err := freePorts(6)
	if err != nil {
		return nil, err
	}
	domain := string(kind) + ".test"
	if federation != nil {
		domain = federation.Domain
	}
	s := &Server{
		Kind: kind, Name: l.name, Domain: domain,
		WS:    fmt.Sprintf("ws://127.0.0.1:%d/xmpp-websocket", ports[0]),
		WSS:   fmt.Sprintf("wss://localhost:%d/xmpp-websocket", ports[1]),
		TCP:   fmt.Sprintf("127.0.0.1:%d", ports[2]),
		TLS:   fmt.Sprintf("127.0.0.1:%d", ports[3]),
		Web:   fmt.Sprintf("https://localhost:%d", ports[1]),
		Rooms: "rooms." + domain, Upload: "upload." + domain,
		CAFile: filepath.Join(dir, "ca.pem"),
		Log:    filepath.Join(dir, "log"),
		dir:    dir, wsPort: ports[0], webPort: ports[1], kind: l,
		accounts: map[jid.JID]string{},

		federation: federation,
	}
	if federation != nil {
		s.Servers = fmt.Sprintf("127.0.0.1:%d", ports[5])
	}
	if slices.Contains(off, WebSocket) {
		s.off = WebSocket
		s.WS, s.WSS = "", ""
	}
	if kind != KindProsody { // Debian 12 has no mod_net_proxy
		s.Proxied = fmt.Sprintf("127.0.0.1:%d", ports[4])
	}
	switch kind {
	case KindProsody:
		s.SASL2 = "sasl2.test"
	case KindProsody13, KindEjabberd24:
		s.SASL2 = domain
	}

	ca := Ours()
	s.CA = ca.Pool()
	cert, key := ca.Issue(domain, s.Rooms, s.Upload, HostEvery, HostSHA1, HostPlain, HostAnonymous, "sasl2.test")
	files := l.config(s, s.seen())
	files["ca.pem"] = string(ca.CertPEM)
	files["cert.pem"] = string(cert)
	files["key.pem"] = string(key)
	files["both.pem"] = string(cert) + string(key)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// Start launches the server again, on the same ports with the same data, and
// returns when it answers. A server that runs is left alone. A killed ejabberd has
// lost its last seconds, archives included; accounts made by us are made again.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil && !s.running.over() {
		return nil
	}
	p, err := launch(s.wrap(s.kind.command(s, s.seen())), s.Log)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	if err := s.ready(p); err != nil {
		p.kill()
		return fmt.Errorf("start %s: %w\n%s", s.Name, err, s.logTail(0))
	}
	s.running = p
	if s.killed && s.kind.again != nil {
		for account, password := range s.accounts {
			if err := s.kind.again(s, account.Local(), account.Domain(), password); err != nil {
				return fmt.Errorf("%s: account %s: %w", s.Name, account, err)
			}
		}
	}
	s.killed = false
	return nil
}

// PID returns the process of a server that runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.cmd.Process.Pid
}

// Stop asks the server to end, which tells its clients, and waits until it has.
// One that does not is killed.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.stop()
		s.running = nil
	}
}

// Kill ends the server without a word to anybody.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.kill()
		s.running, s.killed = nil, true
	}
}

// Account makes an account at Domain and returns its address. An empty local part
// is replaced by one that is not taken. An account that is there already gets the
// password.
func (s *Server) Account(t testing.TB, local, password string) jid.JID {
	t.Helper()
	return s.AccountAt(t, s.Domain, local, password)
}

// AccountAt is Account at another host of the server.
func (s *Server) AccountAt(t testing.TB, host, local, password string) jid.JID {
	t.Helper()
	if local == "" {
		local = fmt.Sprintf("user%d", s.made.Add(1))
	}
	j, err := s.NewAccount(host, local, password)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// NewAccount is AccountAt for places without a test.
func (s *Server) NewAccount(host, local, password string) (jid.JID, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.kind.account(ctx, s, local, host, password); err != nil {
		return "", fmt.Errorf("%s: account %s@%s: %w", s.Name, local, host, err)
	}
	account := jid.JID(local + "@" + host)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[account] = password
	return account, nil
}

// Disable bars the account from signing in. It reports false where the server knows
// no such thing: Prosody.
func (s *Server) Disable(t testing.TB, account jid.JID) bool {
	t.Helper()
	if s.kind.disable == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.kind.disable(ctx, s, account.Local(), account.Domain()); err != nil {
		t.Fatalf("%s: disable %s: %v", s.Name, account, err)
	}
	return true
}

// HTTPClient trusts the server's certificate and finds every name ending in .test
// at the server, port 443 included.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.CA},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if filepath.Ext(host) == ".test" {
				host = "127.0.0.1"
				if port == "443" {
					port = strconv.Itoa(s.webPort)
				}
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
		},
	}}
}

// seen returns the server's folder as the server sees it.
func (s *Server) seen() string {
	if s.kind.private {
		return "/data"
	}
	return s.dir
}

// enter runs "$@" with $1 as the root folder and $2 as its /data. The mounts are
// seen by this process alone and vanish with it.
const enter = `set -e
root=$1 data=$2
shift 2
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$data" "$root/data"
mount -t tmpfs none "$root/tmp"
exec chroot "$root" "$@"`

// wrap puts a command into the private root if that is where the server lives.
// Everything execs, so the process started is the server itself.
func (s *Server) wrap(command []string) *exec.Cmd {
	env, args := cutEnv(command)
	if s.kind.private {
		prefix := []string{"unshare", "--mount"}
		if os.Geteuid() != 0 {
			prefix = append(prefix, "--map-root-user")
		}
		args = append(append(prefix, "sh", "-c", enter, "sh", Root(), s.dir), args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	// XMPPTEST marks every process the server starts, wherever it moves.
	cmd.Env = append([]string{"XMPPTEST=" + s.dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + s.seen()}, env...)
	return cmd
}

func cutEnv(command []string) (env, args []string) {
	for i, a := range command {
		if !bytes.ContainsRune([]byte(a), '=') {
			return command[:i], command[i:]
		}
	}
	return command, nil
}

// ready waits until both ports speak HTTP. Both kinds of server open them when the
// hosts are up.
func (s *Server) ready(p *process) error {
	client := s.HTTPClient()
	defer client.CloseIdleConnections()
	client.Timeout = 5 * time.Second
	deadline := time.Now().Add(3 * time.Minute) // ejabberd works for seconds to get up, on a machine that may have none to spare
	for _, url := range []string{fmt.Sprintf("http://127.0.0.1:%d/", s.wsPort), s.Web} {
		for {
			resp, err := client.Get(url)
			if err == nil {
				_ = resp.Body.Close()
				break
			}
			select {
			case <-p.done:
				return fmt.Errorf("it ended: %v", p.err)
			case <-time.After(20 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				return err
			}
		}
	}
	return nil
}

// Silence is since when a server has said nothing.
type Silence struct{ since atomic.Int64 } // ns

// Broken is to be called whenever the server says something.
func (s *Silence) Broken() { s.since.Store(time.Now().UnixNano()) }

// wait returns when there has been silence for a moment, or there is none after all.
func (s *Silence) wait() {
	const moment = 250 * time.Millisecond
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		silent := time.Since(time.Unix(0, s.since.Load()))
		if silent >= moment {
			return
		}
		time.Sleep(moment - silent)
	}
}

// Cut ends that many connections of clients, with cut. What ejabberd sends to a WebSocket at
// the very moment that it is cut holds its stream up for half a minute; a resume before that
// is refused ("Session state copying timed out"), and what waited for the stream is lost. So
// with ejabberd it is done in silence, and returns when the server has seen it.
func (s *Server) Cut(n int, silence *Silence, cut func()) {
	if s.Kind != KindEjabberd && s.Kind != KindEjabberd24 {
		cut()
		return
	}
	silence.wait()
	from := size(s.Log)
	cut()
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if bytes.Count(s.logTail(from), []byte(" Closing c2s ")) >= n {
			return
		}
	}
}

// logTail returns the end of what the log says after this position.
func (s *Server) logTail(from int64) []byte {
	b, err := os.ReadFile(s.Log)
	if err != nil || from > int64(len(b)) {
		return nil
	}
	b = b[from:]
	return b[max(0, len(b)-6<<10):]
}

// process is a child that cannot outlive us: it is alone in its process group, and
// the kernel kills it if we die.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

func launch(cmd *exec.Cmd, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer out.Close()
		// Pdeathsig is about the thread that forks, so it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
	}
	p.kill()
}

// kill ends the whole group and waits until the last of it is gone.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if err := syscall.Kill(-p.cmd.Process.Pid, 0); errors.Is(err, syscall.ESRCH) {
			return
		}
	}
}

// FreeAddress returns an address of 127.0.0.1 for a program that a test starts: see freePorts.
func FreeAddress(t testing.TB) string {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

// freePorts returns ports of 127.0.0.1 that nobody listens on. They are below those that
// a system gives to connections (RFC 6335 §6: from 49152, Linux from 32768), so that no
// connection takes one while the server is still starting, or starts again. No other test
// process is given them while this one runs.
func freePorts(n int) ([]int, error) {
	claimed.Lock()
	defer claimed.Unlock()
	var ports []int
	for range 1000 {
		port := 10000 + rand.IntN(20000)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		claim, err := net.Listen("unix", fmt.Sprintf("@natter, port %d", port)) // its name ends with the process
		if err != nil {
			continue
		}
		claimed.all = append(claimed.all, claim)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports")
}

var claimed struct {
	sync.Mutex
	all []net.Listener
}

// run executes a program beside the server, in its root, and waits.
func (s *Server) run(ctx context.Context, command ...string) error {
	cmd := s.wrap(command)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
