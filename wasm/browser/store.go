//go:build js && wasm

package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall/js"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

// OpenStore opens the database of an account in IndexedDB; web/store.js does the work. It fails with one
// of the errors of package store if the browser cannot open it.
func OpenStore(ctx context.Context, account jid.JID) (store.Store, error) {
	s := &database{name: store.Name(account), gone: make(chan struct{})}
	s.taken = js.FuncOf(func(js.Value, []js.Value) any {
		s.once.Do(func() { close(s.gone) })
		return nil
	})
	natter := global.Get("natterStore")
	opening := natter.Call("open", s.name, s.taken)
	db, err := answer(ctx, opening)
	if err != nil {
		natter.Call("abandon", opening) // we may have stopped waiting before the database was there
		return nil, fmt.Errorf("store: open: %w", storeError(err, whenOpened))
	}
	s.db = db
	return s, nil
}

// StoreExists reports whether an account has a database in IndexedDB.
func StoreExists(ctx context.Context, account jid.JID) (bool, error) {
	there, err := answer(ctx, global.Get("natterStore").Call("exists", store.Name(account)))
	if err != nil {
		return false, fmt.Errorf("store: exists: %w", storeError(err, whenOpened))
	}
	return there.Bool(), nil
}

// DeleteStore removes an account's database, which may be one that could not be
// opened.
func DeleteStore(ctx context.Context, account jid.JID) error {
	return deleteDatabase(ctx, store.Name(account))
}

func deleteDatabase(ctx context.Context, name string) error {
	_, err := answer(ctx, global.Get("natterStore").Call("remove", name))
	if err != nil {
		return fmt.Errorf("store: delete: %w", storeError(err, whenOpened))
	}
	return nil
}

// database is a database in IndexedDB as a store.Store.
//
// A static script does the work and gets a batch as one string. A binding in Go
// (github.com/hack-pad/go-indexeddb was measured) crosses into JavaScript several times
// a row: it takes as long to put 10,000 rows and holds the page twice as long, and it
// has no way to read many rows at once. Here a commit is one call and one callback,
// whatever its size. Measured in Chromium on a busy two-core machine (wasm/e2e/storetest,
// BENCH=.): a commit of 1, 50, 200 and 500 messages takes 1.1, 6.6, 23 and 63 ms, on the
// disk itself 1.7, 8, 26 and 65; 50 older messages of 10,000 are there after 2.2 ms; a start
// with 60 conversations reads 6 ms, with 1,000 it reads 50. Nowhere in these the page
// stands still for more than 18 ms.
type database struct {
	name  string
	db    js.Value
	taken js.Func // never released: the browser may call it as long as the page lives
	once  sync.Once
	gone  chan struct{}
}

