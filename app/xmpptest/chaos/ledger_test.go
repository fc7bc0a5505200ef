package chaos

import (
	"slices"
	"testing"

	"natter/app/jid"
)

func TestLedger(t *testing.T) {
	l := NewLedger(1)
	var rows []Row
	for range 5 {
		rows = append(rows, Row{Author: "ada@test", Body: l.Write("ada@test/a", "grace@test")})
	}
	l.Write("grace@test", "ada@test")
	stranger := Row{Author: "eve@test", Body: rows[1].Body}
	other := Row{Author: "ada@test", Body: NewLedger(2).Write("ada@test", "eve@test")}
	torn := Row{Author: "ada@test", Body: rows[1].Body[1:]}
	for _, tc := range []struct {
		name        string
		rows        []Row
		all, newest Verdict
	}{
		{"all of them", rows, Verdict{}, Verdict{}},
		{"none", nil, Verdict{Lost: 5}, Verdict{}},
		{"without the first", rows[1:], Verdict{Lost: 1}, Verdict{}},
		{"without the last", rows[:4], Verdict{Lost: 1}, Verdict{Lost: 1}},
		{"with a hole", append(rows[:2:2], rows[3:]...), Verdict{Lost: 1}, Verdict{Lost: 1}},
		{"one twice", append(rows[:5:5], rows[4]), Verdict{Doubled: 1}, Verdict{Doubled: 1}},
		{"two the wrong way round", []Row{rows[0], rows[2], rows[1], rows[3], rows[4]}, Verdict{Reordered: 1}, Verdict{Reordered: 1}},
		{"damaged", append(rows[:5:5], torn), Verdict{Damaged: 1}, Verdict{Damaged: 1}},
		{"meant for somebody else", append(rows[:5:5], other), Verdict{Damaged: 1}, Verdict{Damaged: 1}},
		{"of somebody else", append(rows[:5:5], stranger), Verdict{}, Verdict{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := l.All("grace@test", "ada@test", "grace@test", tc.rows); got != tc.all {
				t.Errorf("all: %+v, want %+v", got, tc.all)
			}
			if got := l.Newest("grace@test", "ada@test", "grace@test", tc.rows); got != tc.newest {
				t.Errorf("newest: %+v, want %+v", got, tc.newest)
			}
		})
	}
}

// A server that delivers in the wrong order, once, is not the client's fault; showing
// what came in order in another one is.
func TestLedger_Late(t *testing.T) {
	const ada, grace = "ada@test", "grace@test"
	l := NewLedger(1)
	var rows []Row
	for range 4 {
		rows = append(rows, Row{Author: ada, Body: l.Write(ada, grace)})
	}
	for _, i := range []int{0, 2, 1, 2, 3, 1} {
		l.Arrived(grace, ada, grace, rows[i].Body)
	}
	if n := l.Late(); n != 1 {
		t.Errorf("%d came late", n)
	}
	asDelivered := []Row{rows[0], rows[2], rows[1], rows[3]}
	if v := l.All(grace, ada, grace, asDelivered); !v.Good() {
		t.Errorf("as it was delivered: %+v", v)
	}
	if v := l.Newest(grace, ada, grace, []Row{rows[1], rows[3]}); !v.Good() {
		t.Errorf("the end of what was delivered: %+v", v)
	}
	if v := l.Newest(grace, ada, grace, []Row{rows[0], rows[1], rows[3]}); v != (Verdict{Lost: 1}) {
		t.Errorf("with a hole: %+v", v)
	}
	if v := l.All(ada, ada, grace, asDelivered); v != (Verdict{Reordered: 1}) {
		t.Errorf("to the other: %+v", v)
	}
	if v := l.All(grace, ada, grace, []Row{rows[0], rows[1], rows[3], rows[2]}); v != (Verdict{Reordered: 1}) {
		t.Errorf("otherwise: %+v", v)
	}
}

