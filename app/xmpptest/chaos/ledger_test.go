package chaos

import "testing"

func TestLedger(t *testing.T) {
	l := NewLedger(1)
	var rows []Row
	for range 5 {
		rows = append(rows, Row{"ada@test", l.Write("ada@test/a", "grace@test")})
	}
	l.Write("grace@test", "ada@test")
	stranger := Row{"eve@test", rows[1].Body}
	other := Row{"ada@test", NewLedger(2).Write("ada@test", "eve@test")}
	torn := Row{"ada@test", rows[1].Body[1:]}
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
			if got := l.All("ada@test", "grace@test", tc.rows); got != tc.all {
				t.Errorf("all: %+v, want %+v", got, tc.all)
			}
			if got := l.Newest("ada@test", "grace@test", tc.rows); got != tc.newest {
				t.Errorf("newest: %+v, want %+v", got, tc.newest)
			}
		})
	}
}
