package view

import "time"

// clock is a time of day.
func (d *desk) clock(t time.Time) string {
	if d.platform.Hour12() {
		return t.Local().Format("3:04 PM")
	}
	return t.Local().Format("15:04")
}

// ago is a short time for the list: the clock for today, then the day.
func (d *desk) ago(t time.Time) string {
	now := d.now().Local()
	switch days := daysBetween(t.Local(), now); {
	case days <= 0:
		return d.clock(t)
	case days == 1:
		return "Yesterday"
	case days < 7:
		return t.Local().Format("Mon")
	case t.Local().Year() == now.Year():
		return t.Local().Format("2 Jan")
	}
	return t.Local().Format("2 Jan 2006")
}

// day is how a day is called above its messages.
func (d *desk) day(t time.Time) string {
	now := d.now().Local()
	switch days := daysBetween(t.Local(), now); {
	case days == 0:
		return "Today"
	case days == 1:
		return "Yesterday"
	case days > 0 && days < 7:
		return t.Local().Format("Monday")
	case t.Local().Year() == now.Year():
		return t.Local().Format("Monday, 2 January")
	}
	return t.Local().Format("2 January 2006")
}

// daysBetween counts midnights from a to b.
func daysBetween(a, b time.Time) int {
	return int(midnight(b).Sub(midnight(a)).Hours() / 24)
}

// midnight forgets the zone, so that every day has 24 hours.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
