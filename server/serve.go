package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"natter/server/cert"
	"natter/server/config"
	"natter/server/front"
	"natter/server/gateway"
	"natter/server/site"
	"natter/server/trial"
)

// drain is how long those who are connected get when the server stops.
const drain = 10 * time.Second

// endpoint is where the trial server's WebSocket is.
const endpoint = "/xmpp-websocket"

const serveHelp = `Serves the page. Without -config and -domain it is a place to try it out, with an XMPP
server in memory, for this machine only. SIGHUP reads the configuration file again,
SIGTERM stops when those who are connected are done, ten seconds later at most.
`

// settings are what the flags and the configuration come to.
type settings struct {
	*config.File
	path        string // of the file; "" if the flags say it all
	addr        string // of the flag, which comes before the file
	trial       bool   // nothing is configured
	trialPublic bool
	demo        []site.Account
}

// sites returns what each page is.
func (s *settings) sites() []*site.Config {
	all := s.Configs()
	for _, c := range all {
		c.Demo = s.demo
	}
	return all
}

func configure(c call) (*settings, error) {
	flags := flags(c, "serve", "", serveHelp)
	file := flags.String("config", "", "read the configuration from this JSON `file`")
	addr := flags.String("addr", c.getenv("ADDR"), "listen on this `host:port` (also: ADDR)")
	domain := flags.String("domain", "", "serve the page for this XMPP `domain`")
	websocket := flags.String("websocket", "", "the domain's WebSocket, a `wss:// address`")
	public := flags.Bool("trial-public", false, "let the trial server be reached from other machines: anyone can then use its accounts")
	if _, err := parse(flags, c.args); err != nil {
		return nil, err
	}
	s := &settings{File: config.Default(), path: *file, addr: *addr, trial: *file == "" && *domain == "", trialPublic: *public}
	s.Listen = "localhost:8080"
	switch {
	case *file != "" && (*domain != "" || *websocket != ""):
		return nil, usageError{errors.New("-config already names the domains: leave out -domain and -websocket")}
	case *websocket != "" && *domain == "":
		return nil, usageError{errors.New("-websocket needs -domain")}
	case *public && !s.trial:
		return nil, usageError{errors.New("-trial-public: there is no trial server with -config or -domain")}
	case *file != "":
		f, err := config.ReadFile(*file)
		if err != nil {
			return nil, usageError{err}
		}
		s.File = f
	case *domain != "":
		s.Domains = []config.Domain{{Name: *domain, WebSocket: *websocket}}
	default:
		s.AnyServer = true
		s.Domains = []config.Domain{{Name: "localhost", WebSocket: endpoint, Trial: &config.Trial{Public: *public,
			Accounts: []config.Account{{Name: "ada", Password: "analytical"}, {Name: "grace", Password: "compiler"}}}}}
		for _, a := range s.Domains[0].Trial.Accounts {
			s.demo = append(s.demo, site.Account{Address: a.Name + "@localhost", Password: a.Password})
		}
	}
	if s.addr != "" {
		s.Listen = s.addr
	}
	if err := s.Check(); err != nil {
		return nil, usageError{err}
	}
	if s.trial && !s.trialPublic && !site.Loopback(s.Listen) {
		return nil, usageError{fmt.Errorf("the trial server's passwords are known to everybody, so it is for this machine only: "+
			"listen on localhost instead of %s, name a -domain, or insist with -trial-public", s.Listen)}
	}
	return s, nil
}

// running is a server that serves.
type running struct {
	bundle fs.FS
	log    *slog.Logger
	level  *slog.LevelVar
	front  *front.Front
	gate   *front.Gate
	certs  *cert.Source             // nil without TLS
	trials map[string]*trial.Server // by domain
	file   atomic.Pointer[config.File]
	pages  atomic.Pointer[pages]

	gateways gateways
	meter    meter  // of all of them
	secret   []byte // for keys between servers, unless the file has one
}

// growth is by how many percent of what is in use the heap grows before it is collected. Most of what is in use are the
// buffers of connections, and strangers choose how many there are: with Go's 100, six thousand hostile ones had the
// process at up to 152 MB, with 50 at 120 (P-21). GOGC has precedence.
const growth = 50

