package state

import (
	"cmp"
	"slices"
	"time"
)

// PageSize is how many messages a page of an archive has: more than a screen shows, and few enough to
// arrive fast on a phone.
const PageSize = 50

const (
	// few is after how many forward pages with a new message a catch-up reads the newest page.
	few = 3
	// known is the same for forward pages of any kind.
	known = 20
	// mostPages is how many pages a catch-up reads at most: messages of months. The rest is
	// a gap, and the catch-up of the next stream reads on there.
	mostPages = 100
	// settling is how long an archive may still file a message before others that it has.
	// ejabberd files a message when the session of its addressee takes it. If connections are
	// lost one after the other, each session waits for the one before it: 16 minutes were seen.
	settling = 30 * time.Minute
	// unsettled bounds the messages of that time that a catch-up reads again.
	unsettled = 2 * PageSize
	// overlap is added to both ends when an archive is asked by time, because its clock may have
	// been set.
	overlap = 10 * time.Second
)

// Ask says which page an archive is asked for (XEP-0313 §4).
type Ask struct {
	Backward      bool   // the last messages before Before, not the first after After
	Before, After string // ids of the archive, "" for its end and its beginning
	Start, End    time.Time
	Max           int
	Fills         bool   // the page fills a gap
	Gap           string // that gap: Gap.After.ID
}

// Page is the answer of an archive to an Ask.
type Page struct {
	Results  []Edge // all results in the archive's order, also those that are no message to us
	Messages map[ConvID][]Message
	Complete bool // the archive has nothing beyond them, in the direction of reading
	Unknown  bool // the archive does not know the id of the Ask (item-not-found); all else is empty
	Broken   bool // the answer contradicts itself
}

// Plan decides how an archive is read: Next returns which page to ask for, Learn returns the events
// that follow from the answer. A Plan asks nobody itself. It depends only on the coverage, so it
// may be given up at any time. Each part of an archive has at most one Plan under way.
//
// A catch-up reads forward from the end of the coverage. After a few pages it reads the newest page,
// so that the person sees that early, and then fills the gap between, from its newer end.
//
// An archive may file a message before others that were read already. ejabberd gives a message its id,
// a time, when it routes it, and files it later, when the session of the addressee takes it. So
// the messages of the newest half hour (settling) are read and shown, but do not count as covered:
// the next catch-up reads them again, though no more than unsettled. All that came after
// Coverage.Settled is read again by a review (NewReview).
type Plan struct {
	Part Part
	Past bool // the messages of the next page count as read: they are older than the first catch-up

	step  step
	from  string    // confirm: the id to look for; review: the id to read after, "" to use since
	since time.Time // review: the time to read from
	gap   string    // the gap that is filled, or that is left if the plan ends now: Gap.After.ID
	conv  ConvID    // the conversation of the gap, "" for one of the whole archive
	now   Gap       // the gap as it was when the page was asked for
	brief bool      // the plan fills no gaps
	left  int       // how many pages of the gap may still be read
	pages int
	news  int             // how many pages had a new message
	seen  map[string]bool // where pages began and ended
	// probe is true when the plan should check whether the archive still has the message before
	// the gap, and probed when it has done so.
	probe, probed bool
	// cursor is the id before which the next page is read. It is set while pages that were asked
	// for by time have only brought messages from after the gap.
	cursor string
	// fresh are the results after the last range that are too new to be part of it.
	fresh  []Edge
	owners map[string]ConvID // the conversations of the messages on forward pages, by archive id
	// sure is true if the reading began where the archive was settled. tail are the results since
	// then that are not settled.
	sure bool
	tail []Edge
	// aside is true for a review that begins somewhere after what is settled, so that it does not settle more.
	aside bool
	// tails and heads are the archive ids between which a page stands in each conversation: of the
	// last message before the gap, and of the first after it.
	tails, heads map[ConvID]string
	// ends are the archive ids of the last messages of others on the forward pages.
	ends map[ConvID]string
	// floored is Chat.Floored of the conversation when the page was asked for.
	floored uint64
}

// step says what a Plan reads next.
type step int

const (
	done     step = iota
	forward       // after the last range, and after fresh
	confirm       // the last message, to see whether the archive has nothing more or has forgotten our id
	newest        // the last page; if it does not adjoin a range, there is a gap
	closing       // nothing: it chooses the newest gap that is left
	backward      // a gap, from its newer end
	probing       // one message after the id before the gap, to see whether the archive has forgotten that id
	review        // once more the messages that were not settled when they were read
	around        // the page before a place in a gap
	beyond        // the page after that place
)

