package nicks_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/nicks"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, nicks.New, rooms.New) }
