package avatars_test

import (
	"testing"

	"natter/app/feature/avatars"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, avatars.New, rooms.New) }
