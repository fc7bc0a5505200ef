package chat

import "natter/framing"

const (
	nsEME      = "urn:xmpp:eme:0"
	nsFallback = "urn:xmpp:fallback:0"
)

// ciphers are what messages are encrypted with, by namespace (XEP-0380 §3.2). Who sends one
// with a name of their own is not quoted: these are our words.
var ciphers = map[string]string{
	"eu.siacs.conversations.axolotl": "OMEMO",
	"urn:xmpp:omemo:1":               "OMEMO",
	"urn:xmpp:omemo:2":               "OMEMO",
	"urn:xmpp:openpgp:0":             "OpenPGP",
	"jabber:x:encrypted":             "OpenPGP",
	"urn:xmpp:otr:0":                 "OTR",
}

// unreadable says what a message without a body has brought that a person should know of,
// "" if that is nothing.
func unreadable(message *framing.Element, mine bool) string {
	encrypted, cipher, fallback := false, "", false
	for _, el := range message.Elements() {
		switch space, local := el.Name.Space, el.Name.Local; {
		case local == "encryption" && space == nsEME:
			encrypted = true
			if cipher == "" {
				cipher = ciphers[el.Attr("namespace")]
			}
		case local == "encrypted" && ciphers[space] == "OMEMO" && el.Child(space, "payload") == nil:
			return "" // it only brings devices together (XEP-0384 §5.5.3)
		case ciphers[space] != "":
			encrypted, cipher = true, ciphers[space]
		case local == "fallback" && space == nsFallback:
			fallback = true
		case local == "propose" && space == "urn:xmpp:jingle-message:0":
			return "This was a call. Natter cannot take calls."
		case local == "x" && space == "jabber:x:conference":
			return "This is an invitation to a room. Natter cannot enter rooms."
		}
	}
	switch {
	case encrypted && mine:
		return "This message is encrypted" + with(cipher) + ". Natter cannot read it. The device that sent it can."
	case encrypted:
		return "This message is encrypted" + with(cipher) + ". Natter cannot read it. Ask for it to be sent again without encryption."
	case fallback:
		return "This message has something in it that Natter cannot show. Another app may show it."
	}
	return ""
}

func with(cipher string) string {
	if cipher == "" {
		return ""
	}
	return " with " + cipher
}
