package presence_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/presence"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) { featuretest.Run(t, presence.New, roster.New) }
