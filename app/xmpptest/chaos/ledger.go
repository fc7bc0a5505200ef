package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"natter/app/jid"
)

// Ledger knows what was written. It may be used on any goroutine.
type Ledger struct {
	mu      sync.Mutex
	random  *rand.Rand
	written map[way]int
	arrived map[arrival]bool
	taken   map[arrival]bool
	newest  map[arrival]int // that has come, with n 0
	known   map[arrival]int // that was acknowledged
	late    map[arrival]bool
	gone    map[arrival]bool
}

// arrival is a message that came to somebody, by its number; 0 is none of them.
type arrival struct {
	way
	at jid.JID
	n  int
}

type way struct{ from, to jid.JID }

// NewLedger returns an empty ledger. The seed decides how long messages are and what
// is in them.
func NewLedger(seed uint64) *Ledger {
	return &Ledger{random: rand.New(rand.NewPCG(seed, 1)), written: map[way]int{}, arrived: map[arrival]bool{}, taken: map[arrival]bool{}, newest: map[arrival]int{}, known: map[arrival]int{}, late: map[arrival]bool{}, gone: map[arrival]bool{}}
}

// Write enters the next message and returns its text.
func (l *Ledger) Write(from, to jid.JID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := way{from.Bare(), to.Bare()}
	filler := []string{"x", "<&\"'>", "]]>", "ä", "😀", "\n", " "}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d ", w.from, w.to, l.written[w])
	for range l.random.IntN(60) {
		b.WriteString(filler[l.random.IntN(len(filler))])
	}
	l.written[w]++
	return b.String() + " " + hash(b.String())
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// Written returns how many messages one wrote to the other.
func (l *Ledger) Written(from, to jid.JID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written[way{from.Bare(), to.Bare()}]
}

// Arrived notes that a server has delivered a message, not from an archive, to somebody;
// body is what it says. Servers break the order too, and clients show what they do.
func (l *Ledger) Arrived(at, from, to jid.JID, body string) {
	from, to = from.Bare(), to.Bare()
	n, ok := read(from, to, body)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := arrival{way{from, to}, at.Bare(), 0}
	one := arrival{way{from, to}, at.Bare(), n + 1}
	if l.taken[one] {
		return
	}
	l.arrived[one] = true
	if n+1 < l.newest[newest] {
		l.late[one] = true
	}
	l.newest[newest] = max(l.newest[newest], n+1)
}

// Taken notes that somebody has acknowledged a message. One that nobody has may have been
// lost with a page that was killed: what counts is when it comes again.
func (l *Ledger) Taken(at, from, to jid.JID, body string) {
	from, to = from.Bare(), to.Bare()
	if n, ok := read(from, to, body); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.taken[arrival{way{from, to}, at.Bare(), n + 1}] = true
		newest := arrival{way{from, to}, at.Bare(), 0}
		l.known[newest] = max(l.known[newest], n+1)
	}
}

// Resumed notes that a stream goes on: what somebody has not acknowledged now comes again,
// in order.
func (l *Ledger) Resumed(at jid.JID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := range l.newest {
		if a.at == at.Bare() {
			l.newest[a] = l.known[a]
		}
	}
}

// Late returns how many messages servers have delivered after newer ones.
func (l *Ledger) Late() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.late)
}

