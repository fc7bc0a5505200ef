//go:build !js

package connect

import (
	"testing"

	"natter/app/xmpptest"
)

func runTests(m *testing.M) int { return xmpptest.Main(m) }
