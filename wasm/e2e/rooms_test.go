//go:build linux

package e2e

import "testing"

// joins enters a room by its address.
func (p *person) joins(address string) {
	p.t.Helper()
	p.press("Join a room")
	p.fill("Room address", address)
	p.press("Join")
}

// Two people meet in a room of the trial server; one comes back to it after a reload, and the room
// has what was said.
func TestRoom(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), true)
	ada.joins("nowhere@rooms.localhost")
	ada.find("alert", "There is no room at this address. Check the address, or create the room.")
	t.Log("a redraw may make a button another one while it is clicked")
	ada.eval(`() => {
		addEventListener("click", (event) => { event.target.closest("button").type = "submit" }, { once: true });
		document.addEventListener("submit", () => { window.submitted = true }, true);
	}`)
	ada.press("Create room")
	ada.find("log", "nowhere")
	if ada.eval(`() => window.submitted === true`).Bool() {
		t.Error("a click on Create room has also submitted the form: the room is joined once more, and not created")
	}
	ada.press("Details")
	ada.press("Leave room")
	ada.gone("button", "nowhere, Room.…")
	t.Log("both have the lounge among their bookmarks")
	ada.chat("Lounge")
	grace.joins("lounge@rooms.localhost")
	grace.find("log", "Lounge")
	ada.say("good day, all")
	ada.reads("You", "good day, all")
	ada.marked("Sent")
	grace.reads("ada", "good day, all")
	grace.say("and to you")
	ada.reads("grace", "and to you")

	ada.reload()
	ada.in()
	ada.reads("grace", "and to you")
	grace.say("welcome back")
	ada.reads("grace", "welcome back")
	ada.say("thank you")
	grace.reads("ada", "thank you")

	ada.press("Details")
	ada.press("Leave room")
	ada.gone("button", "Lounge, Room.…")
	// Twin: whoever has left can come back, and finds what was said meanwhile.
	grace.say("too bad")
	ada.joins("lounge@rooms.localhost")
	ada.reads("grace", "too bad")
}

// A room that was made in one browser is entered in the other, and left in both.
func TestRoom_OfTwoDevices(t *testing.T) {
	t.Parallel()
	address := natter(t)
	here, there := visit(t, address), visit(t, address)
	for _, p := range []*person{here, there} {
		p.signIn("ada@localhost", "analytical")
		p.in()
		p.find("button", "Lounge, Room.…")
	}
	here.joins("club@rooms.localhost")
	here.press("Create room")
	here.find("log", "club")
	there.chat("club")
	there.say("I am here too")
	here.reads("You", "I am here too")
	there.press("Details")
	there.press("Leave room")
	here.gone("button", "club, Room.…")
	there.gone("button", "club, Room.…")
}

// What is said to one occupant alone is a conversation of its own, on both sides; it goes on after a
// reload, and ends with a word when the other has left the room. What counts of a room is what was chosen.
func TestRoom_Aside(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), true)
	grace.chat("Lounge")
	ada.chat("Lounge")
	ada.press("Details")
	ada.press("More about grace")
	ada.press("Write to grace alone")
	ada.find("log", "grace (Lounge)")
	ada.say("psst")
	ada.marked("Sent")
	grace.chat("ada (Lounge)")
	grace.reads("ada", "psst")
	grace.say("yes?")
	ada.reads("grace", "yes?")

	t.Log("ada has the private conversation open; what is said to all is not counted unless it names her")
	grace.chat("Lounge")
	grace.say("good day, all")
	ada.find("img", "Unread")
	grace.say("and to Ada most")
	ada.find("button", "Lounge, Room.…1 for you, 2 unread")
	ada.chat("Lounge")
	ada.gone("img", "Unread")
	ada.press("Details")
	ada.press("All messages")
	ada.chat("grace (Lounge)")
	grace.say("one more")
	ada.find("button", "Lounge, Room.…1 unread")

	ada.reload()
	ada.in()
	ada.reads("grace", "yes?")
	ada.find("button", "Lounge, Room.…1 unread")
	grace.press("Details")
	grace.press("Leave room")
	ada.find("status", "grace is not in Lounge now. You can write here when they are back.")
	grace.joins("lounge@rooms.localhost")
	ada.gone("status", "grace is not in Lounge now. You can write here when they are back.")
	ada.say("there you are")
	grace.find("button", "ada (Lounge)…")
}

// command carries out a command of the composer.
func (p *person) command(text string) {
	p.t.Helper()
	p.fill("Message", text)
	p.press("Send")
}

