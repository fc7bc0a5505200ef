package version_test

import (
	"testing"

	"natter/app/feature/featuretest"
	"natter/app/feature/roster"
	"natter/app/feature/version"
)

func TestStories(t *testing.T) { featuretest.Run(t, version.New, roster.New) }
