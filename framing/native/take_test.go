//go:build !js

package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"natter/framing"
)

// Reads that cannot be given up and others may take turns: nothing is lost, doubled or out of order,
// and the end comes last.
func TestAccept_EndlessRead(t *testing.T) {
	url, sockets := serve(t, Options{})
	client, server := dial(t, url), <-sockets
	const messages = 100
	go func() {
		for i := range messages {
			if client.Write(t.Context(), fmt.Sprint("message ", i)) != nil {
				return
			}
		}
		_ = client.Close(4001, "bye")
	}()
	for i := range messages {
		ctx := context.Background()
		if i%10 > 6 {
			ctx = t.Context()
		}
		if got, err := server.Read(ctx); err != nil || got != fmt.Sprint("message ", i) {
			t.Fatalf("read %q, %v as message %d", got, err, i)
		}
	}
	var end *framing.CloseError
	if _, err := server.Read(context.Background()); !errors.As(err, &end) || end.Code != 4001 {
		t.Errorf("read: %v, want the close 4001", err)
	}
}

// A reader may be busy for long with what it has read: the peer's answers to pings are seen.
func TestAccept_PingWhileNobodyReads(t *testing.T) {
	alive := make(chan bool, 100)
	url, sockets := serve(t, Options{Ping: 10 * time.Millisecond, Pong: 20 * time.Second, Alive: func() { alive <- true }})
	client, server := dial(t, url), <-sockets
	for i := range 3 {
		if err := client.Write(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if got, err := server.Read(context.Background()); err != nil || got != fmt.Sprint(i) {
			t.Fatalf("read %q, %v", got, err)
		}
		for range 3 {
			<-alive
		}
	}
}

// A socket that is closed while a Read has taken over, or between two of them, ends.
func TestAccept_CloseBesideEndlessRead(t *testing.T) {
	for _, reads := range []bool{true, false} {
		url, sockets := serve(t, Options{CloseTimeout: time.Minute})
		client, server := dial(t, url), <-sockets
		if err := client.Write(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		if reads {
			go func() {
				_, err := server.Read(context.Background())
				done <- err
			}()
		}
		if err := server.Close(1000, ""); err != nil {
			t.Fatal(err)
		}
		if !reads {
			_, err := server.Read(context.Background())
			done <- err
		}
		var end *framing.CloseError
		if err := <-done; !errors.As(err, &end) {
			t.Errorf("read: %v, want a CloseError", err)
		}
	}
}

// A peer that takes nothing is dropped, however many writes it has taken before.
func TestAccept_PeerTakesNothing(t *testing.T) {
	url, sockets := serve(t, Options{Write: 100 * time.Millisecond})
	client, server := dial(t, url), <-sockets
	if err := server.Write(context.Background(), "taken"); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Read(t.Context()); err != nil || got != "taken" {
		t.Fatalf("read %q, %v", got, err)
	}
	message := strings.Repeat("x", 1<<10)
	for {
		err := server.Write(context.Background(), message)
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		break
	}
	if _, err := server.Read(context.Background()); err == nil {
		t.Error("it has kept its connection")
	}
}

// Messages that are held leave together, in order, and before what is written after them; none
// waits for good.
func TestHold(t *testing.T) {
	url, sockets := serve(t, Options{Write: 20 * time.Second})
	client, server := dial(t, url), <-sockets
	write := func(message string) {
		t.Helper()
		if err := server.Write(context.Background(), message); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 5 {
		Hold(server)
		for j := range 40 {
			want = append(want, fmt.Sprint(i, " ", j, strings.Repeat(".", 100*j)))
			write(want[len(want)-1])
		}
		w := server.(*socket).wire
		if held := len(w.held); held == 0 || held > mostHeld {
			t.Errorf("%d bytes are held", held)
		}
		if err := Flush(server); err != nil {
			t.Fatal(err)
		}
		want = append(want, "after")
		write("after")
	}
	for _, w := range want {
		if got, err := client.Read(t.Context()); err != nil || got != w {
			t.Fatalf("read %q, %v, want %q", got, err, w)
		}
	}
}
