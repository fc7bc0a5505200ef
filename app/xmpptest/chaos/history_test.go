//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"natter/app/client"
	"natter/app/connect"
	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
	"natter/app/stream"
	"natter/framing"
)

// library is a server whose archive misbehaves: it loses pages and the ends of them,
// forgets what it knows and finds it again, repeats itself, and lets others put in a
// word. A seed decides when.
type library struct {
	t       testing.TB
	account jid.JID
	room    jid.JID   // whose archive it is, "" if it is the account's
	peers   []jid.JID // with whom conversations are: the room alone, if it is a room's

	mu      sync.Mutex
	random  *rand.Rand
	skipped time.Duration
	entries []record
	expired int            // of the oldest
	then    int            // how many there were when the client began to catch up; later ones come live
	index   map[string]int // by the archive's id
	open    bool           // whether there is a network
	socket  framing.Socket // of the connection there is
	online  chan struct{}  // closed and replaced when open changes
	bad     bool           // it misbehaves
	faults  map[string]int // what it did
	silent  bool           // it says of an id it does not know that nothing comes after it, as Prosody 13 does
	queries int            // it has answered
	forged  int            // messages that must never be seen
}

// record is a message in the archive.
type record struct {
	id, message string
	peer        jid.JID
	at          time.Time
	text        string // "" for one that is no message to a person
	again       bool   // it is in the archive already, under another id
}

func newLibrary(t testing.TB, seed uint64) *library {
	l := &library{
		t: t, account: "ada@library.test", random: rand.New(rand.NewPCG(seed, 6)),
		index:  map[string]int{},
		online: make(chan struct{}), faults: map[string]int{},
	}
	for i := range 5 {
		l.peers = append(l.peers, jid.JID(fmt.Sprintf("p%d@library.test", i)))
	}
	return l
}

// newRoomLibrary is newLibrary with the archive of a room, in which ada and five others are.
func newRoomLibrary(t testing.TB, seed uint64) *library {
	l := newLibrary(t, seed)
	l.room = "lounge@rooms.library.test"
	l.peers = []jid.JID{l.room}
	return l
}

// part is the archive.
func (l *library) part() state.Part {
	if l.room != "" {
		return state.Part{Archive: l.room}
	}
	return state.Part{Archive: l.account}
}

// conv is the conversation with one of the peers.
func (l *library) conv(peer jid.JID) state.ConvID {
	if peer == l.room {
		return state.Groupchat.With(peer)
	}
	return state.Direct.With(peer)
}

// Now is the time everywhere: that of the test, and what was skipped while nobody was there.
func (l *library) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.skipped)
}

// stamp is the time of the archive, in whole seconds.
func (l *library) stamp() time.Time { return time.Now().Add(l.skipped).Truncate(time.Second) }

func (l *library) AfterFunc(d time.Duration, f func()) (stop func()) {
	return stream.RealClock.AfterFunc(d, f)
}

// archive files n messages. Several have the same second; one in twenty is filed twice, as
// ejabberd does with what was on its way to a connection that was lost, and its ids are as
// ejabberd's.
func (l *library) archive(n int) (filed []record) {
	for range n {
		if l.random.IntN(3) == 0 {
			l.skipped += time.Second
		}
		k := len(l.entries)
		r := record{
			id: fmt.Sprint(1_700_000_000_000_000 + k*1000 + l.random.IntN(998)), peer: l.peers[l.random.IntN(len(l.peers))],
			at: l.stamp(), text: fmt.Sprintf("words %d", k),
		}
		from, to := string(r.peer)+"/x", string(l.account)
		if l.random.IntN(4) == 0 {
			from, to = string(l.account)+"/desk", string(r.peer)
		}
		switch silent := l.random.IntN(10) == 0; {
		case l.room != "":
			r.message = l.spoken(k, fmt.Sprintf("p%d", l.random.IntN(5)), "<body>"+r.text+"</body>")
			if strings.HasPrefix(from, string(l.account)) {
				r.message = l.spoken(k, "ada", "<body>"+r.text+"</body>")
			}
			if silent {
				r.text = ""
				r.message = l.spoken(k, "p0", fmt.Sprintf("<displayed xmlns='urn:xmpp:chat-markers:0' id='%016d'/>", k-1))
			}
		case silent:
			r.text = ""
			r.message = fmt.Sprintf(`<message xmlns='jabber:client' type='chat' id='%016d' from='%s' to='%s'><received xmlns='urn:xmpp:receipts' id='%016d'/>`, k, from, to, k-1)
		default:
			r.message = fmt.Sprintf(`<message xmlns='jabber:client' type='chat' id='%016d' from='%s' to='%s'><body>%s</body>`, k, from, to, r.text)
		}
		l.file(r)
		filed = append(filed, r)
		if r.text != "" && l.room == "" && l.random.IntN(20) == 0 {
			again := r
			n, _ := strconv.Atoi(r.id)
			again.id, again.again = strconv.Itoa(n+1), true
			l.file(again)
		}
	}
	return filed
}