// Whoever makes a room says what it is about, invites, is called otherwise, and has somebody leave who reads
// why.
func TestRoom_Inside(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), false)
	ada.joins("tea@rooms.localhost")
	ada.press("Create room")
	ada.find("log", "tea")

	ada.press("Details")
	ada.press("Invite")
	ada.fill("Name or address", "grace@localhost")
	ada.press("Send invitation")
	grace.press("Invitations to rooms…")
	grace.press("Join tea@rooms.localhost")
	grace.find("log", "tea")

	ada.press("Change subject")
	ada.fill("Subject", "Green or black?")
	ada.press("Change")
	grace.until(`() => document.querySelector(".chat-now").textContent.includes("Green or black?")`)

	t.Log("what a moderator removes is gone for both")
	grace.say("buy my potions")
	grace.say("good day")
	ada.reads("grace", "good day")
	ada.menu("buy my potions")
	ada.click("menuitem", "Remove")
	ada.find("dialog", "Remove this message for everyone?")
	ada.fill("Reason (optional)", "no magic")
	ada.shot("trial", "room-remove")
	ada.press("Remove")
	for _, p := range []*person{ada, grace} {
		p.until(`() => { const all = document.querySelector("#log").textContent; return all.includes("Message removed by a moderator: no magic") && !all.includes("potions") }`)
	}
	ada.shot("trial", "room-removed")
	ada.say("welcome")
	grace.menu("welcome")
	same(t, "who is no moderator is offered", grace.offers(), []string{"Reply", "React", "Copy", "Select", "Details"})
	grace.keys(escape)
	grace.gone("menu", "")

	grace.command("/nick ada")
	grace.find("alert", "Your nickname was not changed.…")
	grace.press("Dismiss")
	grace.command("/nick hopper")
	ada.press("More about hopper")
	ada.press("Kick")
	ada.fill("Reason (optional)", "the tea is cold")
	ada.press("Kick")
	grace.find("alert", "You were removed from this room.…")
	grace.press("Join again")
	ada.say("welcome back")
	grace.reads("ada", "welcome back")
}

// A group is made with a name and people: who is invited enters it, and is its member.
func TestRoom_Group(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), false)
	ada.press("New chat")
	ada.press("New group")
	ada.press("Next")
	ada.find("alert", "Enter a name for the group.")
	ada.fill("Name of the group", "Thursday tea")
	ada.press("Next")
	ada.fill("Name or address", "grace@localhost")
	ada.press("Grace grace@localhost")
	ada.press("Create group")
	ada.find("log", "Thursday tea")
	ada.say("welcome")

	grace.press("Invitations to rooms…")
	grace.press("Join …@rooms.localhost")
	grace.press("Join anyway")
	grace.find("log", "Thursday tea")
	grace.reads("ada", "welcome")
	grace.say("thank you")
	ada.reads("grace", "thank you")
	ada.press("Details")
	ada.until(`() => document.querySelector("[aria-label=Members]").textContent.includes("member")`)
	ada.say("green or black?")
	grace.reads("ada", "green or black?")
	ada.until(`() => [...document.querySelectorAll(".read-by")].some((e) => e.textContent === "Read by grace")`)

	t.Log("who is no member any more leaves, and can be made one again")
	ada.press("Members, admins and bans")
	ada.press("Take membership away: Grace")
	grace.find("alert", "Only members may be in this room now.…")
	grace.shot("trial", "room-members-only")
	grace.press("Ask to become a member")
	grace.find("alert", "You have asked to become a member of this room.…")
	grace.shot("trial", "room-asked")
	ada.find("status", "This room has no members.")
	ada.press("Close")
	ada.find("status", "grace asks to become a member.…")
	ada.shot("trial", "room-approve")
	ada.press("Approve")
	ada.gone("button", "Approve")
	ada.press("Members, admins and bans")
	ada.find("button", "Take membership away: Grace")
	grace.press("Join again")
	grace.say("here once more")
	ada.reads("grace", "here once more")
	ada.press("Take membership away: Grace")
	grace.find("alert", "Only members may be in this room now.…")
	ada.find("status", "This room has no members.")
	ada.fill("Address", "grace@localhost")
	ada.press("Make member")
	ada.find("button", "Take membership away: Grace")
	grace.press("Join again")
	ada.press("Close")
	ada.say("welcome back")
	grace.reads("ada", "welcome back")
}

// An owner chooses a picture for a room: a file becomes a small square, which everybody there sees, and which
// is there after a reload. A file that is no picture is refused in words.
func TestRoom_Picture(t *testing.T) {
	t.Parallel()
	ada, grace := bothIn(t, natter(t), true)
	ada.joins("garden@rooms.localhost")
	ada.press("Create room")
	ada.find("log", "garden")
	ada.say("welcome")
	grace.joins("garden@rooms.localhost")
	grace.find("log", "garden")
	ada.press("Details")
	file, err := ada.page.Timeout(patience).Element("#picture")
	ada.must(err)
	ada.must(file.SetFiles([]string{"rooms_test.go"}))
	ada.find("alert", "The picture was not changed.…")
	ada.must(file.SetFiles([]string{"../../web/icons/icon-192.png"}))
	const pictured = `(n) => {
		const all = [...document.querySelectorAll(".avatar-picture")];
		return all.length === n && all.every((p) => p.complete && p.naturalWidth === 96 && p.naturalHeight === 96);
	}`
	ada.until(pictured, 3) // in the list, the head and the details
	grace.until(pictured, 2)
	ada.until(`() => document.documentElement.scrollHeight === innerHeight`) // the page itself never scrolls
	ada.shot("trial", "room-picture")
	ada.reload()
	ada.find("log", "garden")
	ada.until(pictured, 2)
	ada.press("Details")
	ada.press("Remove picture")
	grace.until(pictured, 0)
}
