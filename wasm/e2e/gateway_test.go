//go:build linux

package e2e

import (
	"slices"
	"strings"
	"testing"

	"natter/app/xmpptest"
)

// Two natters are the WebSocket of a server that is reached by TCP alone. One is
// stopped: the page goes on through the other (V19, R01), and what is said is there
// once.
func TestV19_ThroughTheGateway(t *testing.T) {
	t.Parallel()
	xmpptest.All(t, func(t *testing.T, s *xmpptest.Server) {
		var addr [2]string
		for i := range addr {
			addr[i] = strings.Replace(xmpptest.FreeAddress(t), "127.0.0.1", "localhost", 1)
		}
		config := func(elsewhere ...string) string {
			return configFile(t, map[string]any{
				"domains": []map[string]any{{"name": s.Domain, "websocket": "/ws", "elsewhere": append([]string{}, elsewhere...), "backends": []map[string]any{{"address": s.TCP}}}},
				"gateway": map[string]any{"origins": []string{"http://" + addr[0], "http://" + addr[1]}, "drainSeconds": 1},
			})
		}
		first, stop := program(t, "-config", config("ws://"+addr[1]+"/ws"), "-addr", addr[0])
		second, _ := program(t, "-config", config(), "-addr", addr[1])
		ada, grace := s.Account(t, "", password), s.Account(t, "", password)
		a, g := visit(t, first), visit(t, second)
		a.signIn(string(ada), password)
		g.signIn(string(grace), password)
		a.in()
		g.in()
		a.startChat(string(grace))
		a.say("hello")
		g.chat(ada.Local())
		g.reads(ada.Local(), "hello")
		a.forgives(addr[0])
		stop()
		a.say("are you there?")
		g.reads(ada.Local(), "are you there?")
		g.say("yes")
		a.reads(grace.Local(), "yes")
		if want := []string{"hello", "are you there?", "yes"}; !slices.Equal(a.bodies(), want) || !slices.Equal(g.bodies(), want) {
			t.Errorf("%q and %q", a.bodies(), g.bodies())
		}
		if !a.asked("ws://" + addr[1]) {
			t.Error("the page did not go to the other place")
		}
	})
}
