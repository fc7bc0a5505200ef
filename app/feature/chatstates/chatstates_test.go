package chatstates_test

import (
	"testing"

	"natter/app/feature/chatstates"
	"natter/app/feature/featuretest"
	"natter/app/feature/presence"
	"natter/app/feature/rooms"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, chatstates.New, roster.New, presence.New, rooms.New)
}
