package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"natter/app/jid"
	"natter/app/state"
)

// Memory keeps databases for as long as it lives. It is what a client has where
// nothing can be kept, and the disk of a test: a store that is opened again finds what
// was committed. The zero value is ready to use.
type Memory struct {
	mu        sync.Mutex
	databases map[string]*database
	fails     error
	room      int
}

// Open returns the store of an account. It may be open several times.
func (m *Memory) Open(ctx context.Context, account jid.JID) (Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := Name(account)
	db := m.databases[name]
	if db == nil {
		if m.databases == nil {
			m.databases = map[string]*database{}
		}
		db = newDatabase(m, name)
		m.databases[name] = db
	}
	return &memory{db: db}, nil
}

// Exists reports whether an account has tables.
func (m *Memory) Exists(account jid.JID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.databases[Name(account)] != nil
}

// Fail makes every Commit fail with err from now on, with nil no longer. It stands
// for a full disk.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = err
}

// Room makes every Commit fail with ErrQuota after which there would be more than n
// messages, and no fewer than before it; 0 is no limit.
func (m *Memory) Room(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = n
}

// database is guarded by of.mu. Each table holds its rows as they are on disk, so
// that nobody shares memory with it.
type database struct {
	of     *Memory
	name   string
	gone   chan struct{}
	leader *memory

	account, stream []byte
	contacts, chats map[jid.JID][]byte
	messages        map[jid.JID]map[Key][]byte
	ids             map[string][]Key // of messages, see ids
	coverage        map[[2]jid.JID][]byte
	drafts          map[jid.JID][]byte
	avatars         map[string][]byte
	settings        map[string]string
}

func newDatabase(of *Memory, name string) *database {
	return &database{
		of: of, name: name, gone: make(chan struct{}),
		contacts: map[jid.JID][]byte{}, chats: map[jid.JID][]byte{},
		messages: map[jid.JID]map[Key][]byte{}, ids: map[string][]Key{}, coverage: map[[2]jid.JID][]byte{},
		drafts: map[jid.JID][]byte{}, avatars: map[string][]byte{}, settings: map[string]string{},
	}
}

func pack(row any) []byte {
	raw, err := json.Marshal(row)
	if err != nil {
		panic(err) // rows are strings, numbers and lists of them
	}
	return raw
}

func unpack[Row any](raw []byte) (row Row) {
	if err := json.Unmarshal(raw, &row); err != nil {
		panic(err) // pack has written it
	}
	return row
}

// memory is one opened database.
type memory struct {
	db     *database
	closed bool // guarded by db.of.mu, as is led
	led    bool
}

// enter locks the database until leave is called.
func (s *memory) enter(ctx context.Context, op string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.db.of.mu.Lock()
	gone := false
	select {
	case <-s.db.gone:
		gone = true
	default:
	}
	if s.closed || gone {
		s.db.of.mu.Unlock()
		return nil, fmt.Errorf("store: %s: %w", op, ErrClosed)
	}
	return s.db.of.mu.Unlock, nil
}

func (s *memory) Load(ctx context.Context, w Window) (*Snapshot, error) {
	leave, err := s.enter(ctx, "load")
	if err != nil {
		return nil, err
	}
	defer leave()
	sn := &Snapshot{Newest: map[jid.JID]Page{}, Settings: map[string]string{}}
	if s.db.account != nil {
		sn.Account = new(unpack[Account](s.db.account))
	}
	if s.db.stream != nil {
		sn.Stream = new(unpack[Stream](s.db.stream))
	}
	sn.Contacts = rows[Contact](s.db.contacts)
	sn.Chats = rows[Chat](s.db.chats)
	sn.Coverage = rows[Coverage](s.db.coverage)
	sn.Drafts = rows[Draft](s.db.drafts)
	for name, value := range s.db.settings {
		sn.Settings[name] = value
	}

	oldest := map[jid.JID]Key{} // in the outbox
	for peer := range s.db.messages {
		for _, m := range s.db.page(peer, Key{}, -1) {
			if m.Out == 0 {
				continue
			}
			if _, known := oldest[peer]; !known {
				oldest[peer] = m.Key
			}
			sn.Outbox = append(sn.Outbox, m)
		}
	}
	slices.SortFunc(sn.Outbox, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Out, b.Out), cmp.Compare(a.Peer, b.Peer), compare(a.Key, b.Key))
	})
	for _, peer := range w.peers(sn.Chats) {
		page := s.db.page(peer, Key{}, w.Messages)
		sn.Newest[peer] = Page{page, len(page) == w.Messages}
	}
	for peer, from := range oldest {
		all := s.db.page(peer, Key{}, -1)
		at := slices.IndexFunc(all, func(m Message) bool { return m.Key == from })
		if page := sn.Newest[peer]; len(page.Messages) < len(all)-at {
			sn.Newest[peer] = Page{all[at:], true}
		}
	}
	return sn, nil
}

