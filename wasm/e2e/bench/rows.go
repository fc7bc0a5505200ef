//go:build linux

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/go-rod/rod/lib/input"

	"natter/server/trial"
	"natter/wasm/e2e/chrome"
)

const (
	messages = 2000 // of a burst
	words    = 20   // of a conversation
	history  = 1000
	samples  = 20 // of a run, of what is quick
	many     = 1000
	some     = 60 // contacts of somebody who comes back
	guests   = 10_000
	clubs    = 200 // rooms that are joined at once
	past     = 100_000
)

// crowded are the figures of many messages that come into an open conversation.
func crowded(goal string) []figure {
	return []figure{
		{"2,000 messages painted", goal, "s"}, {"CPU of the page", "", "s"}, {"longest task", "50", "ms"}, {"longest task, CPU", "50", "ms"},
		{"commits", "", ""}, {"draws", "", ""}, {"frames", "", ""},
		{"most commits in a frame", "1", ""}, {"most draws in a frame", "1", ""},
	}
}

var rows = []row{
	{"burst", crowded("2"), burst},
	{"room", crowded("2.5"), room},
	{"join", []figure{
		{"10,000 occupants, ready to write", "2", "s"}, {"10,000 occupants, settled", "", "s"},
		{"CPU of the page", "", "s"}, {"longest task", "50", "ms"},
	}, join},
	{"autojoin", []figure{
		{"200 rooms joined", "", "s"}, {"200 rooms settled", "", "s"}, {"CPU of the page", "", "s"}, {"longest task, CPU", "50", "ms"},
	}, autojoin},
	{"date", []figure{
		{"a day in the middle of 100,000 messages", "", "ms"}, {"CPU of the page", "", "ms"}, {"longest task, CPU", "50", "ms"},
	}, toDate},
	{"busy", []figure{
		{"CPU of the page, 100 messages/s", "", "%"}, {"longest task", "50", "ms"}, {"longest task, CPU", "50", "ms"}, {"last one sent to painted", "", "ms"},
	}, busy},
	{"enter", []figure{{"Enter to painted", "20", "ms"}, {"Enter to the peer", "8", "ms"}}, enter},
	{"incoming", []figure{{"sent by the peer to painted", "18", "ms"}}, incoming},
	{"reload", []figure{{"reload to the list", "250", "ms"}}, reload},
	{"restart", []figure{{"browser restart to the list", "350", "ms"}}, restart},
	{"cold", []figure{{"client runs", "500", "ms"}, {"form usable", "", "ms"}}, cold},
	{"fast3g", []figure{{"client runs, Fast 3G", "11000", "ms"}, {"form usable, Fast 3G", "700", "ms"}}, slow},
	{"history", []figure{{"1,000 messages back", "1.5", "s"}}, back},
	{"contacts", []figure{{"1,000 contacts shown", "0.5", "s"}, {"1,000 contacts settled", "1", "s"}}, contacts},
}

type note = func(figure string, values ...float64)

// talked is a conversation of ada's with grace that is open.
func talked(b *bench, remember bool) (p tab, other *peer, ahead float64) {
	address := b.serve(0, 0)
	other = b.meet(address, grace, gracePassword)
	p = b.visit(address)
	p.signIn(remember)
	for i := range words {
		other.say(ada, fmt.Sprint("word", i), fmt.Sprintf("word %d of a conversation like others", i))
	}
	p.openChat(grace)
	p.eval(`() => bench.quiet(1000)`)
	return p, other, p.clock()
}

// met is the lounge with ada and grace in it, open on ada's page.
func met(b *bench) (p tab, other *peer, ahead float64) {
	address := b.serve(0, 0)
	other = b.meet(address, grace, gracePassword)
	other.join()
	p = b.visit(address)
	p.signIn(true)
	for i := range words {
		other.say(lounge, fmt.Sprint("word", i), fmt.Sprintf("word %d of a conversation like others", i))
	}
	p.openChat(lounge + "/")
	p.eval(`() => bench.quiet(1000)`)
	return p, other, p.clock()
}

// Two thousand messages come as fast as the server passes them on.
func burst(b *bench, note note) {
	p, other, ahead := talked(b, true)
	flood(b, note, p, other, ahead, ada)
}

