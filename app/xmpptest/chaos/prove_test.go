//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/stream"
	"natter/app/xmpptest"
	"natter/server/trial"
)

func TestMain(m *testing.M) { os.Exit(xmpptest.Main(m)) }

// full is set by make prove.
var full = os.Getenv("PROVE") == "full"

// count is how many of something there are.
func count(short, long int) int {
	if full {
		return long
	}
	return short
}

// place is a server.
type place struct {
	name    string
	ws      string
	rooms   string // its service that has rooms
	account func(t testing.TB) jid.JID
	server  *xmpptest.Server // nil for the trial server
}

func trialPlace(t testing.TB) *place {
	s := trial.New(trial.Options{Domain: "trial.test", Limits: trial.Limits{
		Stanzas: 1e6, StanzaBurst: 1e6, Bytes: 1e9, ByteBurst: 1e9, Fanout: 1e6, FanoutBurst: 1e6,
		Failures: 1e6, PerAddress: 1000, Connections: 1000, Archived: 100_000, Offline: 10_000, Queue: 10_000,
		Outbox: 20_000, Sessions: 100,
	}})
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	made := 0
	return &place{name: "trial", rooms: "rooms.trial.test", ws: "ws" + strings.TrimPrefix(web.URL, "http"), account: func(t testing.TB) jid.JID {
		made++
		local := fmt.Sprintf("user%d", made)
		if err := s.AddAccount(local, password); err != nil {
			t.Fatal(err)
		}
		return jid.JID(local + "@trial.test")
	}}
}

func realPlace(s *xmpptest.Server) *place {
	return &place{
		name: string(s.Kind), ws: s.WS, rooms: s.Rooms, server: s,
		account: func(t testing.TB) jid.JID { return s.Account(t, "", password) },
	}
}

func (p *place) ejabberd() bool {
	return p.server != nil && (p.server.Kind == xmpptest.KindEjabberd || p.server.Kind == xmpptest.KindEjabberd24)
}

// everywhere runs f against the trial server and, in full, against all real ones.
func everywhere(t *testing.T, f func(t *testing.T, p *place)) {
	t.Run("trial", func(t *testing.T) { beside(t); f(t, trialPlace(t)) })
	if full {
		really(t, xmpptest.Kinds, f)
	}
}

func really(t *testing.T, kinds []xmpptest.Kind, f func(t *testing.T, p *place)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { beside(t); f(t, realPlace(xmpptest.Get(t, kind))) })
	}
}

// beside lets a server be tested beside the others, in full: it is mostly waited for. No
// server has two promises to show at a time, so that one of them may kill it.
func beside(t *testing.T) {
	if full {
		t.Parallel()
	}
}

// pair is two people who write to each other, each over a network of their own.
type pair struct {
	t      testing.TB
	place  *place
	people []*person
	ledger *Ledger
	random *rand.Rand
	began  time.Time
	calm   time.Time      // since then no connection is broken
	asked  map[string]int // messages that had to be sent again by hand, by what their author was told
	kills  int            // of the server
}

func meet(t testing.TB, where *place, change ...func(*person)) *pair {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("NATTER_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("NATTER_SEED=%d", seed)
		}
	})
	q := &pair{t: t, place: where, ledger: NewLedger(seed), random: rand.New(rand.NewPCG(seed, 3)), began: time.Now(), asked: map[string]int{}}
	to, err := url.Parse(where.ws)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 1)
	for i := range 2 {
		proxy, err := NewProxy(to.Host, seed+uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		service := *to
		service.Host = proxy.Address()
		p := &person{
			t: t, account: where.account(t), service: service.String(), proxy: proxy, changed: changed,
			ledger: q.ledger, clock: stream.RealClock, agent: fmt.Sprintf("00000000-0000-4000-8000-%012x", i+1),
		}
		for _, f := range change {
			f(p)
		}
		p.open()
		p.Do(state.SignIn{Address: string(p.account), Password: password, Server: p.service, Remember: true})
		q.people = append(q.people, p)
	}
	both := func(is func(*person) bool) bool { return is(q.people[0]) && is(q.people[1]) }
	if !until(t, q.people, func() bool { return both(here) && both((*person).remembered) }) {
		t.FailNow()
	}
	return q
}

