package view

import "time"

// zone says what the person's clock and calendar show, as the browser has it. Go in a page
// does not know: it takes the offset of the moment at which the program started for all time.
type zone struct {
	offset func(time.Time) int // seconds east of UTC, Platform.Offset
	days   map[int64]int       // the offset of each day of UTC that has one from its beginning to its end
}

const aDay = 24 * time.Hour

// local returns a time with the fields that the person's clock shows at t. It is another
// instant than t.
func (z *zone) local(t time.Time) time.Time {
	begin := t.Truncate(aDay)
	offset, known := z.days[begin.Unix()]
	if !known {
		if offset = z.offset(begin); offset == z.offset(begin.Add(aDay-time.Second)) {
			z.days[begin.Unix()] = offset
		} else {
			offset = z.offset(t)
		}
	}
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant is when the person's clock shows what a time of UTC says.
func (z *zone) instant(t time.Time) time.Time {
	at := t.Add(-time.Duration(z.offset(t)) * time.Second)
	return t.Add(-time.Duration(z.offset(at)) * time.Second)
}

// newDay is told when the date or the zone is another. What is on the page has to be drawn
// again.
func (d *desk) newDay() {
	clear(d.zone.days)
	d.turn++
	d.rev++
}

// clock is a time of day.
func (d *desk) clock(t time.Time) string {
	if d.platform.Hour12() {
		return d.zone.local(t).Format("3:04 PM")
	}
	return d.zone.local(t).Format("15:04")
}

// moment is a time to the second.
func (d *desk) moment(t time.Time) string { return d.zone.local(t).Format("2 January 2006, 15:04:05") }

// ago is a short time for the list: the clock for today, then the day.
func (d *desk) ago(t time.Time) string {
	at, now := d.zone.local(t), d.zone.local(d.now())
	switch days := daysBetween(at, now); {
	case days <= 0:
		return d.clock(t)
	case days == 1:
		return "Yesterday"
	case days < 7:
		return at.Format("Mon")
	case at.Year() == now.Year():
		return at.Format("2 Jan")
	}
	return at.Format("2 Jan 2006")
}

// day is how a day is called above its messages.
func (d *desk) day(t time.Time) string {
	at, now := d.zone.local(t), d.zone.local(d.now())
	switch days := daysBetween(at, now); {
	case days == 0:
		return "Today"
	case days == 1:
		return "Yesterday"
	case days > 0 && days < 7:
		return at.Format("Monday")
	case at.Year() == now.Year():
		return at.Format("Monday, 2 January")
	}
	return at.Format("2 January 2006")
}

// daysBetween counts midnights from a to b, both of them local.
func daysBetween(a, b time.Time) int { return int(b.Truncate(aDay).Sub(a.Truncate(aDay)) / aDay) }
