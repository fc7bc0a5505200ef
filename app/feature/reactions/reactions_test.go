package reactions_test

import (
	"testing"

	"natter/app/feature/archive"
	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/corrections"
	"natter/app/feature/featuretest"
	"natter/app/feature/reactions"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, archive.New, carbons.New, rooms.New, chat.New, corrections.New, reactions.New)
}
