package view

import (
	"slices"
	"strings"

	"natter/app/jid"
	"natter/app/state"
)

// Command is the name of one thing the person can do. The page sends it in a Signal: as the
// data-do of what was clicked, the data-form of what was submitted, the data-input of what was
// typed into, or from web/natter.js itself. web/types.d.ts has the same list for the page.
type Command string

const (
	doAbout              Command = "about"
	doAccept             Command = "accept"
	doAdd                Command = "add"
	doApprove            Command = "approve"
	doDeny               Command = "deny"
	doAskVoice           Command = "ask-voice"
	doAskMembership      Command = "ask-membership"
	doAttention          Command = "attention" // the page got the focus or became visible
	doAway               Command = "away"      // the page was hidden or left
	doBack               Command = "back"      // the browser's Back
	doClose              Command = "close"
	doComplete           Command = "complete" // what stands before the caret of the composer
	doCompleteMove       Command = "complete-move"
	doCompleteTake       Command = "complete-take"
	doConfigure          Command = "configure"
	doCopy               Command = "copy"
	doCopyCode           Command = "copy-code"
	doCopyMessage        Command = "copy-message"
	doCopyOriginal       Command = "copy-original"
	doCopySelected       Command = "copy-selected"
	doDate               Command = "date"
	doDay                Command = "day" // a new day, or another time zone
	doDecline            Command = "decline"
	doDeclineAll         Command = "decline-all"
	doDeclining          Command = "declining"
	doDeed               Command = "deed"
	doDeleteMessage      Command = "delete-message"
	doDestroy            Command = "destroy"
	doDetails            Command = "details"
	doDiscreet           Command = "discreet"
	doDismiss            Command = "dismiss"
	doEdge               Command = "edge" // the log is near its top or bottom
	doEdit               Command = "edit"
	doEditLast           Command = "edit-last"
	doEmoji              Command = "emoji"
	doEmojiEnter         Command = "emoji-enter"
	doEmojiGroup         Command = "emoji-group"
	doEmojiText          Command = "emoji-text"
	doEmojiTone          Command = "emoji-tone"
	doEndSelection       Command = "end-selection"
	doFilter             Command = "filter"
	doGiveUp             Command = "give-up"
	doGivePassword       Command = "give-password"
	doGuest              Command = "guest"
	doGuestText          Command = "guest-text"
	doHeeded             Command = "heeded"
	doHit                Command = "hit"
	doAcceptRoom         Command = "accept-room"
	doAnswerRoom         Command = "answer-room"
	doCreateRoom         Command = "create-room"
	doDeclineRoom        Command = "decline-room"
	doDeclineStrangers   Command = "decline-strangers"
	doAddPerson          Command = "add-person"
	doPeople             Command = "people"
	doPeopleRows         Command = "people-rows"
	doReadPeople         Command = "read-people"
	doTakePerson         Command = "take-person"
	doBackToGroup        Command = "back-to-group"
	doGroup              Command = "group"
	doMakeGroup          Command = "make-group"
	doNameGroup          Command = "name-group"
	doInvitations        Command = "invitations"
	doInvite             Command = "invite"
	doJoin               Command = "join"
	doJoinRoom           Command = "join-room"
	doJoinSeen           Command = "join-seen"
	doJoinText           Command = "join-text"
	doKey                Command = "key"
	doLeave              Command = "leave"
	doLeaveRoom          Command = "leave-room"
	doLeaving            Command = "leaving"
	doLetBe              Command = "let-be"
	doLink               Command = "link"
	doListedRows         Command = "listed-rows"
	doLoadMissing        Command = "load-missing"
	doMemberMenu         Command = "member-menu"
	doMenu               Command = "menu"
	doMenuClosed         Command = "menu-closed"
	doMember             Command = "member"
	doMemberRows         Command = "member-rows"
	doModerate           Command = "moderate"
	doModerating         Command = "moderating"
	doMessage            Command = "message" // the text in the composer changed
	doMoreHits           Command = "more-hits"
	doNew                Command = "new"
	doNewest             Command = "newest"
	doNick               Command = "nick"
	doNotices            Command = "notices"
	doNotify             Command = "notify"
	doOpen               Command = "open"
	doOriginal           Command = "original"
	doPassword           Command = "password"
	doPick               Command = "pick"
	doPresence           Command = "presence"
	doQuote              Command = "quote"
	doProfile            Command = "profile"
	doRegister           Command = "register"
	doSetRegister        Command = "set-register"
	doUnregister         Command = "unregister"
	doReact              Command = "react"
	doReconnect          Command = "reconnect"
	doRejoin             Command = "rejoin"
	doReload             Command = "reload" // the page does it
	doRemove             Command = "remove"
	doRemoving           Command = "removing"
	doRename             Command = "rename"
	doReply              Command = "reply"
	doRequests           Command = "requests"
	doRetract            Command = "retract"
	doRetractAll         Command = "retract-all"
	doRetracting         Command = "retracting"
	doRetractingSelected Command = "retracting-selected"
	doRetryMessage       Command = "retry-message"
	doRetryOlder         Command = "retry-older"
	doReturn             Command = "return"
	doRows               Command = "rows" // the list was scrolled
	doSayAgain           Command = "say-again"
	doSelect             Command = "select"
	doSend               Command = "send"
	doSendButton         Command = "send-button" // the page does it, with doSend
	doSendText           Command = "send-text"   // the page does it, with doSend
	doSetConfiguration   Command = "set-configuration"
	doSetDeed            Command = "set-deed"
	doSetDestroy         Command = "set-destroy"
	doSetGuests          Command = "set-guests"
	doSetNick            Command = "set-nick"
	doSetSubject         Command = "set-subject"
	doSignInAgain        Command = "sign-in-again"
	doSignOut            Command = "sign-out"
	doSomebodyElse       Command = "somebody-else"
	doStart              Command = "start"
	doPicture            Command = "picture"
	doSubject            Command = "subject"
	doSwitch             Command = "switch"
	doSwitchMove         Command = "switch-move"
	doSwitchText         Command = "switch-text"
	doTheme              Command = "theme"
	doToDate             Command = "to-date"
	doToggle             Command = "toggle"
	doTurn               Command = "turn"
	doUnaim              Command = "unaim"
	doUnfold             Command = "unfold"
)

