//go:build linux

package xmpptest

import (
	"fmt"
	"net"
	"testing"
)

// A port that one test has for a server that is still starting is not given to another.
func TestFreePorts(t *testing.T) {
	given := map[int]bool{}
	for range 20 {
		ports, err := freePorts(6)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range ports {
			if given[port] {
				t.Fatalf("port %d is given twice", port)
			}
			given[port] = true
			if l, err := net.Listen("unix", fmt.Sprintf("@natter, port %d", port)); err == nil {
				_ = l.Close()
				t.Fatalf("another process could be given port %d", port)
			}
		}
	}
}
