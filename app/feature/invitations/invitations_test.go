package invitations_test

import (
	"testing"

	"natter/app/feature/chat"
	"natter/app/feature/featuretest"
	"natter/app/feature/invitations"
	"natter/app/feature/rooms"
	"natter/app/feature/roster"
)

func TestStories(t *testing.T) {
	featuretest.Run(t, invitations.New, roster.New, rooms.New, chat.New)
}