// join has the two write to each other in a room from now on. It outlives its occupants, and has an
// archive, from when it is configured.
func (q *pair) join() {
	q.t.Helper()
	room := jid.JID(q.people[0].account.Local() + "@" + q.place.rooms)
	for i, p := range q.people {
		p.room, p.peer = room, q.people[1-i].account
		p.Do(state.JoinRoom{Room: room, Nick: p.account.Local(), Create: true, Seen: true})
		if !until(q.t, q.people, func() bool { return here(p) }) {
			q.t.FailNow()
		}
		if i == 0 && !until(q.t, q.people, func() bool { r := p.State().Room(room); return !r.Locked && r.Archive }) {
			q.t.FailNow()
		}
	}
}

func here(p *person) bool {
	s := p.State()
	return s.Connection.Phase == state.Online && s.RosterLoaded && s.CaughtUp &&
		(p.room == "" || s.Room(p.room) != nil && s.Room(p.room).Step == state.Inside)
}

// sees returns the number of the newest message of an author that somebody sees, -1 for
// none.
func (q *pair) sees(p *person, author, to jid.JID, peer jid.JID) int {
	newest := -1
	for _, m := range p.shown(peer, 100) {
		if n, ok := read(author, to, m.Body); ok && p.author(m) == author {
			newest = max(newest, n)
		}
	}
	return newest
}

func (q *pair) drops() int { return q.people[0].proxy.Drops() + q.people[1].proxy.Drops() }

// talk lets them write n messages in turn, and break drops connections meanwhile.
func (q *pair) talk(n, drops, reloads int, during func(i int)) {
	const ahead = 20 // not yet seen by the other
	bytes := max(600, 1500*n/max(1, drops))
	for _, p := range q.people {
		made := 0
		p.proxy.Plan(func(_ int, random *rand.Rand) Fault {
			if made++; made > (drops+1)/2 {
				return Fault{}
			}
			f := Fault{Break: Cut, Way: Way(random.IntN(2)), At: 2500 + random.Int64N(int64(bytes))}
			if random.IntN(3) == 0 {
				f.At = random.Int64N(2500)
			}
			if random.IntN(4) == 0 {
				f.Break = HalfOpen
			}
			switch random.IntN(8) {
			case 0:
				f.Piece = 1
			case 1:
				f.Delay = time.Millisecond
			case 2:
				f.Stall = 20 * time.Millisecond
			case 3:
				f.Rate = 200_000
			}
			return f
		})
		p.proxy.Break(Cut)
	}
	for i := range n {
		if q.t.Failed() {
			break // somebody may be signed out for good, and each message would be waited for
		}
		me, other := q.people[i%2], q.people[(i+1)%2]
		// A server may have lost them all: what is written next shows it.
		wait(q.people, func() bool {
			return q.ledger.Written(me.account, other.account)-q.sees(other, me.account, other.account, me.account) <= ahead
		})
		me.write(q.ledger, other.account)
		if reloads > 0 && i%max(1, n/reloads) == 0 {
			k := q.random.IntN(2)
			q.people[k].reload(q.people[1-k].account)
		}
		if during != nil {
			during(i)
		}
	}
	// What is left to drop is dropped from those who are there.
	for q.drops() < drops {
		p := q.people[q.random.IntN(2)]
		if !until(q.t, q.people, func() bool { return p.State().Connection.Phase == state.Online || q.drops() >= drops }) {
			break
		}
		if p.proxy.Break(Cut) == 0 {
			until(q.t, q.people, func() bool { return p.State().Connection.Phase != state.Online })
		}
	}
	for _, p := range q.people {
		p.proxy.Plan(nil)
		p.proxy.Break(Cut) // whatever fault was still to come
	}
}

// late is when the client should have found what the server has filed late.
func (q *pair) late() time.Time {
	if q.place.ejabberd() {
		return q.calm.Add(23 * time.Minute)
	}
	return q.calm.Add(45 * time.Second)
}

