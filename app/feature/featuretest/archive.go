package featuretest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// This file has a short form for the queries of archives and their answers (XEP-0313). Each line stands for one stanza;
// a stanza without a short form is written as it is.
//
// Asked:
//
//	id1: the newest 50
//	id1: 50 after a3
//
// Answered, id | time | from | body:
//
//	a1 | 01:00 | grace@localhost/phone | one
//	complete, a1 to a3      the archive says that there is no more
//	more, a1 to a3          there is more in the direction of the query
//	complete                an empty page
//
// Messages are from ada@localhost to grace@localhost, or from somebody else to ada@localhost. The id of a message is m and
// its archive id: ma1. The time is on the day on which stories begin.
const (
	longResult = `<message xmlns="jabber:client"><result xmlns="urn:xmpp:mam:2" queryid="%s" id="%s"><forwarded xmlns="urn:xmpp:forward:0">` +
		`<delay xmlns="urn:xmpp:delay" stamp="%s"/><message xmlns="jabber:client" from="%s" to="%s" type="chat" id="m%[2]s"><body>%[6]s</body></message></forwarded></result></message>`
	longFin   = `<iq xmlns="jabber:client" type="result" id="%s"><fin xmlns="urn:xmpp:mam:2" complete="%t"><set xmlns="http://jabber.org/protocol/rsm">%s</set></fin></iq>`
	longQuery = `<iq xmlns="jabber:client" type="set" id="%s"><query xmlns="urn:xmpp:mam:2" queryid="%s"><set xmlns="http://jabber.org/protocol/rsm"><max>%s</max>%s</set></query></iq>`
)

var (
	fin     = regexp.MustCompile(`^(complete|more)(?:, (\S+) to (\S+))?$`)
	queryOf = regexp.MustCompile(`queryid="([^"]+)".*<max>(\d+)</max>(?:<before/>|<after>([^<]*)</after>)`)
)

// longAnswer returns the stanza that a line of an answer stands for.
func longAnswer(t *testing.T, query, line string) string {
	t.Helper()
	if strings.HasPrefix(line, "<") {
		return line
	}
	if m := fin.FindStringSubmatch(line); m != nil {
		page := ""
		if m[2] != "" {
			page = fmt.Sprintf("<first>%s</first><last>%s</last>", m[2], m[3])
		}
		return fmt.Sprintf(longFin, after(query), m[1] == "complete", page)
	}
	cells := strings.SplitN(line, " | ", 4)
	if len(cells) != 4 {
		t.Fatalf("neither id | time | from | body nor the end of an answer: %s", line)
	}
	at, err := time.Parse("15:04", cells[1])
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	stamp := Noon.Truncate(24 * time.Hour).Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
	to := "ada@localhost"
	if strings.HasPrefix(cells[2], to) {
		to = "grace@localhost"
	}
	return fmt.Sprintf(longResult, query, cells[0], stamp.Format(time.RFC3339), cells[2], to, cells[3])
}

// shortQuery returns a query of the archive in short, if that says all of it.
func shortQuery(doc string) string {
	m := queryOf.FindStringSubmatch(doc)
	if m == nil {
		return doc
	}
	short, page := fmt.Sprintf("%s: the newest %s", m[1], m[2]), "<before/>"
	if !strings.Contains(doc, page) {
		short, page = fmt.Sprintf("%s: %s after %s", m[1], m[2], m[3]), "<after>"+m[3]+"</after>"
	}
	if doc != fmt.Sprintf(longQuery, after(m[1]), m[1], m[2], page) {
		return doc
	}
	return short
}

// after returns the id that the client makes after this one: of the request with the query.
func after(id string) string {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "id"))
	return fmt.Sprintf("id%d", n+1)
}
