//go:build !js

package native

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// A peer that is asked to close, and says that its frame has no end, loses its connection all the
// same.
func TestAccept_FrameWithoutEnd(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Accept(w, r, Options{ReadLimit: 100, CloseTimeout: time.Second, Origins: []string{"*"}})
		if err != nil {
			t.Error(err)
			return
		}
		_ = s.Close(1000, "")
	}))
	defer web.Close()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n")
	in := bufio.NewReader(c)
	for line := ""; line != "\r\n" && err == nil; {
		line, err = in.ReadString('\n')
	}
	if _, err := in.Peek(2); err != nil { // the server closes
		t.Fatal(err)
	}
	tooLong := append([]byte("\x81\xfe\x01\x00\x00\x00\x00\x00"), make([]byte, 256)...)
	_, _ = c.Write(append(tooLong, "\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00and so on"...))
	if _, err := io.ReadAll(in); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it has kept its connection")
	}
}
