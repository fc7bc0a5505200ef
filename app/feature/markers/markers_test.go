package markers_test

import (
	"testing"

	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/markers"
	"natter/app/feature/rooms"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, markers.New, roster.New, carbons.New, chat.New, rooms.New)
}
