package feature

import (
	"errors"

	"natter/app/state"
	"natter/app/stream"
	"natter/framing"
)

// Refusal returns a sentence that says why the server refused a request. It is "" if err is
// no refusal, for example a lost connection, after which nobody knows the result.
func Refusal(err error) string {
	var refused *framing.StanzaError
	var large *stream.TooLargeError
	var ended *framing.StreamError
	switch {
	case errors.As(err, &refused):
		if why, ok := refusals[refused.Condition]; ok {
			return why
		}
	case errors.As(err, &large), errors.As(err, &ended):
	default:
		return ""
	}
	return "The server did not accept it."
}

// refusals has the sentence for each condition of a stanza error (RFC 6120 §8.3.3) that helps a person.
var refusals = map[string]string{
	"forbidden":               "The server does not allow it.",
	"internal-server-error":   "Something is wrong with the server. Try again later.",
	"item-not-found":          "There is nobody at this address.",
	"gone":                    "This address no longer exists.",
	"jid-malformed":           "This is not a valid address.",
	"not-allowed":             "The server does not allow it.",
	"not-authorized":          "The server does not allow it.",
	"policy-violation":        "The server does not allow it.",
	"remote-server-not-found": "The other server could not be found.",
	"remote-server-timeout":   "The other server does not answer. Try again later.",
	"resource-constraint":     "Your contact list is full, or the server is busy.",
}

// Bounced returns a sentence that says why a message of ours was sent back (RFC 6121 §8.5).
func Bounced(st *Stanza) string {
	condition := framing.ReadStanzaError(st.Element).Condition
	if st.Conv.Kind() == state.Private {
		switch condition {
		case "item-not-found", "recipient-unavailable", "gone":
			return Parted
		case "forbidden", "not-allowed", "policy-violation":
			return "This room does not let you write to one person alone."
		case "not-acceptable":
			return "You are not in this room any more."
		}
	}
	if why, known := bounces[condition]; known {
		return why
	}
	return "It could not be delivered."
}

// Outside reports whether a room has sent a message of ours back because we are not in it (XEP-0045 §7.4).
func Outside(st *Stanza) bool {
	return st.Conv.Kind() == state.Groupchat && framing.ReadStanzaError(st.Element).Condition == "not-acceptable"
}

// Parted is the sentence for a message to an occupant who is no longer in the room.
const Parted = "Not sent: nobody in the room has this nickname now."

// bounces is refusals for messages that were sent back.
var bounces = map[string]string{
	"item-not-found":          "There is nobody at this address.",
	"gone":                    "This address no longer exists.",
	"remote-server-not-found": "The other server could not be found.",
	"remote-server-timeout":   "The other server does not answer.",
	"service-unavailable":     "The other side does not accept messages right now.",
	"recipient-unavailable":   "The other side is not there.",
	"forbidden":               "You are not allowed to write to this address.",
	"not-allowed":             "You are not allowed to write to this address.",
	"not-authorized":          "You are not allowed to write to this address.",
	"not-acceptable":          "The other side does not accept this message.",
	"policy-violation":        "The server refused this message.",
	"resource-constraint":     "The other side's mailbox is full, or its server is busy.",
	"jid-malformed":           "This is not a valid address.",
}

// Stale is the sentence for a message that has become too old to be sent (see stream.ErrStale).
const Stale = "Not sent: the connection was lost, and that was a while ago."

// Unsent returns a sentence that says why a message has not left, or why nobody knows whether it has
// arrived.
func Unsent(err error) string {
	var tooLarge *stream.TooLargeError
	var refused *framing.StreamError
	switch {
	case errors.As(err, &tooLarge):
		return "It is too long for this server. Try to send it in parts."
	case errors.As(err, &refused):
		return "The server ended the connection over this message, twice. It is not sent again by itself."
	case errors.Is(err, stream.ErrStale):
		return Stale
	case errors.Is(err, ErrUnknown):
		return "The connection was lost, and the server does not say whether this has arrived."
	}
	return "There is no connection."
}
