package bookmarks_test

import (
	"testing"

	"natter/app/feature/bookmarks"
	"natter/app/feature/creation"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, bookmarks.New, rooms.New, creation.New) }