// peers are the conversations of which Load reads the messages.
func (w Window) peers(chats []Chat) []jid.JID {
	chats = slices.Clone(chats)
	last := func(c Chat) Key {
		if c.Last == nil {
			return Key{}
		}
		return c.Last.Key
	}
	slices.SortStableFunc(chats, func(a, b Chat) int { return compare(last(b), last(a)) })
	var peers []jid.JID
	for _, c := range chats {
		switch {
		case c.Peer == w.Open:
			peers = append(peers, c.Peer)
		case w.Chats > 0:
			w.Chats--
			peers = append(peers, c.Peer)
		}
	}
	return peers
}

// rows returns a table in the order of its keys, as IndexedDB does.
func rows[Row any, K comparable](table map[K][]byte) []Row {
	keys := make([]K, 0, len(table))
	for k := range table {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	all := make([]Row, 0, len(keys))
	for _, k := range keys {
		all = append(all, unpack[Row](table[k]))
	}
	return all
}

func compare(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq))
}

// page returns up to n messages before a place, all of them if n is -1.
func (db *database) page(peer jid.JID, before Key, n int) []Message {
	var keys []Key
	for k := range db.messages[peer] {
		if before == (Key{}) || compare(k, before) < 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compare)
	if n >= 0 && len(keys) > n {
		keys = keys[len(keys)-n:]
	}
	page := make([]Message, 0, len(keys))
	for _, k := range keys {
		page = append(page, unpack[Message](db.messages[peer][k]))
	}
	return page
}

