package carbons_test

import (
	"testing"

	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/receipts"
)

func TestStories(t *testing.T) { featuretest.Run(t, carbons.New, chat.New, receipts.New) }
