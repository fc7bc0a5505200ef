package chat

import "natter/framing"

const (
	nsEME      = "urn:xmpp:eme:0"
	nsFallback = "urn:xmpp:fallback:0"
)

// cipherOf is what messages of a namespace are encrypted with (XEP-0380 §3.2), "" if none is
// known. Who sends one with a name of their own is not quoted: these are our words.
func cipherOf(space string) string {
	switch space {
	case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2":
		return "OMEMO"
	case "urn:xmpp:openpgp:0", "jabber:x:encrypted":
		return "OpenPGP"
	case "urn:xmpp:otr:0":
		return "OTR"
	}
	return ""
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
				cipher = cipherOf(el.Attr("namespace"))
			}
		case local == "encrypted" && cipherOf(space) == "OMEMO" && el.Child(space, "payload") == nil:
			return "" // it only brings devices together (XEP-0384 §5.5.3)
		case cipherOf(space) != "":
			encrypted, cipher = true, cipherOf(space)
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