// Kept notes what a server has, after everything came to rest, in somebody's archive. What
// is not there, was never acknowledged by them, and is in the archive of who wrote it, is
// not for a client to bring back.
func (l *Ledger) Kept(at, from, to jid.JID, rows []Row) {
	from, to = from.Bare(), to.Bare()
	kept := map[int]bool{}
	for _, r := range rows {
		if n, ok := read(from, to, r.Body); ok && r.Author.Bare() == from {
			kept[n] = true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.written[way{from, to}] {
		if one := (arrival{way{from, to}, at.Bare(), n + 1}); !kept[n] && !l.taken[one] {
			l.gone[one] = true
		}
	}
}

// Row is a message as somebody sees it.
type Row struct {
	Author jid.JID
	Body   string
	Place  string // what it is filed under, for the lines of Explain
}

// Verdict is what became of the messages from one to another.
type Verdict struct {
	Lost, Doubled, Reordered, Damaged int
	Gone                              int // lost by the server
}

// Add returns the sum of two verdicts.
func (v Verdict) Add(o Verdict) Verdict {
	return Verdict{v.Lost + o.Lost, v.Doubled + o.Doubled, v.Reordered + o.Reordered, v.Damaged + o.Damaged, v.Gone + o.Gone}
}

// Good reports whether everything is as it should be.
func (v Verdict) Good() bool { return v == Verdict{Gone: v.Gone} }

// String is the end of the line that is printed.
func (v Verdict) String() string {
	s := fmt.Sprintf("%d lost, %d shown twice, ", v.Lost, v.Doubled)
	if v.Reordered == 0 {
		s += "order kept"
	} else {
		s += fmt.Sprintf("%d out of order", v.Reordered)
	}
	if v.Damaged > 0 {
		s += fmt.Sprintf(", %d damaged", v.Damaged)
	}
	if v.Gone > 0 {
		s += fmt.Sprintf(", %d lost by the server", v.Gone)
	}
	return s
}

// All judges a whole conversation as one of the two, at, sees it.
func (l *Ledger) All(at, from, to jid.JID, rows []Row) Verdict {
	return l.judge(at, from, to, rows, 0, func(int, string) {})
}

// Newest judges the end of a conversation, of which older messages are not here: what
// is before the first that is, is not missed.
func (l *Ledger) Newest(at, from, to jid.JID, rows []Row) Verdict {
	return l.judge(at, from, to, rows, -1, func(int, string) {})
}

// Explain returns a line for each message that All finds wrong.
func (l *Ledger) Explain(at, from, to jid.JID, rows []Row) (lines []string) {
	l.judge(at, from, to, rows, 0, func(n int, what string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		one := arrival{way{from.Bare(), to.Bare()}, at.Bare(), n + 1}
		lines = append(lines, fmt.Sprintf("%s: %d of %s is %s (delivered %t, late %t, acknowledged %t)",
			at, n, from, what, l.arrived[one], l.late[one], l.taken[one]))
	})
	return lines
}

// judge tells of each message that is wrong.
func (l *Ledger) judge(at, from, to jid.JID, rows []Row, first int, tell func(n int, what string)) (v Verdict) {
	from, to = from.Bare(), to.Bare()
	written := l.Written(from, to)
	seen, places := map[int]bool{}, map[int]string{}
	newest := -1
	for _, r := range rows {
		if r.Author.Bare() != from {
			continue
		}
		n, ok := read(from, to, r.Body)
		switch {
		case !ok || n >= written:
			v.Damaged++
			continue
		case seen[n]:
			v.Doubled++
			tell(n, fmt.Sprintf("there twice, as %s and %s", places[n], r.Place))
			continue
		case n < newest && !l.wasLate(arrival{way{from, to}, at.Bare(), n + 1}):
			v.Reordered++
			tell(n, fmt.Sprintf("behind %d", newest))
		}
		seen[n], places[n] = true, r.Place
		newest = max(newest, n)
		if first < 0 && !l.wasLate(arrival{way{from, to}, at.Bare(), n + 1}) {
			first = n // one that came late says nothing about those after it
		}
	}
	if first < 0 {
		return v
	}
	for n := first; n < written; n++ {
		switch {
		case seen[n]:
		case l.hasGone(arrival{way{from, to}, at.Bare(), n + 1}):
			v.Gone++
		default:
			v.Lost++
			tell(n, "lost")
		}
	}
	return v
}

// hasGone reports whether a server has lost a message that it has for who wrote it.
func (l *Ledger) hasGone(a arrival) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone[a] && !l.gone[arrival{a.way, a.from, a.n}]
}

// wasLate reports whether a server has delivered a message after newer ones. What it has not
// delivered at all, but has in its archive, is where the one before it is.
func (l *Ledger) wasLate(a arrival) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; a.n > 0; a.n-- {
		if l.arrived[a] {
			return l.late[a]
		}
	}
	return false
}

// read returns the number of a message that is as it was written.
func read(from, to jid.JID, body string) (n int, ok bool) {
	at := strings.LastIndexByte(body, ' ')
	if at < 0 || hash(body[:at]) != body[at+1:] {
		return 0, false
	}
	parts := strings.SplitN(body, " ", 4)
	if len(parts) != 4 || parts[0] != from.String() || parts[1] != to.String() {
		return 0, false
	}
	n, err := strconv.Atoi(parts[2])
	return n, err == nil
}
