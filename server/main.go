// Command natter serves the chat client.
//
// Alone it is a place to try it out: the page on http://localhost:8080 together
// with an XMPP server in memory, for this machine only. With -config or -domain it
// is the page for real domains, and the trial server stays off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"natter/server/site"
	"natter/server/trial"
	"natter/web"
)

// drain is how long those who are connected get when the server stops.
const drain = 10 * time.Second

// endpoint is where the trial server's WebSocket is.
const endpoint = "/xmpp-websocket"

// What run returns, for the shell.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// settings are what the flags and the configuration come to.
type settings struct {
	*site.Config
	trial       bool
	trialPublic bool
}

func run(ctx context.Context, args []string, getenv func(string) string, out, problems io.Writer) int {
	c, err := configure(args, getenv, problems)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(problems, "natter:", err)
		return exitUsage
	}
	if err := serve(ctx, c, web.Bundle(), out); err != nil {
		fmt.Fprintln(problems, "natter:", err)
		return exitFailed
	}
	return 0
}

func configure(args []string, getenv func(string) string, problems io.Writer) (*settings, error) {
	flags := flag.NewFlagSet("natter", flag.ContinueOnError)
	flags.SetOutput(problems)
	file := flags.String("config", "", "read the configuration from this JSON `file`")
	addr := flags.String("addr", getenv("ADDR"), "listen on this `host:port` (also: ADDR)")
	domain := flags.String("domain", "", "serve the page for this XMPP `domain`")
	websocket := flags.String("websocket", "", "the domain's WebSocket, a `wss:// address`")
	public := flags.Bool("trial-public", false, "let the trial server be reached from other machines: anyone can then use its accounts")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s := &settings{trial: *file == "" && *domain == "", trialPublic: *public}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is not expected here; natter -help tells what is", flags.Arg(0))
	case *file != "" && (*domain != "" || *websocket != ""):
		return nil, errors.New("-config already names the domains: leave out -domain and -websocket")
	case *websocket != "" && *domain == "":
		return nil, errors.New("-websocket needs -domain")
	case *public && !s.trial:
		return nil, errors.New("-trial-public: there is no trial server with -config or -domain")
	case *file != "":
		c, err := site.ReadFile(*file)
		if err != nil {
			return nil, err
		}
		s.Config = c
	case *domain != "":
		s.Config = &site.Config{Domains: []site.Domain{{Name: *domain, WebSocket: *websocket}}}
	default:
		s.Config = &site.Config{
			AnyServer: true,
			Domains:   []site.Domain{{Name: "localhost", WebSocket: endpoint}},
			Demo:      []site.Account{{Address: "ada@localhost", Password: "analytical"}, {Address: "grace@localhost", Password: "compiler"}},
		}
	}
	if *addr != "" {
		s.Listen = *addr
	}
	if s.Listen == "" {
		s.Listen = "localhost:8080"
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.trial && !s.trialPublic && !site.Loopback(s.Listen) {
		return nil, fmt.Errorf("the trial server's passwords are known to everybody, so it is for this machine only: "+
			"listen on localhost instead of %s, name a -domain, or insist with -trial-public", s.Listen)
	}
	return s, nil
}

// serve runs until ctx is done and everyone has been let go.
func serve(ctx context.Context, c *settings, bundle fs.FS, out io.Writer) error {
	page, err := site.New(bundle, c.Config)
	if err != nil {
		return err
	}
	var xmpp *trial.Server
	if c.trial {
		xmpp = trial.New(trial.Options{
			Domain: "localhost", Demo: true, Public: c.trialPublic,
			EchoPause: 500 * time.Millisecond, // long enough to see it typing
		})
		page.Mount(endpoint, xmpp)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	announce(out, c, listener.Addr())

	server := site.NewServer(c.Listen, page)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(out, "Stopping …")
	return stop(server, xmpp)
}

// stop lets transfers finish and tells XMPP clients why they are disconnected.
// http.Server does not know about connections that became WebSockets.
func stop(server *http.Server, xmpp *trial.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	left := make(chan error, 1)
	go func() {
		if xmpp == nil {
			left <- nil
			return
		}
		left <- xmpp.Shutdown(ctx)
	}()
	err := errors.Join(server.Shutdown(ctx), <-left)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // who is still here had the time they were given
	}
	return err
}

func announce(out io.Writer, c *settings, addr net.Addr) {
	url := c.PublicURL
	if url == "" {
		host, port, _ := net.SplitHostPort(c.Listen)
		if a, ok := addr.(*net.TCPAddr); ok {
			port = fmt.Sprint(a.Port)
		}
		if host == "" || site.Loopback(c.Listen) {
			host = "localhost"
		}
		url = "http://" + net.JoinHostPort(host, port)
	}
	fmt.Fprintf(out, "Natter is at %s\n\n", url)
	if c.trial {
		fmt.Fprintln(out, "Sign in with one of the trial accounts:")
		fmt.Fprintln(out)
		for _, a := range c.Demo {
			fmt.Fprintf(out, "    %-16s password  %s\n", a.Address, a.Password)
		}
		fmt.Fprintln(out)
		fmt.Fprintln(out, "They know each other and echo@localhost, who answers everything. Nothing is")
		fmt.Fprintln(out, "kept when the server stops.")
		fmt.Fprintln(out)
	}
	if c.trialPublic {
		fmt.Fprintln(out, "WARNING: other machines can reach this server, and these passwords are public.")
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "Ctrl+C stops it.")
}
