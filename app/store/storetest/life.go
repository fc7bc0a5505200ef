package storetest

import (
	"context"
	"errors"
	"testing"

	"natter/app/state"
	"natter/app/store"
)

func leading(t *testing.T, open Open) {
	lead := func() store.Store {
		t.Helper()
		s := must(t, open, ada)
		if err := s.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		commit(t, s, store.Batch{Rows: Messages(said(grace, 1, 0))})
		return s
	}
	first := lead()
	second := lead()
	err := first.Commit(t.Context(), &store.Batch{Rows: Messages(said(grace, 2, 0))})
	if !errors.Is(err, store.ErrTaken) || !errors.Is(err, store.ErrClosed) {
		t.Errorf("the first still writes: %v", err)
	}
	commit(t, second, store.Batch{Rows: Messages(said(grace, 3, 0))})
	page, err := first.Messages(t.Context(), grace, state.Key{}, 10)
	if err != nil {
		t.Error("the first reads no more: ", err)
	}
	expect(t, "written", bodies(page), "1.0 3.0")
	if sn := load(t, first, store.Window{}); !sn.Empty() || sn.Stream != nil {
		t.Errorf("loaded %+v", sn)
	}
	if err := first.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, first, store.Batch{Rows: Messages(said(grace, 4, 0))})
	if err := second.Commit(t.Context(), &store.Batch{Rows: Rows(&state.Draft{Conv: grace, Text: "late"})}); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the second still writes: %v", err)
	}
}

func accounts(t *testing.T, open Open) {
	one, two := must(t, open, ada+"/tab"), must(t, open, grace)
	commit(t, one, full())
	sn := load(t, two, store.Window{Open: grace, Chats: 9, Messages: 9})
	if len(sn.Rows)+len(sn.Ends)+len(sn.Settings) > 0 {
		t.Errorf("grace finds what is ada's: %+v", sn)
	}
	found, err := two.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}, {Author: ada, ID: "1"}})
	if err != nil || len(found) > 0 {
		t.Errorf("grace finds %v, %v", found, err)
	}
	if err := two.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The resource is no part of whose account it is.
	expect(t, "ada's", Of[*state.Contact](load(t, must(t, open, ada), store.Window{}).Rows), Of[*state.Contact](full().Rows))
}

func deletion(t *testing.T, open Open) {
	s, other := must(t, open, ada), must(t, open, ada)
	commit(t, s, full())
	if err := s.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-other.Gone()
	for name, gone := range map[string]store.Store{"the store": s, "the other tab's": other} {
		if _, err := gone.Load(t.Context(), store.Window{}); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s loads: %v", name, err)
		}
		if err := gone.Commit(t.Context(), new(full())); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s commits: %v", name, err)
		}
	}
	empty(t, open)
}

func closing(t *testing.T, open Open) {
	s := must(t, open, ada)
	commit(t, s, full())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	for name, f := range map[string]func() error{
		"load":     func() error { _, err := s.Load(t.Context(), store.Window{}); return err },
		"messages": func() error { _, err := s.Messages(t.Context(), grace, state.Key{}, 1); return err },
		"after":    func() error { _, err := s.After(t.Context(), grace, state.Key{}, 1); return err },
		"count":    func() error { _, err := s.Count(t.Context(), grace, state.Key{}, state.Key{Time: 1}); return err },
		"ends":     func() error { _, err := s.Ends(t.Context(), []state.ConvID{grace}, 1); return err },
		"find":     func() error { _, err := s.Find(t.Context(), grace, []store.Wanted{{Archive: "x"}}); return err },
		"nth":      func() error { _, err := s.Nth(t.Context(), grace, 1); return err },
		"search":   func() error { _, _, err := s.Search(t.Context(), []string{"x"}, 0, 1); return err },
		"commit":   func() error { return s.Commit(t.Context(), new(full())) },
	} {
		if err := f(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	select {
	case <-s.Gone():
		t.Error("nobody took it away")
	default:
	}
}

func ended(t *testing.T, open Open) {
	s := must(t, open, ada)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, new(full())); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Load(ctx, store.Window{}); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if _, err := open(ctx, ada); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if sn := load(t, s, store.Window{}); len(sn.Rows) > 0 {
		t.Error("a commit nobody waited for from its beginning was made")
	}
}
