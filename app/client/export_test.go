package client

import "time"

// Huge says what is huge for the rest of a test.
func Huge(most, keeps int, after time.Duration) (restore func()) {
	oldMost, oldKeeps, oldAfter := hugeChat, hugeKeeps, tidyAfter
	hugeChat, hugeKeeps, tidyAfter = most, keeps, after
	return func() { hugeChat, hugeKeeps, tidyAfter = oldMost, oldKeeps, oldAfter }
}
