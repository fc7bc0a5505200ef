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
}

type way struct{ from, to jid.JID }

// NewLedger returns an empty ledger. The seed decides how long messages are and what
// is in them.
func NewLedger(seed uint64) *Ledger {
	return &Ledger{random: rand.New(rand.NewPCG(seed, 1)), written: map[way]int{}}
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

// Row is a message as somebody sees it.
type Row struct {
	Author jid.JID
	Body   string
}

// Verdict is what became of the messages from one to another.
type Verdict struct {
	Lost, Doubled, Reordered, Damaged int
}

// Add returns the sum of two verdicts.
func (v Verdict) Add(o Verdict) Verdict {
	return Verdict{v.Lost + o.Lost, v.Doubled + o.Doubled, v.Reordered + o.Reordered, v.Damaged + o.Damaged}
}

// Good reports whether everything is as it should be.
func (v Verdict) Good() bool { return v == Verdict{} }

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
	return s
}

// All judges a whole conversation, as either of the two sees it.
func (l *Ledger) All(from, to jid.JID, rows []Row) Verdict { return l.judge(from, to, rows, 0) }

// Newest judges the end of a conversation, of which older messages are not here: what
// is before the first that is, is not missed.
func (l *Ledger) Newest(from, to jid.JID, rows []Row) Verdict { return l.judge(from, to, rows, -1) }

func (l *Ledger) judge(from, to jid.JID, rows []Row, first int) (v Verdict) {
	from, to = from.Bare(), to.Bare()
	written := l.Written(from, to)
	seen := map[int]bool{}
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
			continue
		case n < newest:
			v.Reordered++
		}
		seen[n] = true
		newest = max(newest, n)
		if first < 0 {
			first = n
		}
	}
	if first < 0 {
		return v
	}
	for n := first; n < written; n++ {
		if !seen[n] {
			v.Lost++
		}
	}
	return v
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
