// Package stream keeps a bound stream going while its sockets come and go.
//
// It answers and matches what belongs to the stream itself (IQ replies by id and
// sender, Stream Management, pings, stream errors) and hands everything else on
// as Events, which its owner reads from one channel on one goroutine. After a
// lost socket it connects again by itself, resumes the stream where the server
// still has it (XEP-0198), and says so only when something was really lost.
//
// What a server has received is known only if it says so. Every stanza stays in the
// queue until then and ends as Acknowledged or Unsent, unless its answer matters
// more: a Request always ends as Replied.
//
// One goroutine, that of Run, owns all state. Its loop waits for a job in the
// mailbox, an element from the reader of the socket, the writer to be free, or the
// owner to take the next event; all queues between them are the loop's own, so
// nobody can hold up anybody, and the only thing that ever has to wait is the
// server: it is not read from while the owner has fallen far behind.
//
// What must outlive the page (the unacknowledged queue, the counters) can be
// taken out with Snapshot and put back with Config.Restore.
package stream
