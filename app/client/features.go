package client

import (
	"natter/app/feature"
	"natter/app/feature/approvals"
	"natter/app/feature/archive"
	"natter/app/feature/avatars"
	"natter/app/feature/bookmarks"
	"natter/app/feature/bounces"
	"natter/app/feature/carbons"
	"natter/app/feature/chat"
	"natter/app/feature/chatstates"
	"natter/app/feature/configuration"
	"natter/app/feature/corrections"
	"natter/app/feature/creation"
	"natter/app/feature/directory"
	"natter/app/feature/disco"
	"natter/app/feature/displayed"
	"natter/app/feature/invitations"
	"natter/app/feature/markers"
	"natter/app/feature/moderation"
	"natter/app/feature/nicks"
	"natter/app/feature/ping"
	"natter/app/feature/presence"
	"natter/app/feature/reactions"
	"natter/app/feature/receipts"
	"natter/app/feature/replies"
	"natter/app/feature/retractions"
	"natter/app/feature/rooms"
	"natter/app/feature/roster"
	"natter/app/feature/subjects"
	"natter/app/feature/version"
)

// All returns the features; there is no other list of them. Their requests leave in this order
// when a stream starts. The roster comes before presence, so that the state has the contacts when
// their presences arrive. The archive comes after presence. If it were asked first, a message that
// reaches the server between the two would be neither in its answer nor delivered: Prosody keeps no
// offline messages for a client that has asked the archive.
func All() []*feature.Feature {
	return []*feature.Feature{
		roster.New(),
		carbons.New(), // before the archive, so that no copy is missed between the two
		chat.New(),
		bounces.New(),
		receipts.New(),
		markers.New(),
		reactions.New(),
		chatstates.New(),
		replies.New(), // before corrections, which have no fallback for replies then
		corrections.New(),
		retractions.New(),
		disco.New(),
		ping.New(),
		version.New(),
		presence.New(),
		rooms.New(),
		subjects.New(),
		nicks.New(),
		moderation.New(),
		approvals.New(),
		creation.New(),
		configuration.New(),
		bookmarks.New(),
		displayed.New(),
		avatars.New(),
		directory.New(),
		invitations.New(),
		archive.New(),
	}
}
