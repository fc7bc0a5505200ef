//go:build linux

package e2e

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"natter/app/connect"
	"natter/app/connect/discover"
	"natter/app/connect/sasl"
	"natter/app/jid"
	"natter/app/xmpptest"
	"natter/framing"
)

// BenchmarkVisit says how long a first visit takes and how many round trips a sign-in.
// It prints medians of its own; run it alone, on a machine that does nothing else:
//
//	go test ./wasm/e2e -run '^$' -bench Visit -benchtime 1x
func BenchmarkVisit(t *testing.B) {
	address := natter(t)
	for _, c := range []struct{ name, encoding string }{{"uncompressed", "identity"}, {"brotli", "br"}} {
		through := front(t, address, func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Accept-Encoding", c.encoding)
			return true
		})
		var form, client []float64
		for range 7 {
			p := arrive(t)
			p.must(proto.NetworkSetCacheDisabled{CacheDisabled: true}.Call(p.page))
			p.open(through)
			p.find("textbox", "XMPP address")
			var at struct{ Form, Client float64 }
			p.must(p.eval(`async () => {
				await e2e.until(() => window.natter && natter.onSignIn, 60000);
				const client = performance.now();
				const paint = await e2e.until(() => performance.getEntriesByName("first-contentful-paint")[0], 60000);
				return { form: paint.startTime, client };
			}`).Unmarshal(&at))
			form, client = append(form, at.Form), append(client, at.Client)
		}
		t.Logf("%-13s usable form after %4.0f ms, running client after %4.0f ms (medians of %d)", c.name, median(form), median(client), len(form))
	}

	trial := trialSocket(address)
	trips(t, "trial server", trial, "ada@localhost", "analytical")
	for _, kind := range xmpptest.Kinds {
		s := xmpptest.Get(t, kind)
		trips(t, s.Name, s.WSS, s.Account(t, "", password), password)
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// trips counts how often a sign-in waits for the server, from the open socket until
// our own presence comes back: each time something is sent after something arrived
// is one more round trip.
func trips(t testing.TB, name, endpoint string, account jid.JID, password string) {
	t.Helper()
	var flights atomic.Int32
	received := true
	c := &connect.Connector{
		Find: &discover.Finder{AllowLoopback: true}, Dial: dialing(), Crypto: sasl.Standard{}, Pins: noPins{},
		UserAgent: connect.UserAgent{ID: "1b4e28ba-2fa1-41d2-883f-0016d3cca427", Software: "Natter"},
		Trace: func(out bool, doc string) {
			if out && received && !strings.HasPrefix(doc, "<close") {
				flights.Add(1)
			}
			received = !out
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	s, err := c.Connect(ctx, connect.Request{Account: account, Password: password, Server: endpoint})
	if err != nil {
		t.Fatal(name, err)
	}
	signedIn := flights.Load()
	// What the client sends then leaves in one flight: roster, carbons, presence.
	for _, st := range []*framing.Element{
		framing.New(framing.NSClient, "iq").Set("type", "get").Set("id", "r").Add(framing.New("jabber:iq:roster", "query")),
		framing.New(framing.NSClient, "presence"),
	} {
		if err := s.Conn.Write(ctx, st); err != nil {
			t.Fatal(name, err)
		}
	}
	for {
		e, err := s.Conn.Read(ctx)
		if err != nil {
			t.Fatal(name, err)
		}
		if e.Is(framing.NSClient, "presence") && e.Attr("from") == string(s.JID) {
			break
		}
	}
	t.Logf("%-13s %d round trips to the session (connect counts %d), 1 more to the first presence; %s; %d ms on loopback",
		name, signedIn, s.RoundTrips, s.Mechanism, time.Since(began).Milliseconds())
	_ = s.Conn.Close(ctx)
}