// spoken is what an occupant says to all in the room, without its end.
func (l *library) spoken(id int, nick, payload string) string {
	return fmt.Sprintf(`<message xmlns='jabber:client' type='groupchat' id='%016d' from='%s/%s'>%s<occupant-id xmlns='urn:xmpp:occupant-id:0' id='id of %s'/>`, id, l.room, nick, payload, nick)
}

func (l *library) file(r record) {
	l.index[r.id] = len(l.entries)
	l.entries = append(l.entries, r)
}

// withhold takes messages out, by their places, and returns what files them where they belong.
func (l *library) withhold(places ...int) (file func()) {
	all := l.entries
	l.entries = nil
	for k, r := range all {
		if !slices.Contains(places, k) {
			l.file(r)
		}
	}
	return func() {
		l.entries = nil
		for _, r := range all {
			l.file(r)
		}
	}
}

// Connect is how the client gets its session: bound already, on a stream that nobody can
// resume.
func (l *library) Connect(ctx context.Context, _ connect.Request) (*connect.Session, error) {
	l.mu.Lock()
	for !l.open {
		changed := l.online
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
		l.mu.Lock()
	}
	ours, theirs := framing.Pipe()
	l.socket = theirs
	l.mu.Unlock()
	go l.serve(theirs)
	return &connect.Session{
		Conn: framing.NewConn(ours, framing.ConnOptions{}), JID: l.account + "/tab", Features: framing.New(framing.NSStream, "features"),
		Endpoint: "ws://library.test", SM: framing.New("urn:xmpp:sm:3", "enabled"),
	}, nil
}

// network is there or not.
func (l *library) network(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == open {
		return
	}
	l.open = open
	close(l.online)
	l.online = make(chan struct{})
	if l.socket != nil && !open {
		_ = l.socket.Close(1000, "")
		l.socket = nil
	}
}

// live delivers messages as they come, among them some that lie about their place in the
// archive: with the id of another message, which may not have been read yet.
func (l *library) live(send func(string), n int) {
	l.skipped += time.Second
	for _, r := range l.archive(n) {
		m := r.message + fmt.Sprintf(`<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/>`, l.part().Archive, r.id)
		if l.random.IntN(3) == 0 && len(l.entries) > 0 {
			l.faults["forged id beside the real one"]++
			m += fmt.Sprintf(`<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/>`, l.part().Archive, l.entries[l.random.IntN(len(l.entries))].id)
		}
		if strings.Contains(r.message, "from='"+string(l.account)) {
			continue // from another client of ours, before carbons were on
		}
		send(m + `</message>`)
	}
	if l.room == "" && len(l.entries) > 0 && l.random.IntN(2) == 0 { // a room has what is said in it in its archive, and takes forged ids out
		l.faults["forged id"]++
		l.forged++
		send(fmt.Sprintf(`<message xmlns='jabber:client' type='chat' id='f%d' from='mallory@library.test/x' to='%s'><body>forged %d</body><no-store xmlns='urn:xmpp:hints'/><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/></message>`,
			l.forged, l.account, l.forged, l.account, l.entries[len(l.entries)-1-l.random.IntN(min(60, len(l.entries)))].id))
	}
}