// serve runs until ctx is done and everyone has been let go.
func serve(ctx context.Context, s *settings, bundle fs.FS, c call) error {
	if c.getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	r := &running{bundle: bundle, secret: []byte(rand.Text())}
	r.log, r.level = front.NewLog(s.Log, c.problems)
	r.front = front.New(r.log)
	r.gate = r.front.NewGate()
	r.meter = newMeter(r.front.Set)
	if err := r.makeTrials(s); err != nil {
		return err
	}
	if s.TLS != nil {
		certs, err := cert.New(s.File, r.log)
		if err == nil {
			err = certs.Prepare()
		}
		if err != nil {
			return err
		}
		r.certs = certs
		r.front.Require("certificates", certs.Ready)
		r.front.Gauge(func(w io.Writer) {
			for name, until := range certs.Until() {
				metrics.WriteGaugeUint64(w, fmt.Sprintf("natter_certificate_not_after_seconds{name=%q}", name), uint64(until.Unix()))
			}
		})
	}
	r.front.Set.NewGauge(fmt.Sprintf("natter_build_info{version=%q}", version()), func() float64 { return 1 })
	if err := r.use(s); err != nil {
		return err
	}

	serving, err := r.listen(s)
	if err != nil {
		return err
	}
	announce(c.out, s, serving.addr)
	if s.path != "" { // not for who tries it out: the page has just told them all
		r.log.Info("natter serves", "at", serving.addr.String(), "version", version())
	}
	if r.certs != nil {
		go r.certs.Obtain()
	}
	for {
		select {
		case err := <-serving.failed:
			return errors.Join(err, serving.close())
		case <-c.reload:
			r.reload(s)
		case <-ctx.Done():
			fmt.Fprintln(c.out, "Stopping …")
			r.front.Drain()
			return serving.stop(r)
		}
	}
}

// use lets what s says hold from now on. What holds is not touched if it fails.
func (r *running) use(s *settings) error {
	p, err := r.build(s)
	if err != nil {
		return err
	}
	if r.certs != nil {
		if err := r.certs.Configure(s.File); err != nil {
			return err
		}
	}
	_ = r.level.UnmarshalText([]byte(s.Log.Level)) // it has been checked
	r.front.Requests.Store(s.Log.Requests)
	r.gate.Limit(s.Limits, s.Proxies())
	r.file.Store(s.File)
	r.pages.Store(p)
	r.gateways.use(p.gateways)
	return nil
}

// build makes the pages. What answers beside them, at a path, is mounted here.
func (r *running) build(s *settings) (*pages, error) {
	p := &pages{byHost: map[string]*site.Site{}}
	paths, trials := s.Gateways(), s.TrialPaths()
	federated, servers, err := s.Federated()
	if err != nil {
		return nil, err
	}
	if p.federation, err = r.federate(federated); err != nil {
		return nil, err
	}
	if p.federation != nil {
		p.gateways = append(p.gateways, p.federation)
	}
	for i, c := range s.sites() {
		page, err := site.New(r.bundle, c)
		if err != nil {
			return nil, err
		}
		made, err := r.mount(page, paths[i])
		if err != nil {
			return nil, err
		}
		p.gateways = append(p.gateways, made...)
		if servers[i] != "" {
			page.Mount(servers[i], p.federation)
		}
		for path, domain := range trials[i] {
			page.Mount(path, r.trials[domain])
		}
		if p.first == nil {
			p.first = page
		}
		for name := range c.Hosts() {
			if p.byHost[name] == nil {
				p.byHost[name] = page
			}
		}
	}
	return p, nil
}

// reload reads the file again. A wrong file changes nothing.
func (r *running) reload(s *settings) {
	if s.path == "" {
		r.log.Warn("there is no configuration file to read again")
		return
	}
	f, err := config.ReadFile(s.path)
	if err == nil {
		if s.addr != "" {
			f.Listen = s.addr // the flag still comes before the file
		}
		err = f.Restart(r.file.Load())
	}
	if err == nil {
		next := *s
		next.File = f
		err = r.use(&next)
	}
	result := "taken"
	if err != nil {
		result = "refused"
		r.log.Error("the configuration was read again and refused; what was there still holds", "error", err)
	} else {
		r.log.Info("the configuration was read again")
		if r.certs != nil {
			go r.certs.Obtain()
		}
	}
	r.front.Set.GetOrCreateCounter(fmt.Sprintf("natter_config_reloads_total{result=%q}", result)).Inc()
}

// pages are all sites. Which answers, the host of a request says; loopback names belong to
// the first, which also refuses whoever names none of ours.
type pages struct {
	first  *site.Site
	byHost map[string]*site.Site

	gateways   []carrier
	federation *gateway.Federation // nil without
}

func (r *running) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p := r.pages.Load()
	page := p.byHost[site.Hostname(req.Host)]
	if page == nil {
		page = p.first
	}
	page.ServeHTTP(w, req)
}

// serving are the servers of a running natter.
type serving struct {
	addr    net.Addr
	servers []*http.Server
	others  []io.Closer // listeners for the domains' own servers
	failed  chan error
}

// certified lets c ask other servers for their certificates, at names where no page is.
func (r *running) certified(c *tls.Config) *tls.Config {
	asking := c.Clone()
	asking.ClientAuth = tls.RequestClientCert
	asking.NextProtos = slices.DeleteFunc(slices.Clone(c.NextProtos), func(p string) bool { return p == "h2" }) // RFC 8441 is not spoken
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if r.file.Load().Certified(strings.ToLower(hello.ServerName)) {
			return asking, nil
		}
		return nil, nil // c itself
	}
	return c
}

