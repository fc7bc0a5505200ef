package directory_test

import (
	"testing"

	"natter/app/feature/directory"
	"natter/app/feature/featuretest"
)

func TestStories(t *testing.T) { featuretest.Run(t, directory.New) }
