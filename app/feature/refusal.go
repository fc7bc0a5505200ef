package feature

import (
	"errors"

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

// refusals has the stanza errors (RFC 6120 §8.3.3) that help a person.
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