// ofPage are the commands that web/natter.js carries out itself.
var ofPage = []Command{doReload, doSendButton, doSendText}

// commands has what each Command does. Every command that is drawn is in here or in ofPage.
var commands map[Command]func(*desk, Signal)

func init() {
	commands = map[Command]func(*desk, Signal){
		// The open conversation.
		doSend:          (*desk).sendSignal,
		doMessage:       (*desk).messageTyped,
		doRetryMessage:  func(d *desk, sig Signal) { d.model.Do(state.RetryMessage{Conv: d.open, ID: sig.Text}); d.answered() },
		doDeleteMessage: func(d *desk, sig Signal) { d.model.Do(state.DeleteMessage{Conv: d.open, ID: sig.Text}); d.answered() },
		doRetryOlder:    func(d *desk, _ Signal) { d.model.Do(state.LoadOlder{Conv: d.open}) },
		doLoadMissing:   func(d *desk, sig Signal) { d.model.Do(state.LoadMissing{Conv: d.open, After: sig.Text}) },
		doUnfold:        func(d *desk, sig Signal) { d.showMore(sig.Text) },
		doEdge:          func(d *desk, sig Signal) { d.edge(sig.Text, sig.On) },
		doNewest:        (*desk).showNewest,
		doLink:          func(d *desk, sig Signal) { d.openLink(sig.Text) },
		doCopy:          func(d *desk, sig Signal) { d.platform.Copy(sig.Text) },
		doCopyCode:      (*desk).copyCode,
		doDetails:       func(d *desk, _ Signal) { d.details = !d.details; d.rev++ },

		// Emoji.
		doEmoji:        func(d *desk, sig Signal) { d.openEmoji(sig.Text) },
		doEmojiText:    func(d *desk, sig Signal) { d.dialog.text = sig.Text; d.rev++ },
		doEmojiEnter:   (*desk).pickFirst,
		doEmojiGroup:   func(d *desk, sig Signal) { d.dialog.group = sig.Number; d.rev++ },
		doEmojiTone:    func(d *desk, sig Signal) { d.setTone(sig.Number) },
		doPick:         func(d *desk, sig Signal) { d.pick(sig.Text) },
		doComplete:     func(d *desk, sig Signal) { d.complete(sig.Text) },
		doCompleteMove: func(d *desk, sig Signal) { d.moveCompletion(sig.Number) },
		doCompleteTake: func(d *desk, sig Signal) { d.takeCompletion(sig.Number) },

		// A message.
		doMenu:         (*desk).openMenu,
		doMenuClosed:   (*desk).closeMenu,
		doReact:        on((*desk).askEmoji),
		doToggle:       (*desk).toggle,
		doCopyMessage:  on((*desk).copyMessage),
		doAbout:        on((*desk).aboutMessage),
		doOriginal:     on((*desk).readOriginal),
		doCopyOriginal: (*desk).copyOriginal,
		doReply:        (*desk).replySignal,
		doEdit:         on((*desk).edit),
		doEditLast:     (*desk).editLast,
		doUnaim:        (*desk).unaim,
		doRetracting:   on((*desk).askRetract),
		doRetract:      on((*desk).retract),
		doModerating:   on((*desk).askModerate),
		doModerate:     (*desk).moderate,

		// Several messages.
		doSelect:             on((*desk).selectMessage),
		doEndSelection:       func(d *desk, _ Signal) { d.endSelection() },
		doCopySelected:       (*desk).copySelected,
		doRetractingSelected: (*desk).askSignal,
		doRetractAll:         (*desk).retractSelected,

		// Going to a message, or to a day.
		doSayAgain: on((*desk).sayAgain),
		doLetBe:    on((*desk).letBe),
		doQuote:    on((*desk).toQuoted),
		doReturn:   (*desk).goBack,
		doGiveUp:   func(d *desk, _ Signal) { d.endQuest(); d.answered() },
		doDate:     (*desk).askDate,
		doToDate:   (*desk).toDate,

		// The list, and the way between panes.
		doOpen:     func(d *desk, sig Signal) { d.show(sig.Conv) },
		doLeave:    (*desk).leavePane,
		doBack:     (*desk).wentBack,
		doRows:     func(d *desk, sig Signal) { d.firstRow = sig.Number; d.rev++ },
		doFilter:   func(d *desk, sig Signal) { d.filtered(sig.Text) },
		doHit:      func(d *desk, sig Signal) { d.openHit(sig.Conv, sig.Text, sig.Number) },
		doMoreHits: func(d *desk, _ Signal) { d.look(d.search.limit + hitsAtOnce) },
		doKey:      func(d *desk, sig Signal) { d.key(sig.Text, sig.Also) },

		// The page.
		doAttention: func(d *desk, _ Signal) { d.read() },
		doAway:      func(d *desk, _ Signal) { d.keep() },
		doDay:       func(d *desk, _ Signal) { d.newDay() },

		// The person's own presence and settings.
		doReconnect: func(d *desk, _ Signal) { d.model.Do(state.Reconnect{}) },
		doPresence: func(d *desk, sig Signal) {
			d.model.Do(state.SetPresence{Presence: state.Presence{Show: state.Show(sig.Text), Status: d.s.OwnPresence.Status}})
		},
		doDiscreet: func(d *desk, sig Signal) { d.model.Do(state.SetDiscreet{On: sig.Text == "on"}) },
		doTheme:    func(d *desk, sig Signal) { d.platform.SetTheme(sig.Text); d.rev++ },
		doNotify: func(d *desk, sig Signal) {
			d.model.Do(state.SetNotify{Room: d.open.JID(), Notify: state.Notify(sig.Text)})
		},
		doNotices: func(d *desk, sig Signal) { d.platform.SetNotices(sig.Text); d.rev++ },

		// Contacts.
		doAccept: func(d *desk, sig Signal) {
			d.answer(state.AcceptContact{JID: sig.JID}, sig.JID)
		},
		doDecline: func(d *desk, sig Signal) {
			d.answer(state.DeclineContacts{JIDs: []jid.JID{sig.JID}}, sig.JID)
		},
		doDismiss: (*desk).dismiss,
		doAdd:     func(d *desk, sig Signal) { d.model.Do(state.AddContact{JID: sig.JID}) },
		doRename:  func(d *desk, sig Signal) { d.model.Do(state.RenameContact{JID: sig.JID, Name: sig.Text}) },

		// Rooms.
		doJoinRoom:   func(d *desk, _ Signal) { d.askRoom("") },
		doAnswerRoom: func(d *desk, sig Signal) { d.askRoom(string(sig.JID)); d.dialog.peer = sig.JID },
		doJoin:       func(d *desk, sig Signal) { d.join(sig); d.rev++ },
		doRejoin:     func(d *desk, sig Signal) { d.enter(state.JoinRoom{Room: sig.JID}) },
		doCreateRoom: func(d *desk, sig Signal) { d.enter(state.JoinRoom{Room: sig.JID, Create: true, Seen: true}) },
		doJoinSeen: func(d *desk, sig Signal) {
			d.dialog.seen = sig.JID
			d.enter(state.JoinRoom{Room: sig.JID, Seen: true})
		},
		doApprove:          answerAppeal(true),
		doDeny:             answerAppeal(false),
		doAskVoice:         func(d *desk, sig Signal) { d.model.Do(state.AskVoice{Room: sig.JID}); d.rev++ },
		doAskMembership:    func(d *desk, sig Signal) { d.model.Do(state.AskMembership{Room: sig.JID}); d.rev++ },
		doLeaveRoom:        (*desk).leaveRoom,
		doJoinText:         func(d *desk, sig Signal) { d.dialog.typed, d.dialog.first = sig.Text, 0; d.rev++ },
		doListedRows:       func(d *desk, sig Signal) { d.dialog.first = sig.Number; d.rev++ },
		doGroup:            (*desk).askGroup,
		doBackToGroup:      (*desk).backToGroup,
		doPeople:           (*desk).askPeople,
		doReadPeople:       (*desk).readPeople,
		doPeopleRows:       func(d *desk, sig Signal) { d.dialog.first = sig.Number; d.rev++ },
		doAddPerson:        (*desk).addPerson,
		doTakePerson:       (*desk).takePerson,
		doNameGroup:        (*desk).nameGroup,
		doMakeGroup:        (*desk).makeGroup,
		doInvitations:      (*desk).askSignal,
		doAcceptRoom:       (*desk).accept,
		doDeclineRoom:      func(d *desk, sig Signal) { d.model.Do(state.DeclineInvitations{Rooms: []jid.JID{sig.JID}}); d.rev++ },
		doDeclineStrangers: (*desk).declineStrangers,
		doMember:           func(d *desk, sig Signal) { d.members.look(sig.Text); d.rev++ },
		doMemberRows:       func(d *desk, sig Signal) { d.members.first = sig.Number; d.rev++ },
		doPicture:          func(d *desk, sig Signal) { d.model.Do(state.ChangePicture{Room: sig.JID, URL: sig.Text}) },
		doSubject:          inside("subject"),
		doSetSubject:       (*desk).setSubject,
		doNick:             inside("nick"),
		doSetNick:          (*desk).setNick,
		doRegister:         (*desk).askRegister,
		doSetRegister:      (*desk).setRegister,
		doUnregister:       func(d *desk, sig Signal) { d.want(state.Registration, state.RegisterNick{Room: sig.JID}) },
		doInvite:           inside("guest"),
		doGuest:            (*desk).guest,
		doGuestText:        func(d *desk, sig Signal) { d.dialog.typed = sig.Text; d.rev++ },
		doSetGuests:        (*desk).setGuests,
		doMemberMenu:       func(d *desk, sig Signal) { d.members.menu = sig.Text; d.rev++ },
		doDeed:             (*desk).askDeed,
		doProfile:          (*desk).profile,
		doSetDeed:          (*desk).setDeed,
		doConfigure:        (*desk).askConfigure,
		doSetConfiguration: (*desk).setConfiguration,
		doDestroy:          inside("why"),
		doSetDestroy: func(d *desk, sig Signal) {
			d.want(state.Destruction, state.DestroyRoom{Room: sig.JID, Reason: strings.TrimSpace(sig.Text)})
		},
		doHeeded: (*desk).heeded,

		// Dialogs.
		doNew:          (*desk).askSignal,
		doLeaving:      (*desk).askSignal,
		doRemoving:     (*desk).askSignal,
		doRequests:     (*desk).askSignal,
		doDeclining:    (*desk).askSignal,
		doSomebodyElse: (*desk).askSignal,
		doPassword:     (*desk).askSignal,
		doClose:        (*desk).close,
		doTurn:         (*desk).turnPage,
		doDeclineAll:   (*desk).declineAll,
		doStart:        func(d *desk, sig Signal) { d.start(sig); d.rev++ },
		doSwitchText:   func(d *desk, sig Signal) { d.dialog.text, d.dialog.chosen = sig.Text, 0; d.rev++ },
		doSwitchMove:   (*desk).moveSwitcher,
		doSwitch:       (*desk).switchTo,
		doRemove:       (*desk).remove,
		doGivePassword: (*desk).givePassword,
		doSignInAgain:  func(d *desk, _ Signal) { d.keep(); d.dialog = dialog{}; d.rev++; d.model.Do(state.SignInAgain{}) },
		doSignOut:      func(d *desk, _ Signal) { d.dialog = dialog{}; d.rev++; d.model.Do(state.SignOut{}) },
	}
}

// happened carries out what the person did.
func (d *desk) happened(sig Signal) {
	if f := commands[sig.Do]; f != nil {
		f(d, sig)
	} else if !slices.Contains(ofPage, sig.Do) {
		d.platform.Log("unknown command: " + string(sig.Do))
	}
	d.looks()
}
