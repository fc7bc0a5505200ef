package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"natter/app/xmpptest"
	"natter/framing"
	"natter/framing/native"
)

// pair starts two gateways of one service. The first knows of the second.
func pair(t *testing.T, script func(p *peer), change ...func(*Config)) (g *Gateway, url, other string) {
	t.Helper()
	addr := newBackend(t, script).addr
	_, other = start(t, config(addr))
	c := config(addr)
	c.Domains[0].Elsewhere = []string{other}
	for _, f := range change {
		f(&c)
	}
	g, url = start(t, c)
	return g, url, other
}

// moves reads a <close/> that sends the client to the other gateway, and answers it.
func (w *wire) moves(other string) {
	w.t.Helper()
	if got, want := w.expect("close").Attr("see-other-uri"), other+"?sent=1"; got != want {
		w.t.Errorf("sent to %q, not %q", got, want)
	}
	w.write(framing.Close(framing.NSFraming, "").String())
	w.ends(1000)
}

func drain(t *testing.T, g *Gateway) {
	t.Helper()
	if err := <-draining(g); err != nil {
		t.Error(err)
	}
}

func draining(g *Gateway) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done <- g.Drain(ctx, 0)
	}()
	return done
}

// V19: a session that can be resumed is left with the server, and the client goes on
// from the other place. What it said before it knew still gets through.
func TestV19_DrainWithStreamManagement(t *testing.T) {
	for _, enabled := range []string{
		"<enabled xmlns='urn:xmpp:sm:3' resume='true' id='1'/>",
		"<resumed xmlns='urn:xmpp:sm:3' previd='1' h='0'/>",
	} {
		type end struct {
			said []string
			err  error
		}
		ended := make(chan end, 1)
		g, url, other := pair(t, func(p *peer) {
			if p.login(); p.next() == nil {
				return // the question whether this place answers
			}
			p.send(enabled)
			said, err := p.stay()
			ended <- end{said, err}
		})
		w := dial(t, url, nil)
		w.login()
		w.write("<enable xmlns='urn:xmpp:sm:3'/>")
		w.expect(strings.Fields(enabled)[0][1:])
		draining(g)
		if got := w.expect("close").Attr("see-other-uri"); got != other+"?sent=1" {
			t.Errorf("sent to %q", got)
		}
		w.write("<message xmlns='jabber:client'/>")
		w.write(framing.Close(framing.NSFraming, "").String())
		w.ends(1000)
		if e := <-ended; len(e.said) != 1 || e.err != io.EOF {
			t.Errorf("the server got %q, %v", e.said, e.err)
		}
	}
}

// Without Stream Management the server ends the session, and what it still has to say
// arrives.
func TestV19_DrainWithoutStreamManagement(t *testing.T) {
	ended := make(chan error, 2)
	g, url, other := pair(t, func(p *peer) {
		p.login()
		_, err := p.stay()
		p.send("<message><body>last</body></message>", framing.StreamEnd)
		ended <- err
	})
	w := dial(t, url, nil)
	w.login()
	draining(g)
	w.expect("message")
	w.moves(other)
	if err := <-ended; err != framing.ErrClosed {
		t.Errorf("the server saw %v", err)
	}
}

// R01, before open: who comes while a gateway is drained, or has enough of them, is sent
// on before anything is known of its account.
func TestV19_NewcomersAreSentOn(t *testing.T) {
	t.Run("draining", func(t *testing.T) {
		g, url, other := pair(t, func(p *peer) { p.login(); p.stay() })
		drain(t, g)
		w := dial(t, url, nil)
		w.write(framing.Open{To: "h.test", Version: "1.0"}.Element(framing.NSFraming).String())
		w.moves(other)
	})
	t.Run("full", func(t *testing.T) {
		_, url, other := pair(t, func(p *peer) { p.login(); p.stay() }, func(c *Config) { c.Limits.RedirectAbove = 1 })
		dial(t, url, nil).login()
		w := dial(t, url, nil)
		w.write(framing.Open{To: "h.test", Version: "1.0"}.Element(framing.NSFraming).String())
		w.moves(other)
		// Who was sent here is not sent on, or two full gateways would play ball with it.
		dial(t, url+"?sent=1", nil).login()
	})
}

// Nobody is sent to where nobody answers, or to less security than they had.
func TestElsewhereIsAsked(t *testing.T) {
	quiet := httptest.NewServer(nil)
	defer quiet.Close()
	g2, drained := start(t, config(newBackend(t, func(p *peer) { p.login() }).addr))
	drain(t, g2)
	for name, place := range map[string]string{
		"no gateway": "ws" + strings.TrimPrefix(quiet.URL, "http"),
		"nobody":     "ws://127.0.0.1:9/ws",
		"draining":   drained,
	} {
		t.Run(name, func(t *testing.T) {
			g, url, _ := pair(t, func(p *peer) { p.login(); p.stay(); p.send(framing.StreamEnd) }, func(c *Config) {
				c.Domains[0].Elsewhere = []string{place}
				c.Limits.RedirectAbove = 1
			})
			first := dial(t, url, nil)
			first.login()
			second := dial(t, url, nil)
			second.login() // it is full, and there is room
			done := draining(g)
			if to := first.expect("close").Attr("see-other-uri"); to != "" {
				t.Errorf("sent to %s", to)
			}
			second.expect("close")
			for _, w := range []*wire{first, second} {
				w.write(framing.Close(framing.NSFraming, "").String())
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("from wss to ws", func(t *testing.T) {
		addr := newBackend(t, func(p *peer) { p.login(); p.stay() }).addr
		_, other := start(t, config(addr))
		c := config(addr)
		c.NativeClients = true
		c.Domains[0].Elsewhere = []string{other}
		c.Limits.RedirectAbove = 1
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		ca := xmpptest.Ours()
		web := httptest.NewUnstartedServer(g)
		web.TLS = ca.ServerTLS()
		web.StartTLS()
		defer web.Close()
		for range 3 {
			s, err := native.Dial(t.Context(), "wss"+strings.TrimPrefix(web.URL, "https"), native.Options{TLSConfig: trusting()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(1000, "")
			(&wire{t, s}).login()
		}
	})
}

// A gateway that has nowhere to send anybody says that it stops. A session that can be
// resumed is dropped without a word, to be resumed.
func TestDrainToNowhere(t *testing.T) {
	log := &record{}
	c := config(newBackend(t, func(p *peer) {
		if p.login(); p.next() == nil {
			return
		}
		p.send("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='1'/>")
		_, _ = p.stay()
	}).addr)
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	g, url := start(t, c)
	w := dial(t, url, nil)
	w.login()
	w.write("<enable xmlns='urn:xmpp:sm:3'/>")
	w.expect("enabled")
	drain(t, g)
	w.ends(1012)
	if _, err := native.Dial(t.Context(), url, native.Options{}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a newcomer: %v", err)
	}
}
