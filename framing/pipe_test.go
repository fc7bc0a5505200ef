package framing

import (
	"context"
	"errors"
	"testing"
)

func TestPipe(t *testing.T) {
	a, b := Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Read(ctx); err != context.Canceled {
		t.Errorf("read: %v", err)
	}
	for _, m := range []string{"1", "2"} {
		if err := a.Write(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(1001, ""); err == nil {
		t.Error("closed with 1001")
	}
	if err := a.Close(4001, "bye"); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"1", "2"} {
		if got, err := b.Read(t.Context()); got != want || err != nil {
			t.Errorf("read %q, %v, want %q", got, err, want)
		}
	}
	var end *CloseError
	for _, s := range []Socket{a, b} {
		if _, err := s.Read(t.Context()); !errors.As(err, &end) || *end != (CloseError{4001, "bye"}) {
			t.Errorf("read: %v, want the close", err)
		}
		if err := s.Write(t.Context(), "late"); err == nil {
			t.Error("wrote to a closed pipe")
		}
		if err := s.Close(1000, ""); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
}
