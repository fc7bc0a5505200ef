package disco_test

import (
	"testing"

	"natter/app/feature/disco"
	"natter/app/feature/featuretest"
	"natter/app/feature/ping"
)

func TestStories(t *testing.T) { featuretest.Run(t, disco.New, ping.New) }
