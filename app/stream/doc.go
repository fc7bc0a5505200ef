// Package stream keeps a bound stream going while its sockets come and go.
//
// Stream handles what belongs to the stream itself: replies to IQs (matched by id and
// sender), Stream Management, pings, stream errors. Everything else becomes an Event. The
// owner reads Events from one channel on one goroutine. After a socket is lost, the Stream
// connects again by itself and resumes, if the server still has the stream (XEP-0198).
// Online.Resumed tells whether anything was lost.
//
// A stanza of ours stays in the queue until the server confirms it, because nothing else
// proves that it arrived. Then it ends as Acknowledged, or as Unsent if that can no longer
// be known. A Request always ends as Replied.
//
// Run's goroutine owns all state. Its loop waits for a job in the mailbox, an element from
// the reader of the socket, the writer, or the owner taking the next event. All queues
// between them belong to the loop, so none of them ever waits for another. Only the server
// may have to wait: nothing is read while the owner is more than Config.Backlog behind.
//
// An owner that stores what must outlive the page does so once a turn: Snapshot has the counters
// and the order of the queue, Send returns each stanza of ours as it leaves, and Commit says
// that both are stored. Only then the server hears that we have what it sent, and our messages
// leave. Config.Restore puts all of it back.
package stream
