package reactions_test

import (
	"testing"

	"natter/app/feature/archive"
	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/reactions"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, archive.New, carbons.New, chat.New, reactions.New)
}