func newPlan(part Part) *Plan {
	return &Plan{Part: part, seen: map[string]bool{}, owners: map[string]ConvID{}, heads: map[ConvID]string{}, ends: map[ConvID]string{}}
}

// Gap returns Gap.After.ID of the gap that the plan fills, or that is left if the plan ends now.
func (p *Plan) Gap() string { return p.gap }

// Next returns which page to ask for. It returns false when the plan is done.
func (p *Plan) Next(s *State) (Ask, bool) {
	p.floored = p.lastPrune(s)
	for {
		cover := s.Coverage(p.Part)
		ranges := cover.Ranges
		switch p.step {
		case forward:
			last := ranges.end()
			p.gap = last.ID
			if n := len(p.fresh); n > 0 {
				last = p.fresh[n-1]
			}
			return Ask{After: last.ID, Max: PageSize}, true
		case confirm:
			return Ask{Backward: true, Max: 1}, true
		case newest:
			p.brief, p.Past = false, len(ranges) == 0 && cover.Cut.ID == ""
			if !p.Past {
				p.gap = ranges.end().ID
			}
			return Ask{Backward: true, Max: PageSize}, true
		case review:
			if p.from != ranges.end().ID {
				return Ask{After: p.from, Start: p.since, Max: PageSize}, true
			}
			p.step, p.sure, p.news, p.pages = forward, !p.aside, 0, 0
			p.seen, p.ends = map[string]bool{}, map[ConvID]string{}
		case closing:
			if len(ranges) < 2 || p.brief {
				return Ask{}, false
			}
			if after := ranges[len(ranges)-2].To.ID; after != p.gap {
				p.gap, p.tails, p.heads = after, nil, map[ConvID]string{}
			}
			p.step, p.left = backward, mostPages-p.pages
		case backward:
			gap := p.find(s)
			switch {
			case gap == nil && p.conv == "":
				p.step = closing
				continue
			case gap != nil && p.probe && !p.probed && gap.After.ID != "" && gap.Before.At.Before(gap.After.At.Add(-overlap)):
				p.step, p.probed = probing, true
				continue
			case gap == nil || p.left <= 0:
				return Ask{}, false
			}
			p.now = *gap
			return p.fill(gap), true
		case around:
			return Ask{Backward: true, Before: p.from, End: p.since, Max: PageSize, Fills: true, Gap: p.gap}, true
		case beyond:
			return Ask{After: p.cursor, Max: PageSize, Fills: true, Gap: p.gap}, true
		case probing:
			return Ask{After: p.gap, Max: 1, Fills: true, Gap: p.gap}, true
		default:
			return Ask{}, false
		}
	}
}

// Learn returns the events of a page that has come. whole is false if the page is broken, or repeats
// an earlier one. Then its messages are taken, but the coverage does not grow.
func (p *Plan) Learn(s *State, k Ask, page Page) (_ []Event, whole bool) {
	if !page.Unknown {
		p.pages++
		if page.Broken || p.again(k, page) {
			return p.deliver(s, page, true, false), false
		}
	}
	if p.lastPrune(s) != p.floored {
		return p.anew(s, page), true
	}
	none := page.Unknown || len(page.Results) == 0
	switch p.step {
	case forward:
		switch {
		case page.Unknown && k.After != "":
			p.step = newest
			return []Event{ArchiveForgot{p.Part, k.After}}, true
		case page.Unknown:
			return nil, false
		case none && k.After != "":
			p.step, p.from = confirm, k.After // Prosody 13 gives the same answer to both
			return nil, true
		}
		return p.onward(s, page), true
	case confirm:
		switch {
		case page.Unknown:
			return nil, false
		case len(page.Results) == 1 && page.Results[0].ID == p.from:
			p.step = closing
			last := s.Coverage(p.Part).Ranges.end()
			return p.add(s, page, Reading{After: last.ID, From: last, End: true}, false), true
		}
		p.step = newest
		return nil, true
	case newest:
		if page.Unknown {
			return nil, false
		}
		return p.last(s, page), true
	case backward:
		if none && k.Before != "" && k.Before == p.now.Before.ID {
			// Some archives answer an unknown id with an empty page. Next asks by time now.
			return []Event{ArchiveForgot{p.Part, k.Before}}, true
		}
		if page.Unknown || none && p.cursor != "" {
			return nil, false // the page before was not complete, so there must be more
		}
		return p.before(s, k, page), true
	case around, beyond:
		return p.beside(s, page), true
	case probing:
		p.step, p.probe = backward, false
		if none {
			return []Event{ArchiveForgot{p.Part, k.After}}, true
		}
		return nil, true
	}
	return p.over(s, page), true
}

