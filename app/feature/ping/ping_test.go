package ping_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/ping"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) { featuretest.Run(t, ping.New, roster.New) }
