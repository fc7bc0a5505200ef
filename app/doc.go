// Package app holds nothing itself: this is the map of what is below it and around
// it. It is true at every commit; deps_test.go checks the arrows.
//
//	framing/            one WebSocket message = one element (RFC 7395, XEP-0468): parser,
//	                    writer, open and close, Conn over a Socket; StreamReader for TCP (RFC 6120)
//	  native/           the Socket of everything but a page, by coder/websocket
//	  sockettest/       what every Socket must do, as a test
//	app/
//	  jid/              addresses: strict for what is typed, lenient for what arrives
//	  legible/          what strangers wrote, safe to show
//	  text/             what a body says: blocks, spans, links
//	  steps/            counts the work on what strangers wrote, for tests that bound it
//	  state/            the shared language: State, Event, Intent, Row; pure functions;
//	                    plan.go plans how an archive is read: catchup.go what is new, fill.go a gap,
//	                    review.go what is filed late, or was lost with a resume; place.go gives the
//	                    messages their places in timeline.go; coverage.go knows which parts of an
//	                    archive are in the store, span.go which messages of a conversation are in memory
//	    tree/           ordered maps that never change, and the differences between two of them
//	  connect/          from an address to a bound stream: discover, dial, redirect, negotiate
//	    discover/       from a domain to WebSocket endpoints (host-meta)
//	      httpfetch/    fetches host-meta, everywhere but in a page
//	    sasl/           SCRAM, PLAIN, ANONYMOUS; both sides of SCRAM
//	  stream/           a bound stream that survives its sockets: IQ, Stream Management, reconnect
//	  feature/          what a feature is; one folder for each, with its stories in testdata
//	    featuretest/    plays the stories: XML in, XML out, what it meant
//	  store/            keeps rows longer than the page lives: reads and commits them; for tests,
//	                    also a Store in memory
//	    storetest/      what every Store must do, as a test
//	  client/           the loop that owns the state; features.go is the only list of features;
//	                    keep.go opens the store and keeps the credential, commit.go writes;
//	                    tabs.go says which tab leads, message.go what tabs tell each other;
//	                    search.go finds messages, disk.go reads those that are not in memory,
//	                    prune.go deletes old messages from a full device, gone.go fills a new store
//	                    after the browser deleted the old one, poison.go leaves out a stanza that
//	                    has crashed the program
//	  view/             go-app components: State in, Intent out
//	    stories/        the states that the gallery draws
//	  xmpptest/         scripted peer, real Prosody and ejabberd
//	    conformance/    which test shows which rule
//	    interop/        other libraries against ours
//	    chaos/          breaks networks, pages and servers, and counts messages
//	wasm/               the page's main: wires client and view to the browser
//	  browser/          the only syscall/js: socket, fetch, WebCrypto, tabs, the page's life and form
//	  e2e/              drives a real Chromium against the real binary and real servers
//	    bench/          measures what a person feels (make bench/page)
//	    chrome/         starts Chromium, serves it small pages, or the program
//	    firefox/        does in a real Firefox what people do first
//	    gallery/        opens every story of the view, wide and narrow, light and dark; page/ draws one
//	    storetest/      the contract of a Store on the real IndexedDB
//	    vaulttest/      what the vault leaves behind; page/ gives the vault to the test
//	    workertest/     updates, older builds and the kill switch
//	web/                the page: form, styles, worker, manifest; embeds what build has made
//	  bundle/ icons/    what build has made (not in git), and the icons
//	  emoji/            the list of emoji, and what makes it
//	  build/ size/      make the bundle, and find the lines of a crash in it; say what it weighs
//	server/             the natter command
//	  config/           its configuration file, and the JSON Schema of it
//	  cert/             certificates: from files, by ACME
//	  front/            before all handlers: limits, ids, log, metrics, health
//	  gateway/          connects WebSocket clients to servers that speak TCP, and those servers to
//	                    each other (XEP-0468, federation.go); redirects clients
//	  site/             serves the bundle: headers, config.json, host-meta
//	  trial/            a small XMPP server in memory
//	  doctor/           tries each step of a connection to a domain, and says what to change
//	  deploy/           examples: systemd, container, proxies, Grafana; explained in doc/hosting.md
//	                    and doc/scale.md
//	  bench/            the page and the gateway beside others (make bench-server)
//	  dnstest/          a name server for tests
//	doc/ .ci/           pages to read; how a new machine gets what the tests need, and runs them
//
// Imports. An arrow goes from a package to one that it imports:
//
//	connect ◀── stream ◀── client ──▶ feature/*, store  view ──▶ go-app, text
//	   │          │                       │              │
//	   ▼          ▼                       ▼              ▼
//	framing ◀─────┴───────────────────────┘──────────▶ state ──▶ jid, legible ──▶ steps
//	                                                   text ──▶ jid, legible
//
//	wasm ──▶ client, connect, view, wasm/browser       server ──▶ framing, connect, web
//	wasm/browser implements small interfaces that the others declare
//	features import stream too, for its errors; most packages import jid
//
// A stanza that arrives:
//
//	framing.Parse     strict and bounded, once; a parsed stanza is never serialised and parsed again
//	stream            numbers it, matches replies by id and sender
//	client.receive    on the loop: who sent it, and in which conversation? From here on no mutex
//	feature.First     is it a message of its own, or does it say something about another one?
//	a feature         what does it mean? Emit(state.Event)
//	State.With        makes a new State; published ones never change
//	client.commit     begins to write it to the store; when it is written, stream.Commit
//	                  acknowledges it to the server
//	client.publish    the view redraws, at most once a frame, and does not wait for the store
//
// A message that leaves:
//
//	view              Do(state.SendMessage)
//	feature/chat      Emit(MessageAdded, queued): on screen at once
//	features          Decorate: each adds its payload
//	stream.Send       serialises it, once (framing.Element.String), and gives it its number
//	client.commit     writes it to the disk, in the outbox, before it is sent
//	stream.Commit     writes it to the socket; if the socket is lost, writes it again to the next
//
// Nothing on these two ways waits for the network; the loop waits for the store only where it has to
// read an old message. A later feature may have to wait for keys or for an upload. It should wait
// before client.receive, or between Decorate and the outbox, in one queue for each conversation: then
// messages stay in order, and no other conversation waits. The changes that the feature makes belong
// in the same commit as the message.
//
// Several tabs of one browser:
//
//	one leads         it holds the socket and a Web Lock, and commits
//	State.Changes     after each commit the leader sends the rows that have changed to the other tabs,
//	                  its mirrors, together with State.Moments, the rows that are never stored
//	Client.Do         a mirror sends the intent to the leader until the leader confirms it;
//	                  it shows state.Shown at once, and runs no feature
//	the leader dies   the next tab gets the lock, opens the store and resumes the stream
//	signing out       is noted on the disk first; if this tab dies, the next leader does it
//
// All that is kept has one format:
//
//	state.Value       a struct that is its own row: the disk and other tabs read its fields by
//	                  their tags
//	State.Changes     the rows that differ between two states: tree.Diff skips what the two
//	                  share, so no map has to record its changes
//	state.Applied     puts rows into the state: at a start, in a mirror, at a take-over
//	store.Store       commits rows; IndexedDB takes the key of a row from its fields
//
// A new build reads the rows of all builds before it, so fields keep their names and meanings, and
// a step of the schema only adds. An older build does not open a newer database. For the same
// reason MessageRow, ChatRow and CoverageRow are structs of their own: their times are in µs,
// a delivery is a word, and they have the fields that an index needs.
//
// A fact says something about a message (state/fact.go): it was received, read, sent back, or
// corrected; somebody reacts to it; it answers another one. A feature emits a fact with the
// author and id of the message. Message.With says what the fact changes, and whether its sender may
// say it. If the message is in memory, it has the fact at once. Else the fact waits in the row of
// the message, or in a table of facts if the store has no such message, and comes into memory
// together with it. So no message has to be searched for, and the order of arrival does not matter.
//
// Memory has the end of each conversation, and the messages around the place where the person
// looks (state.Look). A jump to a message or a day reads only the messages around it. If they are not on
// the disk, the archive is asked for them (state.Seek), which leaves gaps on both sides. Messages that
// are far from where the person looks leave memory (state.Released). Between two such spans is a hole;
// nothing on one side of a hole is taken for the neighbour of what is on the other side.
//
// A change touches:
//
//	what stanzas say          one folder in app/feature and a line in client/features.go
//	what they say of messages the same, and a kind of fact in state/fact.go
//	… and a person sees it    a word in state and a drawing in view as well
//	what a person wants       a type in state with its trait (intent.go, roomintent.go) and its line in
//	                          intents, and Do in the folder
//	what is kept              a struct in state with its line in kept (row.go), and a step in web/store.js
//	… that older builds miss  generation in state/coverage.go goes up: archives are read again
//	how we log in             app/connect
//	how a stream lives on     app/stream
//	what a frame is           framing
//
// doc/rules.md lists the rules that tests name as Sec… and Promise…; doc/tabs.md has the states and
// messages of tabs, with a diagram.
//
// One word, one meaning:
//
//	acknowledge   to tell the server that we have handled its stanzas; or it tells us (XEP-0198)
//	appeal        what somebody asks of a room, and the person is to decide
//	archive       the messages that a server or a room stores (XEP-0313)
//	carbon        a copy of a message of another client of the account (XEP-0280)
//	catch-up      reading an archive from where we were to its end
//	commit        to write rows to the store in one transaction, all or nothing
//	confirm       to tell a mirror that its request is committed
//	conversation  the messages with a contact or a stranger, in a room, or with one occupant of it; a
//	              ConvID names it, in the page too (data-conv), and only app/state knows its format
//	coverage      the parts of an archive that are in the store
//	credential    a token or keys that sign in without the password
//	event         something that happened; it changes the state
//	fact          what somebody says about a message: that they have it, react to it, take it back
//	feature       one extension (XEP), one folder
//	gap           where the archive may have messages that are not in the store
//	group         a room that a person makes for those whom they choose alone
//	hole          where the store may have messages of a conversation that are not in memory
//	intent        something that the person wants
//	lead          to hold the stream and to commit, for all tabs of an account
//	live          said of a stanza that comes by itself, and not because an archive was asked
//	mirror        a tab that does not lead, and shows the state of the one that does
//	occupant      somebody who is in a room now, under a nick (XEP-0045)
//	outbox        messages of ours that the server does not have yet
//	page          one answer of an archive (XEP-0059), where an archive is the subject; else the
//	              web page
//	peer          the other one in a conversation of two
//	person        the one who uses this client; others are contacts, occupants, strangers
//	place         where a message stands in its conversation: a state.Key
//	prune         to delete old messages from a full device
//	request       an IQ that needs an answer; between tabs, an intent with a number
//	resume        to go on with a stream over a new socket or in a new page (XEP-0198)
//	retry         to do the same once more after a failure
//	room          a MUC room (XEP-0045), never disk space: that is capacity
//	row           one kept struct, as the disk and other tabs read it
//	settled       said of a message of an archive before which the archive will file no other
//	span          messages in memory with no hole between them
//	story         a test of a feature, in its testdata: XML in, XML out, what it meant; of the view:
//	              a state to draw
//	stream        a bound XMPP stream, which survives its sockets; a session is one socket of it
//	tenure        the time for which a nick belongs to one person, in a room without occupant-ids
//	term          the time for which one tab leads without a break, and its name
//	turn          one round of the loop: handle all that waits, commit, publish
package app
