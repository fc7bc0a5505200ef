package roster_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) { featuretest.Run(t, roster.New) }
