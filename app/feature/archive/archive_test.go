package archive_test

import (
	"testing"

	"natter/app/feature/archive"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/receipts"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, archive.New, rooms.New, chat.New, receipts.New) }