func room(b *bench, note note) {
	p, other, ahead := met(b)
	flood(b, note, p, other, ahead, lounge)
}

type watched struct{ Draws, MostDraws, Frames, Longest, Commits, MostCommits, Painted float64 }

func flood(b *bench, note note, p tab, other *peer, ahead float64, to string) {
	p.eval(`(text) => bench.watch(text)`, fmt.Sprintf("message %d", messages-1))
	before, began := b.cpu(), ms(time.Now())
	var seen watched
	note("longest task, CPU", p.longest(func() {
		for i := range messages {
			other.say(to, fmt.Sprint("m", i), fmt.Sprintf("message %d", i))
		}
		p.read(&seen, `() => bench.watched()`)
	}))
	note("CPU of the page", (b.cpu()-before)/1000)
	note("2,000 messages painted", (seen.Painted-ahead-began)/1000)
	note("longest task", seen.Longest)
	note("commits", seen.Commits)
	note("draws", seen.Draws)
	note("frames", seen.Frames)
	note("most commits in a frame", seen.MostCommits)
	note("most draws in a frame", seen.MostDraws)
}

// Ada joins a room with 10,000 people in it.
func join(b *bench, note note) {
	p := b.visit(b.serve(0, guests))
	p.signIn(true)
	p.openChat(lounge + "/")
	var seen struct{ Ready, Settled, Longest float64 }
	before := b.cpu()
	p.read(&seen, `(room) => bench.join(room)`, lounge)
	note("CPU of the page", (b.cpu()-before)/1000)
	note("10,000 occupants, ready to write", seen.Ready/1000)
	note("10,000 occupants, settled", seen.Settled/1000)
	note("longest task", seen.Longest)
}

// Ada signs in on a new device, and is in many rooms, each with an archive.
func autojoin(b *bench, note note) {
	p := b.visit(b.serveDemo(trial.Options{Rooms: clubs}))
	p.eval(`async () => { await bench.until(() => bench.start.client); await bench.quiet(300) }`)
	var seen struct{ Joined, Settled float64 }
	before := b.cpu()
	note("longest task, CPU", p.longest(func() {
		p.read(&seen, `(...args) => bench.autojoin(...args)`, ada, adaPassword, clubs+1) // and the lounge
	}))
	note("CPU of the page", (b.cpu()-before)/1000)
	note("200 rooms joined", seen.Joined/1000)
	note("200 rooms settled", seen.Settled/1000)
}

// Ada goes to a day of which she has no messages, in a room that has very many.
func toDate(b *bench, note note) {
	p := b.visit(b.serveDemo(trial.Options{History: past}))
	p.signIn(true)
	p.openChat(lounge + "/")
	p.eval(`() => bench.quiet(2000)`)
	day := time.Now().Add(-past / 2 * time.Minute).Format(time.DateOnly)
	var seen struct {
		Took float64
		Text string
	}
	before := b.cpu()
	note("longest task, CPU", p.longest(func() { p.read(&seen, `(day) => bench.toDate(day)`, day) }))
	note("CPU of the page", b.cpu()-before)
	note("a day in the middle of 100,000 messages", seen.Took)
	var at int
	if _, err := fmt.Sscanf(seen.Text, "message %d", &at); err != nil || at < past/2-24*60 || at > past/2 {
		panic(failure{fmt.Errorf("the first of the day says %q", seen.Text)})
	}
}

// A room in which somebody says something every 10 ms, for a minute.
func busy(b *bench, note note) {
	const span, pause = time.Minute, 10 * time.Millisecond
	n := int(span / pause)
	p, other, ahead := met(b)
	p.eval(`(text) => bench.watch(text)`, fmt.Sprintf("message %d", n-1))
	before, began := b.cpu(), time.Now()
	var last float64
	var seen watched
	note("longest task, CPU", p.longest(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			other.say(lounge, fmt.Sprint("m", i), fmt.Sprintf("message %d", i))
		}
		last = ms(time.Now())
		p.read(&seen, `() => bench.watched()`)
	}))
	note("CPU of the page, 100 messages/s", (b.cpu()-before)/float64(time.Since(began)/time.Millisecond)*100)
	note("longest task", seen.Longest)
	note("last one sent to painted", seen.Painted-ahead-last)
}

