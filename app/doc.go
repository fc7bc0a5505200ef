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
//	                    plan.go says how an archive is read, coverage.go what of it is here, span.go
//	                    what of a conversation is in memory
//	    tree/           ordered maps that never change, and what differs between two
//	  connect/          from an address to a bound stream: discover, dial, redirect, negotiate
//	    discover/       from a domain to WebSocket endpoints (host-meta)
//	    sasl/           SCRAM, PLAIN, ANONYMOUS; both sides of SCRAM
//	  stream/           a bound stream that survives its sockets: IQ, Stream Management, reconnect
//	  feature/          what an extension is; one folder each, its stories in testdata
//	    featuretest/    plays the stories: XML in, XML out, what it meant
//	  store/            what outlives the page: reads and commits rows; a version in memory
//	    storetest/      what every Store must do, as a test
//	  client/           the loop that owns the state; features.go is the only registration;
//	                    keep.go ties it to a store and a credential, commit.go writes; tabs.go says which tab
//	                    leads, message.go what tabs tell each other;
//	                    search.go finds messages, disk.go reads back what memory lacks,
//	                    prune.go says what leaves a full device, gone.go what if all is gone,
//	                    poison.go what if the program dies of a stanza
//	  view/             go-app components: State in, Intent out
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
//	    gallery/        opens every story of the view, wide and narrow, light and dark
//	    storetest/      the contract of a Store on the real IndexedDB
//	    vaulttest/      what the vault leaves behind
//	    workertest/     updates, older builds and the kill switch
//	web/                the page: form, styles, worker, manifest, icons; embeds what build made
//	  emoji/            the list of emoji, and what makes it
//	  build/ size/      make the bundle, and find the lines of a crash in it; say what it weighs
//	server/             the natter command
//	  config/           its configuration file, and the JSON Schema of it
//	  cert/             certificates: from files, by ACME
//	  front/            before all handlers: bounds, ids, log, figures, health
//	  gateway/          lets WebSocket clients reach servers that speak TCP, and these each other
//	                    (XEP-0468, federation.go); sends them elsewhere
//	  site/             serves the bundle: headers, config.json, host-meta
//	  trial/            a small XMPP server in memory
//	  doctor/           goes the way into a domain and says what to change
//	  deploy/           examples: systemd, container, proxies, Grafana; doc/hosting.md and scale.md tell of them
//	  bench/            the page and the gateway beside others (make bench-server)
//	  dnstest/          a name server for tests
//
// Imports; the way from the wire to the screen is from left to right:
//
//	connect ◀── stream ◀── client ──▶ feature/*, store  view ──▶ go-app, text
//	   │          │                       │              │
//	   ▼          ▼                       ▼              ▼
//	framing ◀─────┴───────────────────────┘──────────▶ state ──▶ jid, legible ──▶ steps
//	                                                   text ──▶ jid, legible
//
//	wasm ──▶ client, connect, view, wasm/browser       server ──▶ framing, connect, web
//	wasm/browser implements small interfaces that the others declare
//
// A stanza that arrives:
//
//	framing.Parse     strict and bounded, once; never serialised again
//	stream            numbers it, matches replies by id and sender
//	client.receive    on the loop: who says so? what about? From here no mutex
//	feature.First     is it a message of its own, or does it say something about another?
//	a feature         what does it mean? Emit(state.Event)
//	State.With        a new State; published ones never change
//	client.publish    the view redraws, at most once a frame
//	client.commit     to the store, while the loop goes on; then stream.Commit, and the server
//	                  hears of it
//
// A message that leaves:
//
//	view              Do(state.SendMessage)
//	feature/chat      Emit(MessageAdded, queued): on screen at once
//	features          Decorate: each adds its payload
//	stream.Send       framing.Append, once: escaped by construction; gives it its number
//	client.commit     the outbox, which has it as it leaves, is on the disk before the wire sees it
//	stream.Commit     now it is written, counted, and written again after a lost socket
//
// Nothing on these two ways waits. If a feature must one day (for keys, or for an upload), the
// place to wait is before client.receive, or between Decorate and the outbox: in a queue of the
// conversation, so that its order stays and no other conversation waits; and what the feature
// changes of its own is in the same commit as the message.
//
// Several tabs of one browser:
//
//	one leads         it holds the socket and a Web Lock, and commits
//	State.Changes     after each commit: the same rows go to the others, which mirror it, and
//	                  with them State.Moments, the rows of what is true only now
//	Client.Do         elsewhere: the intent goes to the one that leads, until it confirms;
//	                  state.Shown is what is seen of it at once, and no feature runs
//	the leader dies   the next tab has the lock, opens the store and resumes the stream
//	signing out       is noted on the disk first; if nobody gets to it, whoever leads next does
//
// Kept things have one language:
//
//	state.Value       a struct that is its own row: the tags of its fields are what the disk
//	                  and other tabs read
//	State.Changes     the rows that differ between two states: tree.Diff enters only what the two
//	                  do not share, so that no map has to remember what was changed in it
//	state.Applied     makes rows true: a start, a mirror and a take-over are all this
//	store.Store       commits rows; IndexedDB has the key of a row from its fields
//
// The rows are those of the builds before them, field by field, and a new table is a step of the
// schema that only adds: an older build leaves such a database alone. That is why MessageRow,
// ChatRow and CoverageRow stand beside the structs they embed: they have times in µs, the words for a
// delivery and what an index needs.
//
// What is said about a message is a fact (state/fact.go): that it was received, read, sent back,
// what others react with, what its author wants it to say, that it was taken back, what it answers,
// that something which we have said about it has not got through.
// A feature emits it with the message's author and id, and Message.With says what it changes, and
// whether that is for them to say. If the message is in memory it knows it at once. Else the
// fact waits: the store puts it into the row of the message, with which it comes into memory, or
// into a table of its own while there is no such message. So nothing is read to find a message,
// and in whichever order all comes the picture is the same.
//
// In memory are the ends of conversations, and what is around the place where the person looks
// (state.Look). A jump reads only around its target; the rest leaves again (state.Released). What
// is not on the disk either is read from the archive (state.Seek), which leaves gaps beside it. Between
// two such spans is a hole, which nobody reads across.
//
// A change touches:
//
//	what stanzas say          one folder in app/feature and a line in client/features.go
//	what they say of messages the same, and a kind of fact in state/fact.go
//	… and a person sees it    a word in state and a drawing in view as well
//	what a person wants       a type in state with its trait and its line in intents (intent.go),
//	                          and Do in the folder
//	what is kept              a struct in state with its line in kept (row.go), and a step in web/store.js
//	… that older builds read  generation in state/coverage.go: it is read once more
//	how we log in             app/connect
//	how a stream lives on     app/stream
//	what a frame is           framing
//
// Rules behind Sec… and Promise… in the names of tests: doc/rules.md. States and messages of
// tabs, with a diagram: doc/tabs.md.
//
// One word, one meaning:
//
//	acknowledge   to tell the server that we have handled its stanzas, or the same from it (XEP-0198)
//	archive       the messages that a server stores (XEP-0313)
//	carbon        a copy of a message of another client of the account (XEP-0280)
//	commit        to write rows to the store in one transaction, all or nothing
//	confirm       to tell a mirror that its request is committed
//	conversation  what is said with a person, in a room, or with one occupant of it; a ConvID
//	              names it, in the page too (data-conv), and only app/state knows what is in that
//	coverage      the parts of an archive that are in the store
//	credential    a token or keys that sign in without the password
//	event         something that happened; it changes the state
//	fact          what somebody says about a message: that they have it, react to it, take it back
//	feature       one extension (XEP), one folder
//	hole          where the store may have messages of a conversation that are not in memory
//	intent        something that the person wants
//	lead          to hold the stream and to commit, for all tabs of an account
//	mirror        a tab that does not lead, and shows the state of the one that does
//	occupant      somebody who is in a room now, under a nick (XEP-0045)
//	outbox        messages of ours that the server does not have yet
//	prune         to delete old messages from a full device
//	request       an IQ that needs an answer; between tabs, an intent with a number
//	resume        to go on with a stream over a new socket or in a new page (XEP-0198)
//	retry         to do the same once more after a failure
//	room          a MUC room (XEP-0045), never disk space: that is capacity
//	row           one kept struct, as the disk and other tabs read it
//	span          messages in memory with no hole between them
//	stream        a bound XMPP stream, which survives its sockets; a session is one socket of it
//	tenure        the time for which a nick in a room without occupant-ids is of one person
package app
