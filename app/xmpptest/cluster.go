//go:build linux

package xmpptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// Cluster launches two ejabberd 24 that are one service (ejabberdctl join_cluster): they have the
// same domains and accounts, and a session of one is resumed through the other. They end with the
// test. Without the server on this machine the test is skipped, or fails with CI=true.
func Cluster(t testing.TB, off ...Off) [2]*Server {
	t.Helper()
	if testing.Short() {
		t.Skip("a real server takes its time, and this is -short")
	}
	both, err := cluster(t, off)
	var missing *NotInstalledError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return both
}

func cluster(t testing.TB, off []Off) (both [2]*Server, err error) {
	l, err := KindEjabberd24.launcher()
	if err != nil {
		return both, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return both, err
	}
	// epmd, which tells the ports of nodes, would outlive us; without it all nodes have the same,
	// each at an address of its own.
	const first = "ejabberd@127.0.0.1"
	cookie := rand.Text()
	for i, name := range []string{first, "ejabberd@127.0.0.2"} {
		node := l
		node.name = fmt.Sprintf("%s, node %d", l.name, i+1)
		node.command = func(s *Server, dir string) []string {
			more := []string{
				"-name", name, "-setcookie", cookie, "-start_epmd", "false", "-erl_epmd_port", fmt.Sprint(ports[0]),
				"-kernel", "inet_dist_use_interface", fmt.Sprintf("{127,0,0,%d}", i+1),
			}
			if name != first {
				more = append(more, "-eval", "lists:member('"+first+"', mnesia:system_info(db_nodes)) orelse ejabberd_cluster:join('"+first+"').")
			}
			return append(ejabberdCommand(s, dir), more...)
		}
		if both[i], err = node.setUp(KindEjabberd24, t.TempDir(), nil, off...); err != nil {
			return both, err
		}
		t.Cleanup(both[i].Kill)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		nodes, err := both[1].ask(ctx, "list_cluster", map[string]string{})
		cancel()
		if err == nil && bytes.Count(nodes, []byte("ejabberd@")) == 2 {
			return both, both[1].ready(both[1].running)
		}
		if time.Now().After(deadline) {
			return both, fmt.Errorf("the nodes do not come together: %s %w\n%s", nodes, err, both[1].logTail(0))
		}
	}
}