// enter is what who comes into the room is told.
func (l *library) enter(id string, send func(string)) {
	const user = "http://jabber.org/protocol/muc#user"
	for _, nick := range []string{"p0", "p1", "p2", "p3", "p4", "ada"} {
		self := ""
		if nick == "ada" {
			self = `<status code='110'/>`
		}
		send(fmt.Sprintf(`<presence xmlns='jabber:client' from='%s/%s' id='%s'><x xmlns='%s'><item affiliation='none' role='participant'/>%s</x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='id of %[2]s'/></presence>`,
			l.room, nick, id, user, self))
	}
	send(fmt.Sprintf(`<message xmlns='jabber:client' type='groupchat' from='%s'><subject/></message>`, l.room))
}

const roomInfo = `<iq xmlns='jabber:client' type='result' id='%s' from='%s'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text'/>` +
	`<feature var='http://jabber.org/protocol/muc'/><feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:sid:0'/><feature var='urn:xmpp:occupant-id:0'/></query></iq>`

func (l *library) serve(socket framing.Socket) {
	ctx := context.Background()
	send := func(doc string) { _ = socket.Write(ctx, doc) }
	handled, asked, entered := 0, false, l.room == ""
	for {
		doc, err := socket.Read(ctx)
		if err != nil {
			return
		}
		el, err := framing.Parse(doc, framing.DefaultLimits)
		if err != nil {
			l.t.Errorf("the client sent %s: %v", doc, err)
			return
		}
		l.mu.Lock()
		query := el.Child("urn:xmpp:mam:2", "query")
		switch {
		case el.Is("urn:xmpp:sm:3", "r"):
			send(fmt.Sprintf(`<a xmlns='urn:xmpp:sm:3' h='%d'/>`, handled))
		case el.Is(framing.NSFraming, "close"):
			send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`)
		case el.Name.Space != framing.NSClient:
		case query != nil && l.room != "" && jid.JID(el.Attr("to")) != l.room:
			handled++ // the account has nothing in its own archive
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result' id='%s'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'/></fin></iq>`, el.Attr("id")))
		case l.room != "" && el.Name.Local == "presence" && jid.JID(el.Attr("to")).Bare() == l.room:
			handled++
			entered = true
			l.enter(el.Attr("id"), send)
		case l.room != "" && jid.JID(el.Attr("to")) == l.room && el.Child("http://jabber.org/protocol/disco#info", "query") != nil:
			handled++
			send(fmt.Sprintf(roomInfo, el.Attr("id"), l.room))
		case l.room != "" && jid.JID(el.Attr("to")) == l.account && el.Child("http://jabber.org/protocol/disco#info", "query") != nil:
			handled++
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:bookmarks:1#compat'/></query></iq>`, el.Attr("id")))
		case l.room != "" && el.Child("http://jabber.org/protocol/pubsub", "pubsub").Child("http://jabber.org/protocol/pubsub", "items").Attr("node") == "urn:xmpp:bookmarks:1":
			handled++
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result' id='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'>`+
				`<item id='%s'><conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'><nick>ada</nick></conference></item></items></pubsub></iq>`, el.Attr("id"), l.room))
		case query != nil:
			handled++
			if entered && !asked { // a gap may be asked for before we are in the room
				asked, l.then = true, len(l.entries)
			}
			if !l.answer(el.Attr("id"), query, send) {
				_ = socket.Close(1000, "")
			}
		case el.Child("jabber:iq:roster", "query") != nil:
			handled++
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result' id='%s'><query xmlns='jabber:iq:roster'/></iq>`, el.Attr("id")))
		case el.Name.Local == "iq":
			handled++
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result' id='%s'/>`, el.Attr("id")))
		default:
			handled++
		}
		l.mu.Unlock()
	}
}

