//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"
	"github.com/ysmood/gson"

	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/framing"
	"natter/framing/native"
	"natter/server/site"
	"natter/server/trial"
	"natter/wasm/e2e/chrome"
)

// patience is how long anything may take before it counts as failed.
const patience = 3 * time.Minute

const (
	ada, adaPassword     = "ada@localhost", "analytical"
	grace, gracePassword = "grace@localhost", "compiler"

	lounge = "lounge@rooms.localhost"

	socketPath = "/xmpp-websocket"
)

// bench is what all rows share.
type bench struct {
	bundle  fs.FS
	browser *chrome.Browser
	cleanup []func()
}

// failure is what ends a run. It travels as a panic from where it is met to try.
type failure struct{ error }

func must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// try runs f and ends what it has begun, the latest first.
func (b *bench) try(f func()) (err error) {
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case failure:
			err = problem.error
		default:
			panic(problem)
		}
	}()
	defer func() {
		for len(b.cleanup) > 0 {
			last := b.cleanup[len(b.cleanup)-1]
			b.cleanup = b.cleanup[:len(b.cleanup)-1]
			last()
		}
	}()
	f()
	return nil
}

func (b *bench) later(f func()) { b.cleanup = append(b.cleanup, f) }

// serve starts the page and a trial server without its patience for toys: nothing is
// slowed down, nothing gives way. Ada has so many contacts, beside grace and echo, and so many
// guests are in the lounge.
func (b *bench) serve(contacts, guests int) (address string) {
	return b.serveDemo(trial.Options{Crowd: contacts, Occupants: guests})
}