func enter(b *bench, note note) {
	p, other, ahead := talked(b, true)
	for i := range samples {
		text := fmt.Sprintf("own %d", i)
		must(p.page.InsertText(text))
		p.eval(`async (text) => { await bench.quiet(200); bench.expect(text) }`, text)
		must(p.page.Keyboard.Type(input.Enter))
		painted := p.eval(`() => bench.painted()`).Num()
		pressed := p.eval(`() => bench.pressed()`).Num()
		note("Enter to painted", painted-pressed)
		note("Enter to the peer", ms(other.hears(text))-(pressed-ahead))
	}
}

func incoming(b *bench, note note) {
	p, other, ahead := talked(b, true)
	for i := range samples {
		text := fmt.Sprintf("theirs %d", i)
		p.eval(`async (text) => { await bench.quiet(200); bench.expect(text) }`, text)
		sent := ms(time.Now())
		other.say(ada, fmt.Sprint("t", i), text)
		note("sent by the peer to painted", p.eval(`() => bench.painted()`).Num()-ahead-sent)
	}
}

// returning is ada, remembered, with some contacts and a conversation.
func returning(b *bench, p tab, other *peer) {
	p.signIn(true)
	for i := range words {
		other.say(ada, fmt.Sprint("word", i), fmt.Sprintf("word %d of a conversation like others", i))
	}
	p.eval(`async () => {
		await navigator.serviceWorker.ready;
		await bench.until(() => navigator.serviceWorker.controller || true);
		await bench.quiet(2000);
	}`)
}

func (p tab) listed() float64 { return p.eval(`() => bench.until(() => bench.start.list)`).Num() }

func reload(b *bench, note note) {
	address := b.serve(some, 0)
	other := b.meet(address, grace, gracePassword)
	p := b.visit(address)
	returning(b, p, other)
	for range 3 {
		must(p.page.Reload())
		note("reload to the list", p.listed())
		p.settle()
	}
}

func restart(b *bench, note note) {
	address := b.serve(some, 0)
	other := b.meet(address, grace, gracePassword)
	profile, err := os.MkdirTemp("", "natter-bench-")
	must(err)
	b.later(func() { _ = os.RemoveAll(profile) })
	for visit := range 4 {
		browser, err := chrome.Start(chrome.Options{Profile: profile})
		must(err)
		b.later(browser.Kill)
		p := open(browser.Browser, address)
		if visit == 0 {
			returning(b, p, other)
		} else {
			note("browser restart to the list", p.listed())
			p.settle()
		}
		browser.Quit()
	}
}

func cold(b *bench, note note) {
	p := b.visit(b.serve(0, 0))
	note("client runs", p.eval(`() => bench.until(() => bench.start.client)`).Num())
	note("form usable", p.eval(`() => bench.until(() => bench.start.form)`).Num())
}

func slow(b *bench, note note) {
	p := b.visit(b.serve(0, 0), fast3G)
	note("form usable, Fast 3G", p.eval(`() => bench.until(() => bench.start.form)`).Num())
	note("client runs, Fast 3G", p.eval(`() => bench.until(() => bench.start.client)`).Num())
}

// Ada, on a new device, scrolls back to what was said first.
func back(b *bench, note note) {
	address := b.serve(0, 0)
	other, own := b.meet(address, grace, gracePassword), b.meet(address, ada, adaPassword)
	text := func(i int) string { return fmt.Sprintf("message %d", i) }
	for i := range history - 1 {
		other.say(ada, fmt.Sprint("m", i), text(i))
	}
	own.hears(text(history - 2))
	own.say(grace, "last", text(history-1))
	other.hears(text(history - 1))
	p := b.visit(address)
	p.signIn(false)
	p.openChat(grace)
	p.eval(`async () => { document.querySelector('[data-do="newest"]')?.click(); await bench.quiet(1000) }`)
	note("1,000 messages back", p.eval(`(text) => bench.back(text)`, text(0)).Num()/1000)
}

func contacts(b *bench, note note) {
	p := b.visit(b.serve(many, 0))
	var at struct{ Shown, Settled float64 }
	p.read(&at, `async (...args) => { await bench.until(() => bench.start.client); await bench.quiet(300); return bench.list(...args) }`, ada, adaPassword)
	note("1,000 contacts shown", at.Shown/1000)
	note("1,000 contacts settled", at.Settled/1000)
}
