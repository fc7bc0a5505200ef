//go:build !js

package jid

import strict "mellium.im/xmpp/jid"

// parse is that of mellium.im/xmpp/jid, whose errors come back as they are.
func parse(s string) (JID, error) {
	j, err := strict.Parse(s)
	if err != nil {
		return "", err
	}
	return JID(j.String()), nil
}