// listen starts all servers, or none.
func (r *running) listen(s *settings) (*serving, error) {
	v := &serving{failed: make(chan error, 3)}
	type listener struct {
		net.Listener
		server *http.Server
		tls    bool
	}
	var all []listener
	open := func(address string, h http.Handler, gated, secure bool) error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		if v.addr == nil {
			v.addr = l.Addr()
		}
		switch {
		case gated && s.ProxyProtocol:
			l = r.gate.Proxied(l)
		case gated:
			l = r.gate.Listener(l)
		}
		server := site.NewServer(address, h)
		server.ErrorLog = r.front.ErrorLog()
		if secure {
			server.TLSConfig = r.certified(r.front.TLS(r.certs.Config()))
		}
		all = append(all, listener{l, server, secure})
		return nil
	}
	err := open(s.Listen, r.front.Handler(r), true, r.certs != nil)
	if err == nil && s.TLS != nil && s.TLS.HTTP != "" {
		err = open(s.TLS.HTTP, r.certs.HTTP(func(host string) string { return r.file.Load().Page(host) }), true, false)
	}
	if err == nil && s.Metrics != nil {
		err = open(s.Metrics.Listen, r.front.Metrics(), false, false)
	}
	if err == nil && s.Federation.Listen != "" {
		err = v.listenToServers(r, s)
	}
	if err != nil {
		for _, l := range all {
			_ = l.Close()
		}
		return nil, err
	}
	for _, l := range all {
		v.servers = append(v.servers, l.server)
		go func() {
			var err error
			if l.tls {
				err = l.server.ServeTLS(l.Listener, "", "")
			} else {
				err = l.server.Serve(l.Listener)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				v.failed <- err
			}
		}()
	}
	return v, nil
}

// listenToServers starts what the domains' own servers come to.
func (v *serving) listenToServers(r *running, s *settings) error {
	l, err := net.Listen("tcp", s.Federation.Listen)
	if err != nil {
		return err
	}
	v.others = append(v.others, l)
	if s.Federation.Names != "" {
		names, err := net.ListenPacket("udp", s.Federation.Names)
		if err != nil {
			_ = l.Close()
			return err
		}
		v.others = append(v.others, names)
		go func() { _ = gateway.ServeNames(names, l.Addr().(*net.TCPAddr).AddrPort()) }() // until it is closed
	}
	go r.outgoing(l)
	return nil
}

func (v *serving) close() error {
	var all []error
	for _, l := range v.others {
		_ = l.Close()
	}
	for _, s := range v.servers {
		all = append(all, s.Close())
	}
	return errors.Join(all...)
}

// stop lets transfers finish and tells XMPP clients why they are disconnected.
// http.Server does not know about connections that became WebSockets.
func (v *serving) stop(r *running) error {
	f := r.file.Load()
	ctx, cancel := context.WithTimeout(context.Background(), drain+time.Duration(f.Gateway.DrainSeconds)*time.Second)
	defer cancel()
	left, gone := make(chan error, 2), make(chan struct{})
	go func() {
		left <- r.stopTrials(ctx)
		close(gone)
	}()
	go func() { left <- r.gateways.drain(ctx, f, gone) }()
	var all []error
	for _, l := range v.others {
		_ = l.Close()
	}
	for _, s := range v.servers {
		all = append(all, s.Shutdown(ctx))
	}
	err := errors.Join(append(all, <-left, <-left)...)
	if errors.Is(err, context.DeadlineExceeded) {
		return v.close() // who is still here had the time they were given
	}
	return err
}

func announce(out io.Writer, s *settings, addr net.Addr) {
	url := s.PublicURL
	if url == "" && len(s.Sites) > 0 {
		url = s.Sites[0].PublicURL
	}
	if url == "" {
		host, port, _ := net.SplitHostPort(s.Listen)
		if a, ok := addr.(*net.TCPAddr); ok {
			port = fmt.Sprint(a.Port)
		}
		if host == "" || site.Loopback(s.Listen) {
			host = "localhost"
		}
		url = "http://" + net.JoinHostPort(host, port)
	}
	fmt.Fprintf(out, "Natter is at %s\n\n", url)
	if s.trial {
		fmt.Fprintln(out, "Sign in with one of the trial accounts:")
		fmt.Fprintln(out)
		for _, a := range s.demo {
			fmt.Fprintf(out, "    %-16s password  %s\n", a.Address, a.Password)
		}
		fmt.Fprintln(out)
		fmt.Fprintln(out, "They know each other and echo@localhost, who answers everything. Nothing is")
		fmt.Fprintln(out, "kept when the server stops.")
		fmt.Fprintln(out)
	}
	if s.trialPublic {
		fmt.Fprintln(out, "WARNING: other machines can reach this server, and these passwords are public.")
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "Ctrl+C stops it.")
}