// serveDemo does what serve does for a demo that is so large.
func (b *bench) serveDemo(o trial.Options) (address string) {
	const plenty = 1 << 20
	o.Demo, o.Limits = true, trial.Limits{
		Rooms: plenty, Made: plenty, Occupants: plenty, Affiliations: plenty, Joined: plenty,
		Accounts: plenty, Connections: plenty, PerAddress: plenty, Sessions: plenty, Devices: plenty, Roster: plenty,
		Archived: plenty, Stored: 1 << 30, Offline: plenty, Queue: plenty, Outbox: plenty,
		Stanzas: plenty, StanzaBurst: plenty, Bytes: 1 << 30, ByteBurst: 1 << 30, Fanout: plenty, FanoutBurst: plenty,
		Retention: 365 * 24 * time.Hour,
	}
	s := trial.New(o)
	page, err := site.New(b.bundle, &site.Config{Listen: "localhost:0", Domains: []site.Domain{{Name: "localhost", WebSocket: socketPath}}})
	must(err)
	page.Mount(socketPath, s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := site.NewServer("localhost:0", page)
	go func() { _ = server.Serve(listener) }()
	b.later(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		_ = server.Close()
	})
	return "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

//go:embed bench.js
var benchJS string

// tab is a page.
type tab struct{ page *rod.Page }

// visit opens a page in a window of its own, which knows nothing yet.
func (b *bench) visit(address string, before ...func(tab)) tab {
	context, err := b.browser.Incognito()
	must(err)
	b.later(func() { _ = context.Close() })
	return open(context, address, before...)
}

func open(browser *rod.Browser, address string, before ...func(tab)) tab {
	page, err := browser.Page(proto.TargetCreateTarget{URL: "about:blank"})
	must(err)
	p := tab{page.Timeout(patience)}
	_, err = page.EvalOnNewDocument(benchJS)
	must(err)
	must(proto.EmulationSetDeviceMetricsOverride{Width: 1280, Height: 800, DeviceScaleFactor: 1}.Call(page))
	must(proto.EmulationSetFocusEmulationEnabled{Enabled: true}.Call(page))
	for _, f := range before {
		f(p)
	}
	must(p.page.Navigate(address))
	return p
}

// fast3G is what the developer tools and Lighthouse call Fast 3G.
func fast3G(p tab) {
	must(proto.NetworkEnable{}.Call(p.page))
	must(proto.NetworkEmulateNetworkConditions{
		Latency: 562.5, DownloadThroughput: 1.6e6 / 8 * 0.9, UploadThroughput: 750e3 / 8 * 0.9,
	}.Call(p.page))
}

// eval returns what a function of JavaScript returns or promises.
func (p tab) eval(js string, args ...any) gson.JSON {
	for {
		result, err := p.page.Evaluate(rod.Eval(js, args...).ByPromise())
		if chrome.Navigated(err) {
			continue
		}
		if err != nil {
			panic(failure{fmt.Errorf("%s: %w", js, err)})
		}
		return result.Value
	}
}

// read puts what a function of JavaScript returns into v.
func (p tab) read(v any, js string, args ...any) { must(p.eval(js, args...).Unmarshal(v)) }

// signIn signs ada in and waits until nothing moves any more.
func (p tab) signIn(remember bool) {
	p.eval(`async (...args) => { await bench.until(() => bench.start.client); bench.signIn(...args) }`, ada, adaPassword, remember)
	p.settle()
}

func (p tab) settle() {
	p.eval(`async () => { await bench.until(() => bench.shown(".row") && bench.online()); await bench.quiet(1000) }`)
}

// openChat opens a conversation: that with grace, or the lounge.
func (p tab) openChat(conv string) {
	p.eval(`async (conv) => {
		document.querySelector('.row[data-conv="' + conv + '"]').click();
		await bench.until(() => document.querySelector("#message"));
		document.querySelector("#message").focus();
		await bench.quiet(500);
	}`, conv)
}

// clock returns by how much the page's clock is ahead of ours, in ms: of several answers
// the quickest is the best.
func (p tab) clock() (ahead float64) {
	best := time.Hour
	for range 20 {
		began := time.Now()
		theirs := p.eval(`() => bench.clock()`).Num()
		if took := time.Since(began); took < best {
			best, ahead = took, theirs-ms(began)-float64(took)/2/float64(time.Millisecond)
		}
	}
	return ahead
}

// longest returns how long the longest task of the page is while f runs, in ms of CPU: what else the
// machine does is not in it.
func (p tab) longest(f func()) (longest float64) {
	const mainThread, task = "CrRendererMain", "ThreadControllerImpl::RunTask"
	type thread struct{ pid, tid int }
	var mains []thread
	most := map[thread]float64{}
	stopped := p.page.EachEvent(func(e *proto.TracingDataCollected) {
		for _, ev := range e.Value {
			at := thread{ev["pid"].Int(), ev["tid"].Int()}
			args := ev["args"].Map()
			switch ev["name"].Str() {
			case "thread_name":
				if args["name"].Str() == mainThread {
					mains = append(mains, at)
				}
			case task:
				most[at] = max(most[at], ev["tdur"].Num()/1000)
			}
		}
	}, func(*proto.TracingTracingComplete) bool { return true })
	must(proto.TracingStart{
		TransferMode: proto.TracingStartTransferModeReportEvents,
		TraceConfig:  &proto.TracingTraceConfig{IncludedCategories: []string{"toplevel"}, ExcludedCategories: []string{"*"}},
	}.Call(p.page))
	f()
	must(proto.TracingEnd{}.Call(p.page))
	stopped()
	for _, main := range mains {
		longest = max(longest, most[main])
	}
	return longest
}

func ms(t time.Time) float64 { return float64(t.UnixNano()) / 1e6 }

// cpu is the time in ms that all renderers have computed.
func (b *bench) cpu() (sum float64) {
	info, err := proto.SystemInfoGetProcessInfo{}.Call(b.browser)
	must(err)
	for _, p := range info.ProcessInfo {
		if p.Type == "renderer" {
			sum += p.CPUTime * 1000
		}
	}
	return sum
}

// peer is somebody at the other end, with next to no client.
type peer struct {
	conn *framing.Conn
	jid  jid.JID

	mu      sync.Mutex
	waiting map[string]chan time.Time // for bodies
	bodies  map[string]time.Time      // when they came
}

// meet signs a peer in.
func (b *bench) meet(address string, account jid.JID, password string) *peer {
	c := &connect.Connector{
		Find: &discover.Finder{AllowLoopback: true}, Crypto: sasl.Standard{}, Pins: noPins{},
		Dial: func(ctx context.Context, url string) (framing.Socket, error) {
			return native.Dial(ctx, url, native.Options{})
		},
		UserAgent: connect.UserAgent{ID: "1b4e28ba-2fa1-41d2-883f-0016d3cca427", Software: "bench"},
	}
	ctx, cancel := context.WithCancel(context.Background())
	endpoint := "ws" + address[len("http"):] + socketPath
	s, err := c.Connect(ctx, connect.Request{Account: account, Password: password, Server: endpoint})
	must(err)
	p := &peer{conn: s.Conn, jid: s.JID, waiting: map[string]chan time.Time{}, bodies: map[string]time.Time{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.read(ctx)
	}()
	b.later(func() {
		closing, done := context.WithTimeout(ctx, time.Second)
		defer done()
		_ = s.Conn.Close(closing)
		cancel()
		<-ended
	})
	p.send(framing.New(framing.NSClient, "presence"))
	return p
}

// read acknowledges what comes and notes when bodies did.
func (p *peer) read(ctx context.Context) {
	const nsSM = "urn:xmpp:sm:3"
	for handled := uint64(0); ; {
		e, err := p.conn.Read(ctx)
		now := time.Now()
		if err != nil {
			return
		}
		switch {
		case e.Is(nsSM, "r"):
			_ = p.conn.Write(ctx, framing.New(nsSM, "a").Set("h", strconv.FormatUint(handled, 10)))
		case e.Name.Space == framing.NSClient:
			handled++
			if body := e.Child(framing.NSClient, "body"); body != nil {
				p.came(body.Text(), now)
			}
		}
	}
}

func (p *peer) came(body string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bodies[body] = now
	if c := p.waiting[body]; c != nil {
		c <- now
	}
}

// hears returns when a body came, and waits for it.
func (p *peer) hears(body string) time.Time {
	came := make(chan time.Time, 1)
	p.mu.Lock()
	at, ok := p.bodies[body]
	p.waiting[body] = came
	p.mu.Unlock()
	if ok {
		return at
	}
	select {
	case at := <-came:
		return at
	case <-time.After(patience):
		panic(failure{fmt.Errorf("the peer never heard %q", body)})
	}
}

func (p *peer) send(e *framing.Element) { must(p.conn.Write(context.Background(), e)) }

// say sends a message, to the room if that is the lounge.
func (p *peer) say(to, id, body string) {
	kind := "chat"
	if to == lounge {
		kind = "groupchat"
	}
	p.send(framing.New(framing.NSClient, "message").Set("type", kind).Set("id", id).Set("to", to).
		Add(framing.New(framing.NSClient, "body").AddText(body)))
}

// join joins the lounge.
func (p *peer) join() {
	p.send(framing.New(framing.NSClient, "presence").Set("to", lounge+"/"+p.jid.Local()).
		Add(framing.New("http://jabber.org/protocol/muc", "x")))
}

type noPins struct{}

func (noPins) SCRAMSeen(jid.JID) bool { return false }
func (noPins) SetSCRAMSeen(jid.JID)   {}
