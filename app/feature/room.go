package feature

import (
	"errors"

	"natter/app/jid"
	"natter/app/state"
	"natter/framing"
)

// AnswerRoom emits state.RoomAnswered: the answer of a room to what the person wanted of it. An err of
// nil means that it was done. Else the person reads what, for example "The subject was not changed.",
// and a reason: the sentence that why has for the condition of the stanza error, else a general one.
func AnswerRoom(c Client, room jid.JID, to state.Wish, err error, what string, why map[string]string) {
	var problem *state.Problem
	if err != nil {
		problem = &state.Problem{Text: what, Advice: WhyNot(err, why)}
	}
	c.Emit(state.RoomAnswered{Room: room, To: to, Problem: problem})
}

// ErrSilent is the error of a room that does not answer.
var ErrSilent = errors.New("the room does not answer")

// WhyNot returns a sentence that says why a room has not done something. The sentences of why, by the condition of
// the stanza error, come before the general ones.
func WhyNot(err error, why map[string]string) string {
	var refused *framing.StanzaError
	switch {
	case errors.As(err, &refused):
		for _, sentences := range []map[string]string{why, roomRefusals} {
			if sentence, ok := sentences[refused.Condition]; ok {
				return sentence
			}
		}
		return "The room did not accept it."
	case errors.Is(err, ErrSilent):
		return "The room does not answer. Try again later."
	}
	if refusal := Refusal(err); refusal != "" {
		return refusal
	}
	return "The connection was lost before the room answered. Look whether it is so, and try again."
}

// roomRefusals is refusals for the answers of a room.
var roomRefusals = map[string]string{
	"forbidden":               "You may not do that in this room.",
	"not-allowed":             "The room does not allow it.",
	"not-authorized":          "You may not do that in this room.",
	"not-acceptable":          "The room does not accept it.",
	"policy-violation":        "The room does not accept it.",
	"item-not-found":          "There is no such person in this room.",
	"service-unavailable":     "This room cannot do that.",
	"feature-not-implemented": "This room cannot do that.",
	"internal-server-error":   "Something is wrong with the room. Try again later.",
	"resource-constraint":     "The room is busy. Try again later.",
	"remote-server-timeout":   "The room's server does not answer. Try again later.",
	"remote-server-not-found": "The room's server could not be found.",
}
