package bounces_test

import (
	"testing"

	"natter/app/feature/bounces"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
)

func TestStories(t *testing.T) { featuretest.Run(t, bounces.New, chat.New) }
