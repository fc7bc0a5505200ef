package client

import "time"

// Huge sets hugeChat, hugeKeeps and tidyAfter until restore is called.
func Huge(most, keeps int, after time.Duration) (restore func()) {
	oldMost, oldKeeps, oldAfter := hugeChat, hugeKeeps, tidyAfter
	hugeChat, hugeKeeps, tidyAfter = most, keeps, after
	return func() { hugeChat, hugeKeeps, tidyAfter = oldMost, oldKeeps, oldAfter }
}
