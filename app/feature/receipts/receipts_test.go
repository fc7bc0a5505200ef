package receipts_test

import (
	"testing"

	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/receipts"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) { featuretest.Run(t, receipts.New, roster.New, chat.New) }
