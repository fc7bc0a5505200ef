package connect

import "testing"

func runTests(m *testing.M) int { return m.Run() }