// answer answers a query, well or badly; with false the connection breaks.
func (l *library) answer(id string, query *framing.Element, send func(string)) bool {
	l.queries++
	var with jid.JID
	var start, end time.Time
	for _, f := range query.Child("jabber:x:data", "x").Elements() {
		value := f.Child("jabber:x:data", "value").Text()
		switch f.Attr("var") {
		case "with":
			with = jid.JID(value)
		case "start":
			start, _ = time.Parse(time.RFC3339, value)
		case "end":
			end, _ = time.Parse(time.RFC3339, value)
		}
	}
	set := query.Child("http://jabber.org/protocol/rsm", "set")
	most, _ := strconv.Atoi(set.Child("http://jabber.org/protocol/rsm", "max").Text())
	after := set.Child("http://jabber.org/protocol/rsm", "after").Text()
	before := set.Child("http://jabber.org/protocol/rsm", "before")
	fault := ""
	if l.bad {
		fault = []string{
			"", "", "", "", "", "", "", "", "page lost", "page cut", "refused", "forgotten", "last result lost", "first result lost",
			"no set", "no complete", "said again", "forged results", "live messages", "live messages", "live messages",
		}[l.random.IntN(21)]
	}
	by := "" // whose answer it is
	if l.room != "" {
		by = fmt.Sprintf(" from='%s'", l.room)
	}
	refuse := func(condition string) bool {
		send(fmt.Sprintf(`<iq xmlns='jabber:client' type='error'%s id='%s'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`, by, id, condition))
		return true
	}
	if fault == "forgotten" && after == "" && before.Text() == "" {
		fault = ""
	}
	if fault != "" {
		l.faults[fault]++
	}
	switch fault {
	case "page lost":
		return false
	case "refused":
		return refuse("internal-server-error")
	case "forgotten":
		if l.silent {
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result'%s id='%s'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'/></fin></iq>`, by, id))
			return true
		}
		return refuse("item-not-found")
	}

	low, high := l.expired, len(l.entries)
	for _, bound := range []string{after, before.Text()} {
		if k, ok := l.index[bound]; l.silent && bound != "" && (!ok || k < l.expired || with != "" && l.entries[k].peer != with) {
			send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result'%s id='%s'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'/></fin></iq>`, by, id))
			return true
		}
		if k, ok := l.index[bound]; bound != "" && (!ok || k < l.expired || with != "" && l.entries[k].peer != with) {
			return refuse("item-not-found")
		}
	}
	if after != "" {
		low = l.index[after] + 1
	}
	if before.Text() != "" {
		high = l.index[before.Text()]
	}
	if fault == "said again" {
		low, high = max(l.expired, low-most), min(len(l.entries), high+most)
	}
	var page []int
	matches := func(k int) bool {
		r := &l.entries[k]
		return (with == "" || r.peer == with) && (start.IsZero() || !r.at.Before(start)) && (end.IsZero() || !r.at.After(end))
	}
	more := false
	if before != nil {
		for k := high - 1; k >= low && !more; k-- {
			if matches(k) {
				if more = len(page) == most; !more {
					page = append(page, k)
				}
			}
		}
		slices.Reverse(page)
	} else {
		for k := low; k < high && !more; k++ {
			if matches(k) {
				if more = len(page) == most; !more {
					page = append(page, k)
				}
			}
		}
	}

	first, last := "", ""
	if len(page) > 0 {
		first, last = l.entries[page[0]].id, l.entries[page[len(page)-1]].id
	}
	switch {
	case len(page) == 0:
	case fault == "last result lost":
		page = page[:len(page)-1]
	case fault == "first result lost":
		page = page[1:]
	case fault == "page cut":
		page = page[:l.random.IntN(len(page))]
	}
	queryid := query.Attr("queryid")
	result := func(from, queryid, id, message string, at time.Time) {
		send(fmt.Sprintf(`<message xmlns='jabber:client'%s><result xmlns='urn:xmpp:mam:2' queryid='%s' id='%s'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='%s'/>%s</message></forwarded></result></message>`,
			from, queryid, id, at.UTC().Format(time.RFC3339), message))
	}
	lie := func(from, queryid string) {
		l.forged++
		m := fmt.Sprintf(`<message xmlns='jabber:client' type='chat' id='f%d' from='%s/x' to='%s'><body>forged %d</body>`, l.forged, l.peers[0], l.account, l.forged)
		if l.room != "" {
			m = l.spoken(1e9+l.forged, "p0", fmt.Sprintf("<body>forged %d</body>", l.forged))
		}
		result(from, queryid, fmt.Sprintf("f%d", l.forged), m, l.stamp())
	}
	for _, k := range page {
		if fault == "forged results" && l.random.IntN(10) == 0 {
			lie(" from='mallory@library.test/x'", queryid)
			lie(by, "another")
			if l.room != "" {
				lie("", queryid) // our own archive was not asked
				lie(fmt.Sprintf(" from='%s/mallory'", l.room), queryid)
			}
		}
		if fault == "live messages" && l.random.IntN(10) == 0 {
			l.live(send, 1+l.random.IntN(3))
		}
		result(by, queryid, l.entries[k].id, l.entries[k].message, l.entries[k].at)
	}
	if fault == "page cut" {
		return false
	}
	complete := fmt.Sprintf(` complete='%v'`, !more)
	if fault == "no complete" {
		complete = ""
	}
	body := `<set xmlns='http://jabber.org/protocol/rsm'/>`
	switch {
	case fault == "no set":
		body = ""
	case first != "":
		body = fmt.Sprintf(`<set xmlns='http://jabber.org/protocol/rsm'><first>%s</first><last>%s</last></set>`, first, last)
	}
	send(fmt.Sprintf(`<iq xmlns='jabber:client' type='result'%s id='%s'><fin xmlns='urn:xmpp:mam:2'%s>%s</fin></iq>`, by, id, complete, body))
	if fault == "forged results" {
		lie(by, queryid)
	}
	return true
}