// rest returns when nothing more is to come. That something is under way for good fails
// the test; that something has not come is for the verdict.
func (q *pair) rest() {
	q.calm = time.Now()
	again := map[string]bool{}
	sent := func() bool {
		quiet := true
		for i, p := range q.people {
			other := q.people[1-i].account
			quiet = quiet && here(p)
			for _, m := range p.shown(other, 1000) {
				if m.Delivery == state.Failed && !again[m.ID] {
					again[m.ID] = true
					q.asked[m.Problem]++
					p.Do(state.RetryMessage{Conv: p.conv(other), ID: m.ID})
				}
				quiet = quiet && (!m.Mine || m.Delivery == state.OnServer || m.Delivery == state.Delivered)
			}
		}
		return quiet
	}
	last := func(p *person, other jid.JID, w way) bool {
		n := q.ledger.Written(w.from, w.to) - 1
		return n < 0 || q.sees(p, w.from, w.to, other) >= n &&
			slices.ContainsFunc(p.stored(other, 100), func(r state.MessageRow) bool {
				stored, ok := read(w.from, w.to, r.Body)
				return ok && stored == n
			})
	}
	quiet := func() bool {
		all := sent()
		for i, p := range q.people {
			other := q.people[1-i].account
			all = all && last(p, other, way{p.account, other}) && last(p, other, way{other, p.account})
		}
		return all
	}
	for !wait(q.people, quiet) && time.Now().Before(q.late()) {
	}
	if !until(q.t, q.people, sent) {
		q.waiting()
	}
}

// waiting prints what is not sent.
func (q *pair) waiting() {
	q.t.Helper()
	for i, p := range q.people {
		s := p.State()
		q.t.Logf("%s: roster %t, caught up %t, outbox %d", p.account, s.RosterLoaded, s.CaughtUp, s.Unsent())
		for _, m := range p.shown(q.people[1-i].account, 1000) {
			if m.Mine && m.Delivery != state.OnServer && m.Delivery != state.Delivered {
				q.t.Logf("%s: %.60q of %s, %s, is %v: %s", p.account, m.Body, m.At.Format(time.RFC3339Nano), m.ArchiveID, m.Delivery, m.Problem)
			}
		}
	}
}

// verdict is what became of all messages, wherever one looks; each that is not good is
// told.
func (q *pair) verdict(tell func(format string, args ...any)) (sum Verdict) {
	q.t.Helper()
	for i, p := range q.people {
		other := q.people[1-i].account
		var screen, disk []Row
		for _, m := range p.shown(other, 1_000_000) {
			screen = append(screen, Row{Author: p.author(m), Body: m.Body})
		}
		for _, r := range p.stored(other, 1_000_000) {
			disk = append(disk, Row{p.author(&r.Message), r.Body, fmt.Sprintf("%s of %s", r.ArchiveID, time.UnixMicro(r.At).UTC().Format(time.StampMilli))})
		}
		for _, w := range []way{{p.account, other}, {other, p.account}} {
			on, in := q.ledger.All(p.account, w.from, w.to, disk), q.ledger.Newest(p.account, w.from, w.to, screen)
			if !on.Good() || !in.Good() {
				tell("%s has of %s: stored %s; on screen %s", p.account, w.from, on, in)
				for _, line := range q.ledger.Explain(p.account, w.from, w.to, disk) {
					tell("%s", line)
				}
			}
			in.Gone = 0 // these are counted on the disk
			sum = sum.Add(on).Add(in)
		}
	}
	return sum
}

// misses reports whether something is missing or out of order, and goes on to be when a connection
// has lasted for as long as it takes the client to look for it, and nothing more comes of that.
func (q *pair) misses() bool {
	late := q.late()
	for before := ""; ; time.Sleep(5 * time.Second) {
		verdict := q.verdict(func(string, ...any) {})
		if wrong := verdict.Lost > 0 || verdict.Reordered > 0; !wrong || time.Now().After(late) {
			return wrong
		}
		for i, p := range q.people { // a page that died with all it had knows the newest page of the archive
			p.Do(state.LoadOlder{Conv: p.conv(q.people[1-i].account)})
		}
		now := fmt.Sprint(verdict, q.people[0].to.brought(), q.people[1].to.brought())
		if more := time.Now().Add(time.Minute); now != before && more.After(late) {
			late = more
		}
		before = now
	}
}