func (s *database) Load(ctx context.Context, w store.Window) (*store.Snapshot, error) {
	var head struct {
		Stream   *store.Stream               `json:"stream"`
		Ends     map[state.ConvID]store.Page `json:"ends"`
		Settings map[string]string           `json:"settings"`
	}
	var rows []state.Row
	err := s.ask(ctx, "load", func(answer js.Value) error {
		if err := json.Unmarshal([]byte(answer.Index(0).String()), &head); err != nil {
			return err
		}
		for i := 1; i < answer.Length(); i += 2 {
			Yield()
			more, err := state.Rows(answer.Index(i).String(), []byte(answer.Index(i+1).String()))
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		return nil
	}, struct {
		Open     state.ConvID `json:"open"`
		Chats    int          `json:"chats"`
		Messages int          `json:"messages"`
	}{w.Open, w.Chats, w.Messages})
	if err != nil {
		return nil, err
	}
	return &store.Snapshot{Rows: rows, Ends: head.Ends, Stream: head.Stream, Settings: head.Settings}, nil
}

func (s *database) Messages(ctx context.Context, conv state.ConvID, before state.Key, n int) ([]state.MessageRow, error) {
	var page []state.MessageRow
	err := s.ask(ctx, "messages", into(&page), struct {
		Conv state.ConvID `json:"peer"`
		state.Key
		N int `json:"n"`
	}{conv, before, n})
	return page, err
}

func (s *database) After(ctx context.Context, conv state.ConvID, after state.Key, n int) ([]state.MessageRow, error) {
	var page []state.MessageRow
	err := s.ask(ctx, "after", into(&page), struct {
		Conv state.ConvID `json:"peer"`
		state.Key
		N int `json:"n"`
	}{conv, after, n})
	return page, err
}

func (s *database) Count(ctx context.Context, conv state.ConvID, after, before state.Key) (n int, err error) {
	err = s.ask(ctx, "count", into(&n), struct {
		Conv   state.ConvID `json:"peer"`
		After  state.Key    `json:"after"`
		Before state.Key    `json:"before"`
	}{conv, after, before})
	return n, err
}

func (s *database) Ends(ctx context.Context, convs []state.ConvID, n int) ([][]state.MessageRow, error) {
	if len(convs) == 0 {
		return nil, ctx.Err()
	}
	ends := make([][]state.MessageRow, len(convs))
	err := s.ask(ctx, "ends", func(answer js.Value) error {
		for i := range ends {
			if i > 0 {
				Yield()
			}
			if err := json.Unmarshal([]byte(answer.Index(i).String()), &ends[i]); err != nil {
				return err
			}
		}
		return nil
	}, struct {
		Convs []state.ConvID `json:"peers"`
		N     int            `json:"n"`
	}{convs, n})
	return ends, err
}

func (s *database) Nth(ctx context.Context, conv state.ConvID, n int) (*state.MessageRow, error) {
	var m *state.MessageRow
	err := s.ask(ctx, "nth", into(&m), struct {
		Conv state.ConvID `json:"peer"`
		N    int          `json:"n"`
	}{conv, n})
	return m, err
}

func (s *database) Find(ctx context.Context, conv state.ConvID, wanted []store.Wanted) ([]state.MessageRow, error) {
	if len(wanted) == 0 {
		wanted = []store.Wanted{}
	}
	var found []state.MessageRow
	err := s.ask(ctx, "find", into(&found), struct {
		Conv   state.ConvID   `json:"peer"`
		Wanted []store.Wanted `json:"wanted"`
	}{conv, wanted})
	return found, err
}

func (s *database) Search(ctx context.Context, words []string, before int64, n int) ([]state.MessageRow, int64, error) {
	var answer struct {
		Found []state.MessageRow `json:"found"`
		Next  int64              `json:"next"`
	}
	err := s.ask(ctx, "search", into(&answer), struct {
		Words  []string `json:"words"`
		Before int64    `json:"before"`
		N      int      `json:"n"`
	}{words, before, n})
	return answer.Found, answer.Next, err
}

// named is a row of a table whose rows are all different: that of the session, with the
// account and the stream, or the settings.
type named struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// written is a batch as web/store.js takes it, by table. A row to remove says no more than
// what its key is made of.
type written struct {
	Strict bool             `json:"strict"`
	Forget []place          `json:"forget"`
	Remove map[string][]any `json:"remove"`
	Put    map[string][]any `json:"put"`
}

// place is where a message is.
type place struct {
	Conv state.ConvID `json:"peer"`
	state.Key
}

func (w *written) put(table string, row any) { w.Put[table] = append(w.Put[table], row) }

func (w *written) remove(table string, row any) { w.Remove[table] = append(w.Remove[table], row) }

func (s *database) Lead(ctx context.Context) error {
	_, err := s.call(ctx, "lead", "")
	return err
}

func (s *database) Commit(ctx context.Context, b *store.Batch) error {
	w := &written{Strict: b.Strict, Forget: []place{}, Remove: map[string][]any{}, Put: map[string][]any{}}
	for _, r := range b.Rows {
		table, _ := r.Where()
		switch v := r.Value.(type) {
		case *state.Account:
			w.put("session", named{table, v})
			continue
		case *state.Floor:
			w.Forget = append(w.Forget, place{v.Conv, v.Before})
			continue
		}
		if r.Gone {
			w.remove(table, r.Value)
		} else {
			w.put(table, r.Value)
		}
	}
	if b.Stream != nil {
		w.put("session", named{"stream", b.Stream})
	}
	for name, value := range b.Settings {
		if value == "" {
			w.remove("settings", named{Name: name})
		} else {
			w.put("settings", named{name, value})
		}
	}
	return s.ask(ctx, "commit", func(js.Value) error { return nil }, w)
}

func (s *database) Gone() <-chan struct{} { return s.gone }

func (s *database) Delete(ctx context.Context) error {
	s.Close()
	return deleteDatabase(ctx, s.name)
}

func (s *database) Close() error {
	s.db.Call("close")
	return nil
}

// ask calls a function of the database with a question in JSON and has read take the
// answer.
func (s *database) ask(ctx context.Context, function string, read func(js.Value) error, question any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("store: %s: %w", function, err)
	}
	answer, err := s.call(ctx, function, string(text))
	if err != nil {
		return err
	}
	if err := read(answer); err != nil {
		return fmt.Errorf("store: %s: %w", function, err)
	}
	return nil
}