// What is delivered again counts as late only if nobody had acknowledged it before, and what
// only the archive has is where the one before it is.
func TestLedger_LateAgain(t *testing.T) {
	const ada, grace = "ada@test", "grace@test"
	for _, tc := range []struct {
		taken   bool
		shown   []int
		verdict Verdict
	}{
		{false, []int{0, 3, 1, 2}, Verdict{}},
		{true, []int{0, 3, 1, 2}, Verdict{Reordered: 2}},
		{true, []int{0, 1, 2, 3}, Verdict{}},
		{false, []int{3, 0, 1, 2}, Verdict{Reordered: 1}},
	} {
		l := NewLedger(1)
		var rows []Row
		for range 4 {
			rows = append(rows, Row{Author: ada, Body: l.Write(ada, grace)})
		}
		for _, i := range []int{0, 1, 3, 1} {
			l.Arrived(grace, ada, grace, rows[i].Body)
			if i != 1 || tc.taken {
				l.Taken(grace, ada, grace, rows[i].Body)
			}
		}
		var shown []Row
		for _, i := range tc.shown {
			shown = append(shown, rows[i])
		}
		if v := l.All(grace, ada, grace, shown); v != tc.verdict {
			t.Errorf("%+v: %+v", tc, v)
		}
	}
}

// What a stream repeats from where it was acknowledged is not late.
func TestLedger_Resumed(t *testing.T) {
	const ada, grace = "ada@test", "grace@test"
	l := NewLedger(1)
	var bodies []string
	for range 4 {
		bodies = append(bodies, l.Write(ada, grace))
	}
	for _, i := range []int{0, 1, 2, 3} {
		l.Arrived(grace, ada, grace, bodies[i])
	}
	l.Taken(grace, ada, grace, bodies[0])
	l.Resumed(grace)
	for _, i := range []int{1, 3} {
		l.Arrived(grace, ada, grace, bodies[i])
	}
	if n := l.Late(); n != 0 {
		t.Errorf("%d came late", n)
	}
	if l.Arrived(grace, ada, grace, bodies[2]); l.Late() != 1 {
		t.Errorf("%d came late, want one", l.Late())
	}
}

func TestLedger_Kept(t *testing.T) {
	const ada, grace = "ada@test", "grace@test"
	l := NewLedger(1)
	var rows []Row
	for range 4 {
		rows = append(rows, Row{Author: ada, Body: l.Write(ada, grace)})
	}
	l.Kept(grace, ada, grace, rows[:3])
	l.Kept(ada, ada, grace, rows)
	for _, tc := range []struct {
		at         jid.JID
		rows       []Row
		lost, gone int
	}{
		{grace, rows, 0, 0},
		{grace, rows[:3], 0, 1},
		{grace, rows[:2], 1, 1},
		{ada, rows[:3], 1, 0},
	} {
		if v := l.All(tc.at, ada, grace, tc.rows); v != (Verdict{Lost: tc.lost, Gone: tc.gone}) {
			t.Errorf("%s with %d: %+v", tc.at, len(tc.rows), v)
		}
	}

	// What the client acknowledged, or the server never had, is no fault of the server's.
	l.Taken(grace, ada, grace, rows[2].Body)
	l.Kept(grace, ada, grace, rows[:2])
	if v := l.All(grace, ada, grace, rows[:2]); v != (Verdict{Lost: 1, Gone: 1}) {
		t.Errorf("one was acknowledged: %+v", v)
	}
	l.Kept(ada, ada, grace, rows[:3])
	if v := l.All(grace, ada, grace, rows[:2]); v != (Verdict{Lost: 2}) {
		t.Errorf("one was never sent: %+v", v)
	}
	want := []string{
		"grace@test: 2 of ada@test is lost (delivered false, late false, acknowledged true)",
		"grace@test: 3 of ada@test is lost (delivered false, late false, acknowledged false)",
	}
	if lines := l.Explain(grace, ada, grace, rows[:2]); !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
}
