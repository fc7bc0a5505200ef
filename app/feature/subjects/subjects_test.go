package subjects_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
	"natter/app/feature/subjects"
)

func TestStories(t *testing.T) { featuretest.Run(t, subjects.New, rooms.New) }
