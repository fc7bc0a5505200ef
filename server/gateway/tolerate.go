package gateway

import (
	"context"
	"strings"

	"natter/framing"
)

// tolerant is the socket of another server, which reads what the two implementations of
// XEP-0468 before this one send and no strict reader takes. What it understands becomes
// what should have been sent; all else is left as it is, for the stream to refuse. Nothing
// of it is ever sent by us, and clients have no part in it.
type tolerant struct {
	framing.Socket
	begun bool
	note  func(exception string) // of one that was made
}

// The exceptions, as they are named in the log.
const (
	closeOfClients   = "close-of-clients"  // <close/> in the namespace of RFC 7395 (xmpp-proxy)
	headerOfTCP      = "header-of-tcp"     // <stream:stream …> instead of <open/> (mod_websocket_s2s_peertubelivechat)
	withoutNamespace = "without-namespace" // stanzas and dialback without xmlns (the same)
	prefixOfHeader   = "prefix-of-header"  // db: declared on the header only (both)
)

// Read implements framing.Socket.
func (t *tolerant) Read(ctx context.Context) (string, error) {
	doc, err := t.Socket.Read(ctx)
	if err != nil {
		return "", err
	}
	better, exception := tolerate(doc, !t.begun)
	t.begun = true
	if exception != "" {
		t.note(exception)
		return better, nil
	}
	return doc, nil
}

// tolerate returns what a message should have been, and which exception was made, "" if
// none.
func tolerate(doc string, first bool) (better, exception string) {
	e, err := framing.Parse(doc, framing.Limits{})
	switch {
	case err == nil && e.Is(framing.NSFraming, "close"):
		return framing.Close(framing.NSFramingServer, e.Attr("see-other-uri")).String(), closeOfClients
	case err == nil && e.Name.Space != "":
		return "", ""
	}
	if first {
		r := framing.NewStreamReader(strings.NewReader(doc), framing.Limits{})
		e, err := r.Next()
		open, ok := framing.ReadHeader(e)
		if err != nil || !ok || r.Space() != framing.NSServer || r.Buffered() > 0 {
			return "", ""
		}
		return open.Element(framing.NSFramingServer).String(), headerOfTCP
	}
	// The message as a part of a stream whose header declares what every server's does.
	exception = withoutNamespace
	if err != nil {
		exception = prefixOfHeader
	}
	var header framing.Open
	r := framing.NewStreamReader(strings.NewReader(string(header.AppendHeader(nil, framing.NSServer))+doc), framing.Limits{})
	if _, err := r.Next(); err != nil {
		return "", ""
	}
	e, err = r.Next()
	if err != nil || r.Buffered() > 0 || !isStanza(e) && e.Name.Space != framing.NSDialback {
		return "", ""
	}
	return e.String(), exception
}