// judge prints the line, and fails the test unless it is a good one.
func (q *pair) judge(what string) {
	q.t.Helper()
	if q.misses() && q.place.server != nil {
		for i := range q.people {
			q.audit(i)
		}
	}
	more, sum := "", q.verdict(q.t.Errorf)
	if sum.Lost > 0 {
		for i := range q.people {
			q.search(i)
		}
		// Was it filed when the connection had lasted for longer than the client looks?
		for _, p := range q.people {
			p.proxy.Break(Cut)
		}
		left := func() int { return q.verdict(func(string, ...any) {}).Lost }
		wait(q.people, func() bool { return left() == 0 })
		more = fmt.Sprintf(", %d found with one more connection", sum.Lost-left())
	}
	if sum.Reordered > 0 {
		for i := range q.people {
			q.compare(i)
		}
	}
	reloads := q.people[0].reloads + q.people[1].reloads
	n := q.ledger.Written(q.people[0].account, q.people[1].account) + q.ledger.Written(q.people[1].account, q.people[0].account)
	if q.kills > 0 {
		more += fmt.Sprintf(", %d kills", q.kills)
	}
	for told, n := range q.asked {
		more += fmt.Sprintf(", %d sent again by hand (%s)", n, told)
	}
	if late := q.ledger.Late(); late > 0 {
		more += fmt.Sprintf(", %d delivered late by the server", late)
	}
	line := fmt.Sprintf("%s %s: %d messages, %d drops, %d reloads%s in %s: %s",
		what, q.place.name, n, q.drops(), reloads, more, time.Since(q.began).Round(10*time.Millisecond), sum)
	q.t.Log(line)
}

func TestPromise1_Drops(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where)
		q.talk(count(400, 10_000), count(40, 1000), count(4, 100), nil)
		q.rest()
		q.judge("P-1")
	})
}

func TestPromise1_Room(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where)
		q.join()
		q.talk(count(200, 2000), count(20, 200), count(4, 20), nil)
		q.rest()
		q.judge("P-1, in a room,")
	})
}

func TestPromise2_RefusedResume(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where, func(p *person) { p.amnesia = true })
		q.talk(count(100, 2000), count(10, 200), count(2, 20), nil)
		q.rest()
		q.judge("P-2")
	})
}

func TestPromise2_Room(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where, func(p *person) { p.amnesia = true })
		q.join()
		q.talk(count(100, 1000), count(10, 100), count(2, 10), nil)
		q.rest()
		q.judge("P-2, in a room,")
	})
}

func TestPromise5_OfflineOutbox(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where)
		a, b := q.people[0], q.people[1]
		a.proxy.Down(true)
		n := count(100, 500)
		for i := range n {
			a.write(q.ledger, b.account)
			if i == n/3 || i == 2*n/3 {
				until(t, q.people, func() bool { return len(a.stored(b.account, n)) == i+1 })
				a.reload(b.account)
			}
		}
		until(t, q.people, func() bool { return len(a.stored(b.account, n)) == n })
		written := map[string]int64{}
		for _, r := range a.stored(b.account, n) {
			written[r.Body] = r.At
		}
		a.proxy.Down(false)
		q.rest()
		for _, r := range a.stored(b.account, n) {
			if written[r.Body] != r.At {
				t.Errorf("a message of %d is of %d now", written[r.Body], r.At)
			}
		}
		q.judge("P-5")
	})
}

func TestPromise13_DiskFull(t *testing.T) {
	everywhere(t, func(t *testing.T, where *place) {
		q := meet(t, where)
		a, b := q.people[0], q.people[1]
		q.talk(20, 2, 0, nil)
		q.rest()
		full := errors.New("no space left")
		b.disk.Fail(full)
		for range 20 {
			a.write(q.ledger, b.account)
		}
		until(t, q.people, func() bool {
			return b.State().Storage != nil && q.sees(b, a.account, b.account, a.account) == q.ledger.Written(a.account, b.account)-1
		})
		b.kill()
		b.disk.Fail(nil)
		b.reload(a.account)
		q.rest()
		q.judge("P-13")
	})
}

// audit has the ledger know what the server has lost.
func (q *pair) audit(i int) {
	q.t.Helper()
	p, other := q.people[i], q.people[1-i].account
	var rows []Row
	for _, m := range q.anew(i) {
		if m.Mine || m.ArchiveID != "" { // what has no id came live just now
			rows = append(rows, Row{Author: p.author(m), Body: m.Body})
		}
	}
	for _, w := range []way{{p.account, other}, {other, p.account}} {
		q.ledger.Kept(p.account, w.from, w.to, rows)
	}
}