// reader is ada: a disk and a page.
type reader struct {
	t       testing.TB
	library *library
	disk    store.Memory
	changed chan struct{}
	*client.Client
	cancel context.CancelFunc
	over   chan struct{}
	then   int // library.then before the state was looked at last

	mu   sync.Mutex // held while the disk is written
	dead *bool      // of the page that is open
}

func (a *reader) open() {
	dead := new(bool)
	a.dead = dead
	a.Client = client.New(client.Config{
		Connector: a.library, Clock: a.library, Keeper: desk{a, dead},
		Random: func() float64 { return 0 },
		Log:    func(format string, args ...any) { a.t.Errorf(format, args...) },
	})
	a.Watch(a.tell)
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	run, over := a.Run, make(chan struct{})
	a.over = over
	go func() { _ = run(ctx); close(over) }()
}

func (a *reader) tell() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// close ends the page between two moments of its choosing.
func (a *reader) close() {
	a.mu.Lock()
	*a.dead = true
	a.mu.Unlock()
	a.cancel()
	<-a.over
}

func (a *reader) until(what string, ok func(*state.State) bool) *state.State {
	a.t.Helper()
	for {
		a.library.mu.Lock()
		a.then = a.library.then
		a.library.mu.Unlock()
		s := a.State()
		if ok(s) {
			return s
		}
		late := time.NewTimer(patience)
		select {
		case <-a.changed:
			late.Stop()
		case <-late.C:
			a.t.Fatalf("nothing happens any more while waiting for %s: %+v, caught up %v, %+v, room %+v", what, s.Connection, s.CaughtUp, s.Coverage(a.library.part()), s.Room(a.library.room))
		}
	}
}

// desk keeps what the page that is open has to keep.
type desk struct {
	a    *reader
	dead *bool
}

type bound struct {
	store.Store
	desk
}

func (desk) Meet(jid.JID, func(string)) client.Link { return nil }

func (d desk) Open(ctx context.Context, account jid.JID) (store.Store, error) {
	s, err := d.a.disk.Open(ctx, account)
	return bound{s, d}, err
}

func (b bound) Commit(ctx context.Context, batch *store.Batch) error {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	if *b.dead {
		return context.Canceled
	}
	return b.Store.Commit(ctx, batch)
}

func (d desk) Renew(_ context.Context, r *connect.Request) error {
	r.Credential = &connect.Credential{Account: r.Account}
	return nil
}
func (desk) Keep(context.Context, *connect.Credential) error { return nil }
func (desk) Drop(context.Context, jid.JID)                   {}
func (desk) Forget(context.Context, connect.Request, bool)   {}
func (desk) Knows(context.Context, jid.JID) bool             { return true }
func (desk) SignOut(context.Context, jid.JID)                {}
func (desk) SignedOut(context.Context, jid.JID) bool         { return false }

// here are the texts a state and the disk have, by peer, in order.
func (a *reader) here(s *state.State, peer jid.JID) (texts []string) {
	disk, err := a.disk.Open(context.Background(), a.library.account)
	if err != nil {
		a.t.Fatal(err)
	}
	defer disk.Close()
	rows, err := disk.Messages(context.Background(), a.library.conv(peer), state.Key{}, 1_000_000)
	if err != nil {
		a.t.Fatal(err)
	}
	places := map[state.Key]string{}
	for _, r := range rows {
		places[r.Message.Key] = r.Body
	}
	if c := s.Chat(a.library.conv(peer)); c != nil {
		for m := range c.Timeline.All {
			places[m.Key] = m.Body
		}
	}
	keys := make([]state.Key, 0, len(places))
	for k := range places {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b state.Key) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	for _, k := range keys {
		texts = append(texts, places[k])
	}
	return texts
}