func (s *memory) Messages(ctx context.Context, peer jid.JID, before Key, n int) ([]Message, error) {
	leave, err := s.enter(ctx, "read messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.db.page(peer, before, max(n, 0)), nil
}

func (s *memory) Ends(ctx context.Context, peers []jid.JID, n int) ([][]Message, error) {
	leave, err := s.enter(ctx, "read ends")
	if err != nil {
		return nil, err
	}
	defer leave()
	ends := make([][]Message, len(peers))
	for i, peer := range peers {
		ends[i] = s.db.page(peer, Key{}, max(n, 0))
	}
	return ends, nil
}

func (s *memory) Nth(ctx context.Context, peer jid.JID, n int) (*Message, error) {
	leave, err := s.enter(ctx, "count messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	page := s.db.page(peer, Key{}, n)
	if n < 1 || len(page) < n {
		return nil, nil
	}
	return &page[0], nil
}

func (s *memory) Find(ctx context.Context, peer jid.JID, wanted []Wanted) ([]Message, error) {
	leave, err := s.enter(ctx, "find messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[Key]Message{}
	for _, w := range wanted {
		for _, id := range ids(peer, w.Archive, w.Author, w.ID) {
			if keys := s.db.ids[id]; len(keys) > 0 {
				newest := slices.MaxFunc(keys, compare)
				found[newest] = unpack[Message](s.db.messages[peer][newest])
			}
		}
	}
	list := make([]Message, 0, len(found))
	for _, m := range found {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Message) int { return compare(a.Key, b.Key) })
	return list, nil
}

func (s *memory) Search(ctx context.Context, words []string, before int64, n int) (found []Message, next int64, err error) {
	leave, err := s.enter(ctx, "search")
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	var all []Message
	for peer := range s.db.messages {
		for _, m := range s.db.page(peer, Key{}, -1) {
			if before == 0 || m.Time < before {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b Message) int {
		return cmp.Or(compare(b.Key, a.Key), cmp.Compare(a.Peer, b.Peer))
	})
	for i, m := range all {
		if i >= n && m.Time < all[i-1].Time {
			return found, all[i-1].Time, nil
		}
		if state.Has(state.Both(m.Subject, m.Body), words) {
			found = append(found, m)
		}
	}
	return found, 0, nil
}

func (s *memory) Avatar(ctx context.Context, id string) (*Avatar, error) {
	leave, err := s.enter(ctx, "read a picture")
	if err != nil {
		return nil, err
	}
	defer leave()
	raw, ok := s.db.avatars[id]
	if !ok {
		return nil, nil
	}
	avatar := unpack[Avatar](raw)
	return &avatar, nil
}

func (s *memory) Lead(ctx context.Context) error {
	leave, err := s.enter(ctx, "lead")
	if err != nil {
		return err
	}
	defer leave()
	s.led, s.db.leader = true, s
	return nil
}

func (s *memory) Commit(ctx context.Context, b *Batch) error {
	leave, err := s.enter(ctx, "commit")
	if err != nil {
		return err
	}
	defer leave()
	if s.led && s.db.leader != s {
		return fmt.Errorf("store: commit: %w", ErrTaken)
	}
	if s.db.of.fails != nil {
		return fmt.Errorf("store: commit: %w", s.db.of.fails)
	}
	if !s.db.fits(b) {
		return fmt.Errorf("store: commit: %w", ErrQuota)
	}
	s.db.write(b)
	return nil
}

// fits reports whether there is room for a batch.
func (db *database) fits(b *Batch) bool {
	if db.of.room == 0 {
		return true
	}
	after := newDatabase(db.of, db.name)
	before := 0
	for peer, messages := range db.messages {
		before += len(messages)
		after.messages[peer] = maps.Clone(messages)
	}
	after.write(&Batch{Forget: b.Forget, RemovedMessages: b.RemovedMessages, Messages: b.Messages})
	n := 0
	for _, messages := range after.messages {
		n += len(messages)
	}
	return n <= db.of.room || n < before
}

func (db *database) write(b *Batch) {
	for _, f := range b.Forget {
		for _, m := range db.page(f.Peer, f.Before, -1) {
			if compare(m.Key, f.Before) < 0 && !new(m.State()).Stays() {
				db.remove(f.Peer, m.Key)
			}
		}
	}
	for _, p := range b.RemovedMessages {
		db.remove(p.Peer, p.Key)
	}
	for _, peer := range b.RemovedContacts {
		delete(db.contacts, peer)
	}
	if b.Account != nil {
		db.account = pack(b.Account)
	}
	if b.Stream != nil {
		db.stream = pack(b.Stream)
	}
	for _, c := range b.Contacts {
		db.contacts[c.JID] = pack(c)
	}
	for _, c := range b.Chats {
		db.chats[c.Peer] = pack(c)
	}
	for _, m := range b.Messages {
		db.remove(m.Peer, m.Key)
		if db.messages[m.Peer] == nil {
			db.messages[m.Peer] = map[Key][]byte{}
		}
		db.messages[m.Peer][m.Key] = pack(m)
		for _, id := range ids(m.Peer, m.Archive, m.Author, m.ID) {
			db.ids[id] = append(db.ids[id], m.Key)
		}
	}
	for _, c := range b.Coverage {
		db.coverage[[2]jid.JID{c.Archive, c.With}] = pack(c)
	}
	for _, d := range b.Drafts {
		if d.Text == "" {
			delete(db.drafts, d.Peer)
			continue
		}
		db.drafts[d.Peer] = pack(d)
	}
	for _, a := range b.Avatars {
		if len(a.Bytes) == 0 {
			delete(db.avatars, a.ID)
			continue
		}
		db.avatars[a.ID] = pack(a)
	}
	for name, value := range b.Settings {
		if value == "" {
			delete(db.settings, name)
			continue
		}
		db.settings[name] = value
	}
}

// remove removes a message, if there is one in this place.
func (db *database) remove(peer jid.JID, k Key) {
	raw, ok := db.messages[peer][k]
	if !ok {
		return
	}
	delete(db.messages[peer], k)
	m := unpack[Message](raw)
	for _, id := range ids(peer, m.Archive, m.Author, m.ID) {
		db.ids[id] = slices.DeleteFunc(db.ids[id], func(o Key) bool { return o == k })
	}
}

// ids are what a message can be found by.
func ids(peer jid.JID, archive string, author jid.JID, id string) (all []string) {
	if archive != "" {
		all = append(all, string(peer)+"\x00"+archive)
	}
	if id != "" {
		all = append(all, string(peer)+"\x00"+string(author)+"\x00"+id)
	}
	return all
}

func (s *memory) Gone() <-chan struct{} { return s.db.gone }

func (s *memory) Delete(ctx context.Context) error {
	leave, err := s.enter(ctx, "delete")
	if err != nil {
		return err
	}
	defer leave()
	s.closed = true
	delete(s.db.of.databases, s.db.name)
	close(s.db.gone)
	return nil
}

func (s *memory) Close() error {
	s.db.of.mu.Lock()
	defer s.db.of.mu.Unlock()
	s.closed = true
	return nil
}
