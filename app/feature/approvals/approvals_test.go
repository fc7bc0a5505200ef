package approvals_test

import (
	"testing"

	"natter/app/feature/approvals"
	"natter/app/feature/featuretest"
	"natter/app/feature/rooms"
)

func TestStories(t *testing.T) { featuretest.Run(t, approvals.New, rooms.New) }