// verdict counts what is here, the gaps that are shown, what is missing in no gap, and
// what is here and should not be, or not there.
type verdict struct{ here, gaps, hidden, twice, forged, disordered int }

// judge compares what is here with the archive. What is missing is missing openly if a
// gap of its conversation is where it belongs.
func (a *reader) judge(s *state.State) (v verdict) {
	l := a.library
	texts := map[jid.JID][]string{}
	for _, peer := range append(slices.Clone(l.peers), "mallory@library.test") {
		texts[peer] = a.here(s, peer)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[string]time.Time{}
	for _, r := range l.entries {
		at[r.text] = r.at
	}
	for _, peer := range l.peers {
		seen := map[string]bool{}
		var latest time.Time
		for _, text := range texts[peer] {
			switch {
			case at[text].IsZero():
				v.forged++
			case seen[text]:
				v.twice++
			case at[text].Before(latest.Add(-time.Minute)): // what came live has the time it came at
				v.disordered++
			}
			if latest.Before(at[text]) {
				latest = at[text]
			}
			seen[text] = true
		}
		v.here += len(seen)
		gaps := s.Gaps(l.conv(peer))
		v.gaps += len(gaps)
		for k := l.expired; k < a.then; k++ {
			r := &l.entries[k]
			if r.peer != peer || r.text == "" || seen[r.text] {
				continue
			}
			if !slices.ContainsFunc(gaps, func(g state.Gap) bool {
				low, high := -1, len(l.entries)
				if g.After.ID != "" {
					low = l.index[g.After.ID]
				}
				if g.Before.ID != "" {
					high = l.index[g.Before.ID]
				}
				return k > low && k < high
			}) {
				v.hidden++
				if v.hidden == 1 {
					a.t.Errorf("%s: %q (%d, %s) is neither here nor in a gap\n%+v\ngaps %+v\nof all %+v\nown %+v", peer, r.text, k, r.id, s.CaughtUp, gaps,
						s.Coverage(l.part()), s.Coverage(state.Part{Archive: l.part().Archive, With: peer}))
				}
			}
		}
	}
	for _, text := range texts["mallory@library.test"] {
		if !strings.HasPrefix(text, "forged ") {
			v.forged++
		}
	}
	return v
}

func (a *reader) must(when string, v verdict) {
	a.t.Helper()
	if v.hidden+v.twice+v.forged+v.disordered > 0 {
		a.t.Fatalf("%s: %+v", when, v)
	}
}

// recall forgets of the last catch-up what the page had not yet written down when it ended:
// the next stream begins from there.
func (a *reader) recall(s *state.State) {
	l := a.library
	l.mu.Lock()
	defer l.mu.Unlock()
	c := s.Coverage(l.part())
	if n := len(c.Ranges); n == 0 {
		a.then = 0
	} else if c.Open.IsZero() {
		if last, known := l.index[c.Ranges[n-1].To.ID]; known {
			a.then = min(a.then, last+1)
		} else {
			a.then = 0 // there was nothing then
		}
	}
}

// reconnected waits until the page has asked for what it missed and has it, or has lost
// the connection over it.
func (a *reader) reconnected() *state.State {
	return a.until("the archive", func(s *state.State) bool {
		return s.Connection.Phase == state.Waiting || a.caughtUp(s)
	})
}

// caughtUp reports whether the page is online, and has what it missed or knows where it is missing.
func (a *reader) caughtUp(s *state.State) bool {
	room := a.library.room
	return s.Connection.Phase == state.Online && s.CaughtUp && !s.Coverage(a.library.part()).Fill.Loading &&
		(room == "" || s.Room(room) != nil && s.Room(room).Step == state.Inside)
}

// P-6: whatever an archive does, in the end all of it is here, and until then the person
// is told where something is missing.
func TestPromise6_HistoryWithoutHoles(t *testing.T) { promise6(t, "P-6", newLibrary) }

// The same of the archive of a room.
func TestPromise6_Room(t *testing.T) { promise6(t, "P-6, in a room", newRoomLibrary) }

func promise6(t *testing.T, what string, library func(testing.TB, uint64) *library) {
	seed := rand.Uint64()
	if s := os.Getenv("NATTER_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("NATTER_SEED=%d", seed)
		}
	})
	began, line := time.Now(), ""
	synctest.Test(t, func(t *testing.T) { line = history(t, library(t, seed), seed) })
	t.Logf("%s: %s in %s", what, line, time.Since(began).Round(10*time.Millisecond))
}

