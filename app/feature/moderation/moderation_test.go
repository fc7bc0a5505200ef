package moderation_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/moderation"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, moderation.New, rooms.New) }
