package chat_test

import (
	"testing"

	"natter/app/feature/bounces"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, chat.New, rooms.New, bounces.New) }
