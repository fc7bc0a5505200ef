package chat

import "natter/framing"

const (
	nsEME      = "urn:xmpp:eme:0"
	nsFallback = "urn:xmpp:fallback:0"
)

// cipherOf returns the name of the encryption of a namespace (XEP-0380 §3.2), "" if it is
// unknown. The name that a sender gives is never shown: it could be any text.
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

// unreadable returns the notice for a message without a body, "" if the person need not know
// of it.
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
			return "" // it only sets up the keys of devices (XEP-0384 §5.5.3)
		case cipherOf(space) != "":
			encrypted, cipher = true, cipherOf(space)
		case local == "fallback" && space == nsFallback:
			fallback = true
		case local == "propose" && space == "urn:xmpp:jingle-message:0":
			return "This was a call. Natter cannot take calls."
		}
	}
	switch {
	case encrypted && mine:
		return "This message is encrypted" + withCipher(cipher) + ". Natter cannot read it. The device that sent it can."
	case encrypted:
		return "This message is encrypted" + withCipher(cipher) + ". Natter cannot read it. Ask for it to be sent again without encryption."
	case fallback:
		return "This message has something in it that Natter cannot show. Another app may show it."
	}
	return ""
}

func withCipher(cipher string) string {
	if cipher == "" {
		return ""
	}
	return " with " + cipher
}
