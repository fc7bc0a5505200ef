//go:build linux

package xmpptest

import "testing"

// An account of one node signs in at the other.
func TestCluster(t *testing.T) {
	both := Cluster(t)
	account := both[0].Account(t, "", "pw")
	for _, s := range both {
		if _, ok := signIn(t, s, s.WS, account, "pw"); !ok {
			t.Errorf("%s does not know %s", s.Name, account)
		}
	}
}
