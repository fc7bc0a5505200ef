package creation_test

import (
	"testing"

	"natter/app/feature/creation"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, creation.New, rooms.New) }
