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

// Memory has databases in memory, and is the disk of a test: a Store that is opened again has what was
// committed before. The zero value is ready to use.
type Memory struct {
	mu        sync.Mutex
	databases map[string]*database
	fails     error
	capacity  int
}

// Open returns a Store for an account. Several may be open at once, as in several tabs.
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

// Fail makes every Commit fail with err from now on, as a full disk does; with nil they succeed again.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = err
}

// Capacity limits the store to n messages, 0 for no limit. A Commit that would make more fails with
// ErrQuota, unless it makes the number smaller.
func (m *Memory) Capacity(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = n
}

// database is guarded by of.mu. Each table has its rows as JSON, as a disk has them, so that it shares no
// memory with the state.
type database struct {
	of     *Memory
	name   string
	gone   chan struct{}
	leader *memory

	tables   map[string]map[string][]byte // by name and key, but for the messages
	stream   []byte
	settings map[string]string
	messages map[state.ConvID]map[state.Key][]byte
	ids      map[string][]state.Key // of messages, see ids
}

func newDatabase(of *Memory, name string) *database {
	return &database{
		of: of, name: name, gone: make(chan struct{}), tables: map[string]map[string][]byte{}, settings: map[string]string{},
		messages: map[state.ConvID]map[state.Key][]byte{}, ids: map[string][]state.Key{},
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
	sn := &Snapshot{Ends: map[state.ConvID]Page{}, Settings: maps.Clone(s.db.settings)}
	if s.db.stream != nil {
		sn.Stream = new(unpack[Stream](s.db.stream))
	}
	var chats []state.ChatRow
	for _, name := range slices.Sorted(maps.Keys(s.db.tables)) {
		for _, key := range slices.Sorted(maps.Keys(s.db.tables[name])) {
			rows, err := state.Rows(name, slices.Concat([]byte("["), s.db.tables[name][key], []byte("]")))
			if err != nil {
				return nil, fmt.Errorf("store: load: %w", err)
			}
			sn.Rows = append(sn.Rows, rows...)
			if c, ok := rows[0].Value.(*state.ChatRow); ok {
				chats = append(chats, *c)
			}
		}
	}
	for _, conv := range w.convs(chats) {
		page := s.db.page(conv, state.Key{}, w.Messages)
		sn.Ends[conv] = Page{page, len(page) == w.Messages}
	}
	for conv := range s.db.messages {
		all := s.db.page(conv, state.Key{}, -1)
		at := slices.IndexFunc(all, func(m state.MessageRow) bool { return m.Out != 0 })
		if at >= 0 && len(sn.Ends[conv].Messages) < len(all)-at {
			sn.Ends[conv] = Page{all[at:], true}
		}
	}
	return sn, nil
}

// convs returns the conversations of which Load reads messages.
func (w Window) convs(chats []state.ChatRow) []state.ConvID {
	chats = slices.Clone(chats)
	last := func(c state.ChatRow) state.Key {
		if c.Last == nil {
			return state.Key{}
		}
		return c.Last.Message.Key
	}
	slices.SortStableFunc(chats, func(a, b state.ChatRow) int { return compare(last(b), last(a)) })
	var convs []state.ConvID
	for _, c := range chats {
		switch {
		case c.Conv == w.Open:
			convs = append(convs, c.Conv)
		case w.Chats > 0:
			w.Chats--
			convs = append(convs, c.Conv)
		}
	}
	return convs
}

// page returns up to n messages before a place, all of them if n is -1.
func (db *database) page(conv state.ConvID, before state.Key, n int) []state.MessageRow {
	var keys []state.Key
	for k := range db.messages[conv] {
		if before == (state.Key{}) || compare(k, before) < 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compare)
	if n >= 0 && len(keys) > n {
		keys = keys[len(keys)-n:]
	}
	page := make([]state.MessageRow, 0, len(keys))
	for _, k := range keys {
		page = append(page, unpack[state.MessageRow](db.messages[conv][k]))
	}
	return page
}

func (s *memory) Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error) {
	leave, err := s.enter(ctx, "read messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.db.page(conv, before, max(n, 0)), nil
}

func (s *memory) After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error) {
	leave, err := s.enter(ctx, "read messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	page := slices.DeleteFunc(s.db.page(conv, state.Key{}, -1), func(m state.MessageRow) bool {
		return after != (state.Key{}) && compare(m.Message.Key, after) <= 0
	})
	return page[:min(max(n, 0), len(page))], nil
}

func (s *memory) Count(ctx context.Context, conv state.ConvID, after, before state.Key) (n int, err error) {
	leave, err := s.enter(ctx, "count messages")
	if err != nil {
		return 0, err
	}
	defer leave()
	for k := range s.db.messages[conv] {
		if compare(after, k) < 0 && compare(k, before) < 0 {
			n++
		}
	}
	return n, nil
}

func (s *memory) Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error) {
	leave, err := s.enter(ctx, "read ends")
	if err != nil {
		return nil, err
	}
	defer leave()
	ends := make([][]state.MessageRow, len(convs))
	for i, conv := range convs {
		ends[i] = s.db.page(conv, state.Key{}, max(n, 0))
	}
	return ends, nil
}

