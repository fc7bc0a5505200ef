package chat_test

import (
	"testing"

	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
)

func TestStories(t *testing.T) { featuretest.Run(t, chat.New) }