// lastPrune returns Chat.Floored of the conversation whose coverage a prune (Forgotten) takes away from the plan.
func (p *Plan) lastPrune(s *State) uint64 {
	id := p.conv
	if id == "" {
		id = Groupchat.With(p.Part.Archive)
	}
	if c := s.Chat(id); c != nil {
		return c.Floored
	}
	return 0
}

// anew learns from a page that was asked for before a prune took the coverage away, so that it adjoins nothing. A
// catch-up begins once more, with the newest page; the gap that was being filled is another one now.
func (p *Plan) anew(s *State, page Page) []Event {
	events := p.deliver(s, page, true, false)
	p.step = done
	if p.conv == "" {
		p.step, p.sure, p.cursor, p.fresh, p.tail, p.seen = newest, true, "", nil, nil, map[string]bool{}
	}
	return events
}

// reading returns the Reading of results that follow each other in the archive.
func reading(all []Edge, owners map[string]ConvID) (r Reading) {
	r.owners = owners
	for _, e := range all {
		r.IDs = append(r.IDs, e.ID)
	}
	if n := len(all); n > 0 {
		r.From, r.To = all[0], all[n-1]
	}
	return r
}

// owners adds the conversation of each message of the page to all, by archive id, and returns it.
func (page Page) owners(all map[string]ConvID) map[string]ConvID {
	if all == nil {
		all = map[string]ConvID{}
	}
	for conv, messages := range page.Messages {
		for i := range messages {
			all[messages[i].ArchiveID] = conv
		}
	}
	return all
}

// again reports whether a page repeats another: it has the message before or after which it was asked
// for, or it begins or ends where an earlier one did.
func (p *Plan) again(k Ask, page Page) bool {
	n := len(page.Results)
	if n == 0 || k.Max < PageSize {
		return false
	}
	end := "to " + page.Results[n-1].ID
	if k.Backward {
		end = "from " + page.Results[0].ID
	}
	has := func(id string) bool {
		return id != "" && slices.ContainsFunc(page.Results, func(e Edge) bool { return e.ID == id })
	}
	if p.seen[end] || has(k.Before) || has(k.After) {
		return true
	}
	p.seen[end] = true
	return false
}

// add returns the events that put a page into its conversations, and then into the coverage.
func (p *Plan) add(s *State, page Page, read Reading, older bool) []Event {
	return append(p.deliver(s, page, older, true), ArchiveRead{p.Part, read})
}

// begins notes in p.heads where a page begins in each conversation: the next page that is read backward
// comes right before it. Messages of ours do not count, because they get their place when we
// write them.
func (p *Plan) begins(page Page) {
	for id, messages := range page.Messages {
		if i := slices.IndexFunc(messages, func(m Message) bool { return !m.Mine }); i >= 0 {
			p.heads[id] = messages[i].ArchiveID
		}
	}
}

// deliver returns the events that put a page into its conversations. Only for a page that is whole
// they say between which messages it stands.
func (p *Plan) deliver(s *State, page Page, older, whole bool) (events []Event) {
	ids := make([]ConvID, 0, len(page.Messages))
	for id := range page.Messages {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	news := false
	for _, id := range ids {
		messages, chat := page.Messages[id], s.Chat(id)
		for i := range messages {
			news = news || chat == nil || chat.Timeline.Find(&messages[i]) == nil
		}
		ev := ArchivePage{Conv: id, Messages: messages, Older: older, Last: p.step == newest, Unread: !p.Past}
		switch {
		case older && whole:
			ev.After, ev.Before = cmp.Or(p.tails[id], p.gap), p.heads[id]
			if ev.Before == "" && chat != nil {
				if m := chat.Timeline.Archived(p.now.Before.ID); m != nil && !m.Mine {
					ev.Before = m.ArchiveID
				}
			}
		case !older:
			ev.After = p.ends[id]
			ev.Apart = p.step == newest || p.step == review && ev.After == ""
		}
		for i := range messages {
			if m := &messages[i]; !older && !m.Mine {
				p.ends[id] = m.ArchiveID
			}
		}
		events = append(events, ev)
	}
	if news {
		p.news++
	}
	if whole {
		p.begins(page)
	}
	return events
}
