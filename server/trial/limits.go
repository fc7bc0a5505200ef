package trial

import (
	"time"
)

// Limits are the budgets that keep one client, or a server somebody forgot, from
// using up the machine (CVE-2021-32918). A zero field means that of DefaultLimits.
type Limits struct {
	Accounts     int
	Connections  int // at once, of everybody
	PerAddress   int // connections at once of one remote address
	Sessions     int // of one account, those waiting for a resume included
	Devices      int // of one account that have tokens; the one that expires first gives way
	Roster       int // contacts of one account
	Requests     int // of people who are not among them
	Servers      int // streams of other servers, domains on each of them, and domains that we have a stream to
	Archived     int // messages of one account or room; older ones give way
	Stored       int // bytes of all archives; the sender's oldest messages give way
	Offline      int // messages waiting for one account
	Queue        int // stanzas sent and not acknowledged (XEP-0198)
	Outbox       int // elements waiting for a client that does not read
	Page         int // archive results in one answer
	Rooms        int
	Made         int // rooms of one account's making
	Occupants    int // clients in one room
	Affiliations int // people a room knows, and invitations that nobody has answered
	Joined       int // rooms one session is in
	Nodes        int // of one account (XEP-0163)
	Items        int // of one node
	Published    int // bytes of one account's items
	Note         int // bytes of what a room keeps of somebody: a presence, a subject, a field of a form

	BytesBefore int // of one element before authentication (XEP-0478)
	BytesAfter  int // and after
	Depth       int
	Iterations  int // of PBKDF2; RFC 7677 §4 asks for 4096 at least

	Stanzas      float64 // a second, sustained
	StanzaBurst  float64
	Bytes        float64 // a second, sustained
	ByteBurst    float64
	Fanout       float64 // deliveries to others a second, sustained
	FanoutBurst  float64
	Failures     int // failed logins a minute from one address
	LoginRetries int // on one stream (RFC 6120 §6.4.5: at least 2, at most 5)
	BindRetries  int // on one stream (RFC 6120 §7.7.3: at least 5, at most 10)

	Login     time.Duration // from connection to session
	Idle      time.Duration // silence after which the connection counts as lost
	Resume    time.Duration // how long a lost stream can be resumed
	Write     time.Duration // for one message to be taken by the network
	Retention time.Duration // of messages
	Token     time.Duration // how long a token is good for (XEP-0484)
	Rotation  time.Duration // age at which a token that is used gets a successor
}

// DefaultLimits suit one machine and a handful of people.
var DefaultLimits = Limits{
	Accounts:     100,
	Connections:  200,
	PerAddress:   100,
	Sessions:     5,
	Devices:      20,
	Roster:       200,
	Requests:     100,
	Servers:      500,
	Archived:     5_000,
	Stored:       64 << 20,
	Offline:      100,
	Queue:        500,
	Outbox:       1_000,
	Page:         50,
	Rooms:        500,
	Made:         20,
	Occupants:    200,
	Affiliations: 200,
	Joined:       250,
	Nodes:        50,
	Items:        1_000,
	Published:    512 << 10,
	Note:         4 << 10,

	BytesBefore: 64 << 10,
	BytesAfter:  256 << 10,
	Depth:       64,
	Iterations:  10_000,

	Stanzas:      30,
	StanzaBurst:  100,
	Bytes:        20 << 10,
	ByteBurst:    256 << 10,
	Fanout:       100,
	FanoutBurst:  300,
	Failures:     10,
	LoginRetries: 3,
	BindRetries:  5,

	Login:     30 * time.Second,
	Idle:      10 * time.Minute,
	Resume:    5 * time.Minute,
	Write:     20 * time.Second,
	Retention: 24 * time.Hour,
	Token:     14 * 24 * time.Hour,
	Rotation:  24 * time.Hour,
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	for _, f := range []struct{ have, want *int }{
		{&d.Accounts, &l.Accounts}, {&d.Connections, &l.Connections}, {&d.PerAddress, &l.PerAddress},
		{&d.Sessions, &l.Sessions}, {&d.Devices, &l.Devices}, {&d.Roster, &l.Roster}, {&d.Requests, &l.Requests}, {&d.Servers, &l.Servers}, {&d.Archived, &l.Archived}, {&d.Stored, &l.Stored},
		{&d.Offline, &l.Offline}, {&d.Queue, &l.Queue}, {&d.Outbox, &l.Outbox}, {&d.Page, &l.Page},
		{&d.Rooms, &l.Rooms}, {&d.Made, &l.Made}, {&d.Occupants, &l.Occupants}, {&d.Affiliations, &l.Affiliations}, {&d.Joined, &l.Joined}, {&d.Note, &l.Note},
		{&d.Nodes, &l.Nodes}, {&d.Items, &l.Items}, {&d.Published, &l.Published},
		{&d.BytesBefore, &l.BytesBefore}, {&d.BytesAfter, &l.BytesAfter}, {&d.Depth, &l.Depth}, {&d.Iterations, &l.Iterations},
		{&d.Failures, &l.Failures}, {&d.LoginRetries, &l.LoginRetries}, {&d.BindRetries, &l.BindRetries},
	} {
		overlay(f.have, *f.want)
	}
	for _, f := range []struct{ have, want *float64 }{
		{&d.Stanzas, &l.Stanzas}, {&d.StanzaBurst, &l.StanzaBurst}, {&d.Bytes, &l.Bytes},
		{&d.ByteBurst, &l.ByteBurst}, {&d.Fanout, &l.Fanout}, {&d.FanoutBurst, &l.FanoutBurst},
	} {
		overlay(f.have, *f.want)
	}
	for _, f := range []struct{ have, want *time.Duration }{
		{&d.Login, &l.Login}, {&d.Idle, &l.Idle}, {&d.Resume, &l.Resume},
		{&d.Write, &l.Write}, {&d.Retention, &l.Retention}, {&d.Token, &l.Token}, {&d.Rotation, &l.Rotation},
	} {
		overlay(f.have, *f.want)
	}
	return d
}

func overlay[T comparable](have *T, want T) {
	var zero T
	if want != zero {
		*have = want
	}
}

// bucket is a token bucket. It may run into debt: one element can cost more than
// the burst, and then the next one waits until the debt is paid. Nothing is ever
// refused for being too fast, a fast client is read more slowly.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func newBucket(rate, burst float64, now time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, at: now}
}

// fill adds what has trickled in since the last call.
func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
		b.at = now
	}
}

// take pays n and returns how long to wait until the debt, if any, is paid.
func (b *bucket) take(now time.Time, n float64) time.Duration {
	b.fill(now)
	b.tokens -= n
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}
