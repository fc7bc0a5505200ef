package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// line is a row.
type line struct {
	app.Compo

	Text string

	written *int // how often any has been
}

func (l *line) Render() app.UI {
	*l.written++
	return app.Div().Text(l.Text)
}

// lines is a window on a long list.
type lines struct {
	app.Compo

	From, To int

	written *int
	shown   *keyed // on the page
}

func (l *lines) Render() app.UI {
	k := &keyed{Class: "lines", Rows: func() *rows {
		r := &rows{}
		r.add("day", app.H2().Text("Today"))
		for i := l.From; i < l.To; i++ {
			r.add(fmt.Sprint(i), &line{Text: fmt.Sprint(i), written: l.written})
		}
		return r
	}}
	if l.shown == nil {
		l.shown = k
	}
	return k
}

// A window that moves by 50 writes 50 rows, and has all of them in their order.
func TestRowsThatStayAreNotWritten(t *testing.T) {
	engine, written := app.NewTestEngine(), 0
	page := &lines{From: 500, To: 640, written: &written}
	if err := engine.Load(page); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ from, to, written int }{
		{450, 590, 50},  // up
		{500, 640, 50},  // and back
		{550, 690, 50},  // down
		{550, 691, 1},   // one comes
		{641, 691, 0},   // those above go
		{641, 691, 0},   // nothing
		{591, 691, 100}, // more come above than go: go-app can add at the end alone
		{541, 681, 90},
		{0, 140, 140}, // another place
		{100, 140, 0}, // fewer
		{130, 170, 30},
	} {
		written = 0
		if err := engine.Load(&lines{From: tc.from, To: tc.to}); err != nil {
			t.Fatal(err)
		}
		if written != tc.written {
			t.Errorf("%d-%d: %d rows are written, want %d", tc.from, tc.to, written, tc.written)
		}
		var has, want []string
		for _, kid := range page.shown.here.kids[1:] {
			has = append(has, kid.(*line).Text)
		}
		for i := tc.from; i < tc.to; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(has, want) {
			t.Errorf("%d-%d: %v", tc.from, tc.to, has)
		}
	}
}

func TestArrange(t *testing.T) {
	keys := func(s string) []string { return strings.Split(s, "") }
	for _, tc := range []struct {
		here, next string
		order      []int
	}{
		{"abcd", "abcd", nil},
		{"abcd", "abcde", nil},
		{"abcd", "abc", nil},
		{"abcd", "cdef", []int{2, 3, ^0, ^1}},
		{"abcd", "yzab", []int{^2, ^3, 0, 1}},
		{"abcd", "cd", []int{2, 3, ^0, ^1}},
		{"abcd", "xyz", nil},
		{"aab", "ba", []int{2, 0, ^1}},
		{"ab", "aab", []int{^1, 0}},
		{"abc", "cba", []int{2, 1, 0}},
	} {
		if order := arrange(keys(tc.here), keys(tc.next)); !slices.Equal(order, tc.order) {
			t.Errorf("%s to %s: %v, want %v", tc.here, tc.next, order, tc.order)
		}
	}
}