// compare prints what stands around the first message that is out of order on somebody's
// disk, where the archive has it, and what came before and after it.
func (q *pair) compare(i int) {
	q.t.Helper()
	p, other := q.people[i], q.people[1-i].account
	place := map[string]int{}
	archive := q.anew(i)
	for k, m := range archive {
		place[m.Body] = k
	}
	disk := p.stored(other, 1_000_000)
	newest, w := -1, way{other.Bare(), p.account.Bare()}
	for k, r := range disk {
		n, ok := read(other, p.account, r.Body)
		if !ok || p.author(&r.Message) != other {
			continue
		}
		if newest = max(newest, n); n == newest || q.ledger.wasLate(arrival{w, p.account.Bare(), n + 1}) {
			continue
		}
		for _, line := range p.to.around(r.Body) {
			q.t.Logf("%s", line)
		}
		for _, r := range disk[max(0, k-30):min(len(disk), k+20)] {
			there := "nowhere"
			if at, ok := place[r.Body]; ok {
				there = fmt.Sprintf("at %d, %s, %s", at, archive[at].At.Format(time.RFC3339Nano), archive[at].ArchiveID)
			}
			q.t.Logf("%.60q is at %d.%d, %s, %s; in the archive %s",
				r.Body, r.Key.Time, r.Key.Seq, time.UnixMicro(r.At).UTC().Format(time.RFC3339Nano), r.ArchiveID, there)
		}
		return
	}
}

// search prints what somebody's archive has around each message that somebody has not, how
// far the archive was read, and what who wrote it knows of it.
func (q *pair) search(i int) {
	q.t.Helper()
	p, other := q.people[i], q.people[1-i].account
	disk := map[string]bool{}
	for _, r := range p.stored(other, 1_000_000) {
		disk[r.Body] = true
	}
	for _, r := range q.people[1-i].stored(p.account, 1_000_000) {
		if r.Mine && !disk[r.Body] {
			q.t.Logf("%s: has %.60q as %q (%s) with archive id %q, at %s", other, r.Body, r.Delivery, r.Problem, r.ArchiveID, time.UnixMicro(r.At).UTC().Format(time.RFC3339Nano))
		}
	}
	archive := q.anew(i)
	for k, m := range archive {
		near := false
		for _, o := range archive[max(0, k-3):min(len(archive), k+4)] {
			near = near || !disk[o.Body]
		}
		if near {
			q.t.Logf("%s: the archive has at %d %.60q %s %s, stored %t", p.account, k, m.Body, m.At.Format(time.RFC3339Nano), m.ArchiveID, disk[m.Body])
		}
	}
	for _, part := range []state.Part{{Archive: p.account.Bare()}, {Archive: p.room}} {
		if c := p.State().Coverage(part); part.Archive != "" {
			q.t.Logf("%s: of %s was read %+v; open since %s; settled %+v", p.account, part.Archive, c.Ranges, c.Open, c.Settled)
		}
	}
}

// anew reads somebody's whole archive on a device that has never been used.
func (q *pair) anew(i int) []*state.Message {
	q.t.Helper()
	known := q.people[i]
	p := &person{
		t: q.t, account: known.account, service: known.service, proxy: known.proxy, changed: known.changed,
		ledger: NewLedger(0), clock: known.clock, room: known.room, peer: known.peer, agent: fmt.Sprintf("00000000-0000-4000-9000-%012x", i+1),
	}
	other := q.people[1-i].account
	p.open()
	p.Do(state.SignIn{Address: string(p.account), Password: password, Server: p.service})
	asked := "none"
	until(q.t, []*person{p}, func() bool {
		if !here(p) {
			return false
		}
		older := p.State().Older(p.conv(other))
		switch {
		case older == nil:
			return true
		case !older.Fill.Loading && older.Before.ID != asked:
			asked = older.Before.ID
			p.Do(state.LoadOlder{Conv: p.conv(other)})
		}
		return false
	})
	return p.shown(other, 1_000_000)
}

func TestPromise17_ServerKilled(t *testing.T) {
	killed(t, "P-17", count(60, 2000), count(30, 20), count(1, 20), func(*pair) {})
}

func TestPromise17_Room(t *testing.T) {
	killed(t, "P-17, in a room,", count(40, 1000), count(20, 20), count(1, 10), (*pair).join)
}

// killed has two people write n messages, and their server killed and started again with every every-th.
func killed(t *testing.T, what string, n, every, reloads int, begin func(*pair)) {
	kinds := xmpptest.Kinds
	if !full {
		kinds = kinds[:1]
	}
	really(t, kinds, func(t *testing.T, where *place) {
		q := meet(t, where)
		begin(q)
		q.talk(n, 0, reloads, func(i int) {
			if i%every != every/2 {
				return
			}
			q.kills++
			if where.ejabberd() {
				where.server.Stop()
			} else {
				where.server.Kill()
			}
			if err := where.server.Start(); err != nil {
				t.Fatal(err)
			}
		})
		q.rest()
		q.judge(what)
	})
}