// history is P-6 in a time of its own, in which everything that has begun is over before
// anything else happens.
func history(t *testing.T, l *library, seed uint64) string {
	l.silent = seed%2 == 0
	a := &reader{t: t, library: l, changed: make(chan struct{}, 1)}
	random := rand.New(rand.NewPCG(seed, 7))
	l.archive(count(random.IntN(300)*random.IntN(2), 100_000))
	periods, reloads, breaks := count(12, 200), 0, 0
	a.open()
	t.Cleanup(func() { a.close() })
	l.network(true)
	a.Do(state.SignIn{Address: string(l.account), Password: password, Remember: true})
	a.until("signed in", func(s *state.State) bool { return s.Connection.Phase == state.Online && s.CaughtUp })
	if l.room != "" {
		a.until("in the room", a.caughtUp)
	}
	for i := range periods {
		look := !full || i%10 == 0 // at all there is
		l.network(false)
		synctest.Wait()
		l.mu.Lock()
		l.skipped += time.Duration(random.IntN(100)) * time.Hour
		missed := []int{0, 3, 40, 200, 700}[random.IntN(5)]
		if random.IntN(20) == 0 {
			missed = count(2000, 6000) // more than a catch-up reads by itself
		}
		l.archive(missed)
		if random.IntN(10) == 0 {
			l.expired += random.IntN((len(l.entries)-l.expired)/3 + 1)
		}
		l.bad = i%4 != 3
		l.mu.Unlock()
		if random.IntN(2) == 0 {
			reloads++
			a.close()
			a.open()
			a.Do(state.Return{Account: l.account})
			s := a.until("what was kept", func(s *state.State) bool { return s.Me != "" && s.Connection.Phase == state.Connecting })
			if look {
				a.recall(s)
				a.must(fmt.Sprintf("period %d, offline after a reload", i), a.judge(s))
			}
		}
		l.network(true)
		for range 1 + random.IntN(4) {
			s := a.reconnected()
			if look {
				a.must(fmt.Sprintf("period %d", i), a.judge(s))
			}
			if s.Connection.Phase != state.Waiting {
				break
			}
			breaks++
			a.until("another try", func(s *state.State) bool { return s.Connection.Phase == state.Online })
		}
		peer := l.peers[random.IntN(len(l.peers))]
		if gaps := a.State().Gaps(l.conv(peer)); len(gaps) > 0 {
			g := gaps[random.IntN(len(gaps))]
			if g.After.ID != "" {
				a.Do(state.LoadMissing{Conv: l.conv(peer), After: g.After.ID})
			} else {
				a.Do(state.LoadOlder{Conv: l.conv(peer)})
			}
		}
		if random.IntN(2) == 0 {
			l.mu.Lock()
			if s := l.socket; s != nil {
				l.live(func(doc string) { _ = s.Write(context.Background(), doc) }, random.IntN(120))
			}
			l.mu.Unlock()
		}
	}
	left := a.judge(a.reconnected())
	a.must("after all periods", left)

	// Now the archive is as it should be, and the person looks at everything, and loads what they are shown to miss.
	l.mu.Lock()
	l.bad = false
	l.mu.Unlock()
	settle := func() {
		for range 100 {
			l.network(false)
			a.until("no network", func(s *state.State) bool { return s.Connection.Phase != state.Online })
			l.network(true)
			s := a.until("the archive", a.caughtUp)
			if c := s.Coverage(l.part()); len(c.Ranges) <= 1 && c.Open.IsZero() {
				return
			}
		}
		t.Fatalf("after 100 catch-ups there is still %+v", a.State().Coverage(l.part()))
	}
	settle()
	for _, peer := range l.peers {
		load := func(in state.Intent) {
			before := a.State()
			a.Do(in)
			a.until("older messages of "+string(peer), func(s *state.State) bool {
				return s.Rev > before.Rev && !slices.ContainsFunc(s.Gaps(l.conv(peer)), func(g state.Gap) bool { return g.Fill.Loading })
			})
		}
		for !a.State().Whole(l.conv(peer)) {
			load(state.LoadOlder{Conv: l.conv(peer)})
		}
		// Where the person has loaded an older part before, and the page was killed before it had written down
		// what it had read since, the disk goes on behind a gap, which scrolling back does not fill.
		for range a.State().Gaps(l.conv(peer)) {
			if left := a.State().Gaps(l.conv(peer)); len(left) > 0 {
				load(state.LoadMissing{Conv: l.conv(peer), After: left[0].After.ID})
			}
		}
	}
	end := a.judge(a.State())
	a.must("in the end", end)
	want := map[string]bool{}
	for _, r := range l.entries[l.expired:] {
		if r.text != "" {
			want[r.text] = true
		}
	}
	if end.gaps > 0 || end.here < len(want) {
		t.Errorf("in the end: %+v of %d", end, len(want))
	}
	l.mu.Lock()
	asked := l.queries
	l.mu.Unlock()
	settle()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.queries - asked; n > 2 {
		t.Errorf("running it again asks for %d pages", n)
	}
	bad := 0
	for _, n := range l.faults {
		bad += n
	}
	return fmt.Sprintf("%d messages, %d offline periods, %d reloads, %d breaks, %d pages, %d faults: 0 hidden holes, %d gaps before the end, 0 after it, %d here, 0 shown twice, 0 forged, order kept",
		len(l.entries), periods, reloads, breaks, l.queries, bad, left.gaps, end.here)
}

