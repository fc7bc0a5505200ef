package displayed_test

import (
	"testing"

	"natter/app/feature/chat"
	"natter/app/feature/displayed"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, displayed.New, chat.New, rooms.New) }
