package framing

// Namespaces of the frames themselves.
const (
	NSFraming       = "urn:ietf:params:xml:ns:xmpp-framing"        // RFC 7395: open and close, client to server
	NSFramingServer = "urn:ietf:params:xml:ns:xmpp-framing-server" // XEP-0468: the same between servers
	NSClient        = "jabber:client"
	NSServer        = "jabber:server"
	NSDialback      = "jabber:server:dialback"
	NSStream        = "http://etherx.jabber.org/streams" // features and stream errors
	NSStreamError   = "urn:ietf:params:xml:ns:xmpp-streams"
	NSStanzaError   = "urn:ietf:params:xml:ns:xmpp-stanzas"
	NSXML           = "http://www.w3.org/XML/1998/namespace"
)
