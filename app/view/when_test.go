package view

import (
	"strings"
	"testing"
	"time"

	"natter/app/state"
)

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// Every instant has the fields that a clock in the zone showed then, whatever the offset is
// now; the browser is asked twice for each day, and for the instants of a day on which the
// clocks change.
func TestLocalTime(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "UTC"} {
		b := sit(t)
		b.where = load(t, name)
		const layout = "2006-01-02T15:04:05"
		at := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC) // in which year Apia had no 30 December
		days := 0
		for end := at.AddDate(2, 0, 0); at.Before(end); at = at.AddDate(0, 0, 1) {
			days++
			for minute := 7; minute < 24*60; minute += 60 {
				instant := at.Add(time.Duration(minute) * time.Minute)
				if got, want := b.zone.local(instant).Format(layout), instant.In(b.where).Format(layout); got != want {
					t.Fatalf("%s: %s is %s, not %s", name, instant.Format(layout), got, want)
				}
			}
		}
		if changes := 7; b.asked > 2*days+3*24*changes {
			t.Errorf("%s: asked %d times for %d days", name, b.asked, days)
		}
	}
}

// In winter a message of summer is not an hour off, and one of a late evening stands under
// the right day.
func TestWhen_TheOffsetIsThatOfTheInstant(t *testing.T) {
	b := sit(t)
	b.where = load(t, "Europe/Berlin")
	b.clock = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct{ at, clock, day, ago, moment string }{
		{"2026-07-15T12:00:00Z", "14:00", "Wednesday, 15 July", "15 Jul", "15 July 2026, 14:00:00"},
		{"2026-10-24T22:30:00Z", "00:30", "Sunday, 25 October", "25 Oct", "25 October 2026, 00:30:00"},
		{"2026-10-25T00:30:00Z", "02:30", "Sunday, 25 October", "25 Oct", "25 October 2026, 02:30:00"},
		{"2026-10-25T01:30:00Z", "02:30", "Sunday, 25 October", "25 Oct", "25 October 2026, 02:30:00"},
		{"2025-12-31T23:30:00Z", "00:30", "Thursday, 1 January", "1 Jan", "1 January 2026, 00:30:00"},
		{"2026-11-30T23:30:00Z", "00:30", "Today", "00:30", "1 December 2026, 00:30:00"},
		{"2026-11-30T22:30:00Z", "23:30", "Yesterday", "Yesterday", "30 November 2026, 23:30:00"},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if clock, day, ago, moment := b.desk.clock(at), b.day(at), b.ago(at), b.moment(at); clock != tc.clock || day != tc.day || ago != tc.ago || moment != tc.moment {
			t.Errorf("%s: %q, %q, %q, %q", tc.at, clock, day, ago, moment)
		}
	}
	before, after := &state.Message{At: time.Date(2026, 7, 15, 21, 59, 0, 0, time.UTC)}, &state.Message{At: time.Date(2026, 7, 15, 22, 0, 0, 0, time.UTC)}
	if b.together(before, after) {
		t.Error("midnight is between them")
	}
}

// A page lives through a flight and through midnight.
func TestNewDay(t *testing.T) {
	b := sit(t)
	b.where = load(t, "Europe/Berlin")
	b.clock = time.Date(2026, 3, 2, 22, 30, 0, 0, time.UTC)
	b.receive(grace, "good evening")
	b.sig("open", grace, "")
	sees := func(what string) {
		t.Helper()
		if html := b.html(); !strings.Contains(html, what) {
			t.Errorf("not on the page: %q\n%s", what, html)
		}
	}
	sees(`title="2 March 2026, 23:30:01"`)
	sees("Today")
	turn := b.turn
	b.clock = b.clock.Add(time.Hour)
	b.sig("day", "", "")
	sees("Yesterday")
	b.where = load(t, "Asia/Kathmandu")
	b.sig("day", "", "")
	sees(`title="3 March 2026, 04:15:01"`)
	sees("Today")
	if b.turn != turn+2 {
		t.Error("messages are not drawn again")
	}
}
