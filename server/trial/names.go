package trial

// Namespaces of what this server understands.
const (
	nsSASL        = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2       = "urn:xmpp:sasl:2" // XEP-0388
	nsFAST        = "urn:xmpp:fast:0" // XEP-0484
	nsBind        = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2       = "urn:xmpp:bind:0" // XEP-0386
	nsSession     = "urn:ietf:params:xml:ns:xmpp-session"
	nsLimits      = "urn:xmpp:stream-limits:0" // XEP-0478
	nsSM          = "urn:xmpp:sm:3"            // XEP-0198
	nsRoster      = "jabber:iq:roster"
	nsInfo        = "http://jabber.org/protocol/disco#info"  // XEP-0030
	nsItems       = "http://jabber.org/protocol/disco#items" // XEP-0030
	nsPing        = "urn:xmpp:ping"                          // XEP-0199
	nsVersion     = "jabber:iq:version"                      // XEP-0092
	nsTime        = "urn:xmpp:time"                          // XEP-0202
	nsCarbons     = "urn:xmpp:carbons:2"                     // XEP-0280
	nsForward     = "urn:xmpp:forward:0"                     // XEP-0297
	nsArchive     = "urn:xmpp:mam:2"                         // XEP-0313
	nsPaging      = "http://jabber.org/protocol/rsm"         // XEP-0059
	nsForm        = "jabber:x:data"                          // XEP-0004
	nsStanzaID    = "urn:xmpp:sid:0"                         // XEP-0359
	nsDelay       = "urn:xmpp:delay"                         // XEP-0203
	nsHints       = "urn:xmpp:hints"                         // XEP-0334
	nsStates      = "http://jabber.org/protocol/chatstates"  // XEP-0085
	nsReceipts    = "urn:xmpp:receipts"                      // XEP-0184
	nsMarkers     = "urn:xmpp:chat-markers:0"                // XEP-0333
	nsOffline     = "msgoffline"                             // XEP-0160
	nsOccupant    = "urn:xmpp:occupant-id:0"                 // XEP-0421
	nsReply       = "urn:xmpp:reply:0"                       // XEP-0461
	nsPubSub      = "http://jabber.org/protocol/pubsub"      // XEP-0060
	nsPubSubOwner = nsPubSub + "#owner"
	nsEvent       = nsPubSub + "#event"
	nsCaps        = "http://jabber.org/protocol/caps" // XEP-0115
	nsBookmarks   = "urn:xmpp:bookmarks:1"            // XEP-0402
	nsMUC         = "http://jabber.org/protocol/muc"  // XEP-0045
	nsUser        = nsMUC + "#user"
	nsAdmin       = nsMUC + "#admin"
	nsOwner       = nsMUC + "#owner"
	nsRoomConfig  = nsMUC + "#roomconfig"
	nsVoice       = nsMUC + "#request"
	nsRoomInfo    = nsMUC + "#roominfo"
	nsSelfPing    = nsMUC + "#self-ping-optimization" // XEP-0410
	nsModerate    = "urn:xmpp:message-moderate:1"     // XEP-0425
	nsRetract     = "urn:xmpp:message-retract:1"      // XEP-0424
	nsModerateOld = "urn:xmpp:message-moderate:0"
	nsRetractOld  = "urn:xmpp:message-retract:0"
	nsFasten      = "urn:xmpp:fasten:0"                         // XEP-0422
	nsValidate    = "http://jabber.org/protocol/xdata-validate" // XEP-0122
	nsRegister    = "jabber:iq:register"                        // XEP-0077
	nsCard        = "vcard-temp"                                // XEP-0054
	nsHats        = "urn:xmpp:hats:0"                           // XEP-0317
)
