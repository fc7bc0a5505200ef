//go:build linux

package e2e

import (
	_ "embed"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

//go:embed testdata/warm.js
var warmJS string

// started is what testdata/warm.js has counted; times are ms since the navigation.
type started struct {
	Rows, Bytes, More, Drawn, Trips int
	List, Online                    float64
}

// multiply makes contacts of one, with conversations of the same length, in the
// database of a page that does not run.
const multiply = `async (n) => {
	const result = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error) });
	const { name } = (await indexedDB.databases()).find(({ name }) => /^natter[.][0-9a-f]+$/.test(name));
	const db = await result(indexedDB.open(name));
	const tx = db.transaction(["contacts", "chats", "messages"], "readwrite");
	const all = (table) => result(tx.objectStore(table).getAll());
	const [[contact], [chat], messages] = await Promise.all([all("contacts"), all("chats"), all("messages")]);
	for (let i = 1; i < n; i++) {
		const peer = "friend" + i + "@trial.test";
		const of = (m) => ({ ...m, peer, id: m.id + i, author: m.mine ? m.author : peer });
		tx.objectStore("contacts").put({ ...contact, jid: peer, name: "Friend " + i });
		tx.objectStore("chats").put({ ...chat, peer, last: of(chat.last) });
		for (const m of messages) tx.objectStore("messages").put(of(m));
	}
	await new Promise((resolve, reject) => { tx.oncomplete = resolve; tx.onabort = () => reject(tx.error) });
	db.close();
}`

// remembered is somebody with so many contacts, each with a conversation of twenty
// messages, who has been here before; and a way to come back without the site.
func remembered(t testing.TB, contacts int) (back func() started) {
	t.Helper()
	page, stop := program(t)
	one, two := trialAccounts(t)
	p := arrive(t)
	p.forgives(failedFetch, "^warning: natter: no offline use")
	p.page.MustEvalOnNewDocument(warmJS)
	p.open(page)
	p.remember(string(one.jid), one.password, one.server)
	p.startChat(string(two.jid))
	other := talk(t, two.server, string(two.jid), two.password)
	for i := range 20 {
		other.say(one.jid, fmt.Sprintf("message %d of a conversation like others", i))
	}
	p.until(`async () => (await e2e.rows("messages")).length === 20 && (await e2e.rows("contacts")).length === 1`)
	p.installed()
	p.open(page + "/config.json")
	p.eval(multiply, contacts)
	stop()
	return func() (s started) {
		t.Helper()
		p.open(page)
		p.must(p.until(`() => warm.list && warm.online && warm.trips && warm`).Unmarshal(&s))
		return s
	}
}

// What a page does before its list is on screen does not grow with what there is to
// read in the conversations, and it is online after two round trips.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	for _, contacts := range []int{60, 1000} {
		t.Run(fmt.Sprint(contacts), func(t *testing.T) {
			s := remembered(t, contacts)()
			t.Logf("%d contacts: %d rows read for the list, %d bytes parsed, %d rows drawn, %d round trips", contacts, s.Rows, s.Bytes, s.Drawn, s.Trips)
			if most := 2*contacts + 50; s.Rows > most {
				t.Errorf("%d rows were read before anything was on screen, want %d at most", s.Rows, most)
			}
			if most := 1000*contacts + 20_000; s.Bytes > most {
				t.Errorf("%d bytes were parsed, want %d at most", s.Bytes, most)
			}
			if s.Rows < 2*contacts || s.Bytes < 100*contacts {
				t.Error("that cannot be all: the test cannot fail")
			}
			if s.Drawn == 0 || s.Drawn > 60 {
				t.Errorf("%d rows were drawn", s.Drawn)
			}
			if s.Trips != 2 {
				t.Errorf("%d round trips, want 2", s.Trips)
			}
		})
	}
}

// BenchmarkWarmStart prints how long it takes somebody who is remembered to see their
// list, without the site, and to be online; next to the first paint of a page with one
// word on it.
func BenchmarkWarmStart(t *testing.B) {
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html lang="en"><title>Bare</title><link rel="icon" href="data:,"><p>Hello</p></html>`))
	}))
	t.Cleanup(bare.Close)
	const times = 7
	var first []float64
	p := arrive(t)
	for range times {
		p.open(bare.URL)
		first = append(first, p.until(`() => (performance.getEntriesByName("first-contentful-paint")[0] || {}).startTime`).Num())
	}
	t.Logf("%-14s %4.0f ms to the first paint (medians of %d)", "bare page", median(first), times)
	for _, contacts := range []int{60, 1000} {
		back := remembered(t, contacts)
		var list, online []float64
		var s started
		for range times {
			s = back()
			list, online = append(list, s.List), append(online, s.Online)
		}
		t.Logf("%4d contacts  %4.0f ms to the list, %4.0f ms to online in %d round trips; for the list %d rows read, %d bytes parsed, %d rows drawn; %d rows more before it was seen",
			contacts, median(list), median(online), s.Trips, s.Rows, s.Bytes, s.Drawn, s.More)
	}
}