// into reads an answer that is one piece of JSON.
func into(target any) func(js.Value) error {
	return func(answer js.Value) error { return json.Unmarshal([]byte(answer.String()), target) }
}

func (s *database) call(ctx context.Context, function, text string) (js.Value, error) {
	if err := ctx.Err(); err != nil {
		return js.Undefined(), err
	}
	v, err := answer(ctx, s.db.Call(function, text))
	select {
	case <-s.gone:
		if err != nil && ctx.Err() == nil {
			err = store.ErrClosed // whatever it says: the ground is gone
		}
	default:
	}
	if err != nil {
		return v, fmt.Errorf("store: %s: %w", function, storeError(err, whenUsed))
	}
	return v, nil
}

// The names of exceptions (W3C IndexedDB, and one of our own) and what they mean when
// a database is opened, and when an open one is used.
var (
	whenOpened = map[string]error{
		"QuotaExceededError": store.ErrQuota,
		"VersionError":       store.ErrNewer,
		"BlockedError":       store.ErrBlocked,
		"NotSupportedError":  store.ErrUnavailable,
		"SecurityError":      store.ErrUnavailable,
		"InvalidStateError":  store.ErrUnavailable, // Firefox in some private modes
		"UnknownError":       store.ErrUnavailable, // Chromium where site data is blocked
	}
	whenUsed = map[string]error{
		"QuotaExceededError": store.ErrQuota,
		"InvalidStateError":  store.ErrClosed,
		"ConstraintError":    store.ErrTaken, // our name is among those that led before
	}
)

func storeError(err error, known map[string]error) error {
	var thrown js.Error
	if !errors.As(err, &thrown) {
		return err
	}
	if is := known[thrown.Get("name").String()]; is != nil {
		return fmt.Errorf("%w (%s)", is, thrown.Get("message").String())
	}
	return err
}

// Persist asks the browser not to clear this site's storage up, and reports whether
// it promised so. Some ask the person, and answer when they have: call it when there is
// something to keep, best after a click, and let nothing wait for it.
func Persist(ctx context.Context) bool { return storage(ctx, "persist") }

// Persisted reports whether the browser has promised already.
func Persisted(ctx context.Context) bool { return storage(ctx, "persisted") }

func storage(ctx context.Context, question string) bool {
	granted, err := ask(ctx, global.Get("navigator").Get("storage"), question)
	return err == nil && granted.Truthy() // there is nobody to ask on plain http
}

// Capacity returns how many bytes this site uses and how many it may, 0 and 0 if the
// browser does not say.
func Capacity(ctx context.Context) (used, quota int64) {
	estimate, err := ask(ctx, global.Get("navigator").Get("storage"), "estimate")
	if err != nil {
		return 0, 0
	}
	return int64(estimate.Get("usage").Float()), int64(estimate.Get("quota").Float())
}