// What an archive files minutes late, behind what has been read of it, is here when a
// connection has lasted, however much there was and whether or not the page was reloaded.
func TestFiledLate(t *testing.T) {
	for _, tc := range []struct {
		messages int // 400 are more than a catch-up reads forward: it goes on from the end
		reload   bool
	}{{130, false}, {130, true}, {400, false}, {400, true}} {
		t.Run(fmt.Sprintf("%+v", tc), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(t, 1)
				a := &reader{t: t, library: l, changed: make(chan struct{}, 1)}
				a.open()
				t.Cleanup(func() { a.close() })
				l.archive(3)
				l.network(true)
				a.Do(state.SignIn{Address: string(l.account), Password: password, Remember: true})
				there := func(s *state.State) bool { return s.Connection.Phase == state.Online && s.CaughtUp }
				a.until("signed in", there)

				l.network(false)
				synctest.Wait()
				l.skipped += time.Hour
				first := len(l.entries)
				l.archive(tc.messages)
				file := l.withhold(first+5, first+8, first+9, first+60, len(l.entries)-80, len(l.entries)-1)
				l.network(true)
				a.until("read", there)
				if tc.reload {
					a.close()
					a.open()
					a.Do(state.Return{Account: l.account})
					a.until("read again", there)
				}
				file()
				time.Sleep(time.Minute)
				synctest.Wait()
				asked := l.queries
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				for _, peer := range l.peers {
					got := a.here(a.State(), peer)
					// Each author's are in order: what is ours may stand elsewhere among them.
					for _, author := range []jid.JID{peer, l.account} {
						var want, here []string
						for _, r := range l.entries {
							if r.peer == peer && r.text != "" && !r.again && strings.Contains(r.message, fmt.Sprintf("from='%s/", author)) {
								want = append(want, r.text)
							}
						}
						for _, text := range got {
							if slices.Contains(want, text) {
								here = append(here, text)
							}
						}
						if !slices.Equal(here, want) {
							t.Errorf("%s of %s: %q, want %q", peer, author, here, want)
						}
					}
				}
				for range 2 { // the second review, and the third
					if n := l.queries - asked; n > 2+tc.messages/50 {
						t.Errorf("%d pages were asked for again", n)
					}
					asked = l.queries
					time.Sleep(20 * time.Minute)
					synctest.Wait()
				}
				asked = l.queries
				time.Sleep(time.Hour)
				synctest.Wait()
				if l.queries > asked {
					t.Errorf("%d pages were asked for later", l.queries-asked)
				}
			})
		})
	}
}