func (s *memory) Nth(ctx context.Context, conv state.ConvID, n int) (*state.MessageRow, error) {
	leave, err := s.enter(ctx, "count messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	page := s.db.page(conv, state.Key{}, n)
	if n < 1 || len(page) < n {
		return nil, nil
	}
	return &page[0], nil
}

func (s *memory) Find(ctx context.Context, conv state.ConvID, wanted []Wanted) ([]state.MessageRow, error) {
	leave, err := s.enter(ctx, "find messages")
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[state.Key]state.MessageRow{}
	for _, w := range wanted {
		for _, id := range ids(conv, w.Archive, w.Author, w.ID) {
			if keys := s.db.ids[id]; len(keys) > 0 {
				newest := slices.MaxFunc(keys, compare)
				found[newest] = unpack[state.MessageRow](s.db.messages[conv][newest])
			}
		}
	}
	list := make([]state.MessageRow, 0, len(found))
	for _, m := range found {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b state.MessageRow) int { return compare(a.Message.Key, b.Message.Key) })
	return list, nil
}

func (s *memory) Search(ctx context.Context, words []string, before int64, n int) (found []state.MessageRow, next int64, err error) {
	leave, err := s.enter(ctx, "search")
	if err != nil {
		return nil, 0, err
	}
	defer leave()
	var all []state.MessageRow
	for conv := range s.db.messages {
		for _, m := range s.db.page(conv, state.Key{}, -1) {
			if before == 0 || m.Time < before {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b state.MessageRow) int {
		return cmp.Or(compare(b.Message.Key, a.Message.Key), cmp.Compare(a.Conv, b.Conv))
	})
	for i, m := range all {
		if i >= n && m.Time < all[i-1].Time {
			return found, all[i-1].Time, nil
		}
		if whole := m.Whole(); state.Has(whole.Words(), words) {
			found = append(found, m)
		}
	}
	return found, 0, nil
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

// fits reports whether a batch does not exceed the capacity.
func (db *database) fits(b *Batch) bool {
	if db.of.capacity == 0 {
		return true
	}
	after := newDatabase(db.of, db.name)
	before := 0
	for conv, messages := range db.messages {
		before += len(messages)
		after.messages[conv] = maps.Clone(messages)
	}
	after.write(&Batch{Rows: b.Rows})
	n := 0
	for _, messages := range after.messages {
		n += len(messages)
	}
	return n <= db.of.capacity || n < before
}

func (db *database) write(b *Batch) {
	for _, r := range b.Rows {
		switch v := r.Value.(type) {
		case *state.Floor:
			for _, m := range db.page(v.Conv, v.Before, -1) {
				if compare(m.Message.Key, v.Before) < 0 && !new(m.State()).Stays() {
					db.remove(v.Conv, m.Message.Key)
				}
			}
		case *state.MessageRow:
			db.remove(v.Conv, v.Message.Key)
		}
	}
	for _, r := range b.Rows {
		switch v := r.Value.(type) {
		case *state.Floor:
		case *state.MessageRow:
			if !r.Gone {
				db.add(v)
			}
		case *state.Filed:
			if r.Gone || !db.attach(v) {
				db.put(r)
			}
		default:
			db.put(r)
		}
	}
	if b.Stream != nil {
		db.stream = pack(b.Stream)
	}
	for name, value := range b.Settings {
		if value == "" {
			delete(db.settings, name)
			continue
		}
		db.settings[name] = value
	}
}

func (db *database) put(r state.Row) {
	name, key := r.Where()
	if r.Gone {
		delete(db.tables[name], key)
		return
	}
	if db.tables[name] == nil {
		db.tables[name] = map[string][]byte{}
	}
	db.tables[name][key] = pack(r.Value)
}

func (db *database) add(m *state.MessageRow) {
	if db.messages[m.Conv] == nil {
		db.messages[m.Conv] = map[state.Key][]byte{}
	}
	db.messages[m.Conv][m.Message.Key] = pack(m)
	for _, id := range ids(m.Conv, m.ArchiveID, m.Author, m.ID) {
		db.ids[id] = append(db.ids[id], m.Message.Key)
	}
}

// attach puts a fact into the row of its message, if there is one.
func (db *database) attach(f *state.Filed) bool {
	var names []string
	switch {
	case f.Author != "":
		names = ids(f.Conv, "", f.Author, f.ID)
	case f.Me != "":
		names = slices.Concat(ids(f.Conv, "", f.Conv.JID(), f.ID), ids(f.Conv, "", f.Me, f.ID))
	default:
		names = ids(f.Conv, f.ID, "", "")
	}
	var newest state.Key
	for _, id := range names {
		for _, k := range db.ids[id] {
			newest = slices.MaxFunc([]state.Key{newest, k}, compare)
		}
	}
	raw, ok := db.messages[f.Conv][newest]
	if !ok {
		return false
	}
	m := unpack[state.MessageRow](raw)
	m.Attach(f.Fact)
	db.messages[f.Conv][newest] = pack(m)
	return true
}

// remove removes a message, if there is one in this place.
func (db *database) remove(conv state.ConvID, k state.Key) {
	raw, ok := db.messages[conv][k]
	if !ok {
		return
	}
	delete(db.messages[conv], k)
	m := unpack[state.MessageRow](raw)
	for _, id := range ids(conv, m.ArchiveID, m.Author, m.ID) {
		db.ids[id] = slices.DeleteFunc(db.ids[id], func(o state.Key) bool { return o == k })
	}
}

// ids returns the ids by which Find finds a message.
func ids(conv state.ConvID, archive string, author jid.JID, id string) (all []string) {
	if archive != "" {
		all = append(all, string(conv)+"\x00"+archive)
	}
	if id != "" {
		all = append(all, string(conv)+"\x00"+string(author)+"\x00"+id)
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
