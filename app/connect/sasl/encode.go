package sasl

import (
	"encoding/base64"
	"strings"
)

// strict refuses padding bits that are not zero. It still passes over line
// breaks, which decode refuses.
var strict = base64.StdEncoding.Strict()

func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(strings.IndexAny(text, "\r\n"))
	}
	return strict.DecodeString(text)
}

// Encode returns the text of a message: of any in SASL2, of <response/> in SASL.
// An empty message is no text.
func Encode(message []byte) string { return base64.StdEncoding.EncodeToString(message) }

// Decode reads the text of a challenge, or of any message in SASL2. Whitespace,
// foreign characters, misplaced padding and stray bits are a *ServerError
// (RFC 6120 §13.9.1).
func Decode(text string) ([]byte, error) {
	message, err := decode(text)
	if err != nil {
		return nil, &ServerError{BadEncoding, err.Error()}
	}
	return message, nil
}

// EncodeInitial returns the text of <auth/> in SASL: none for nil, "=" for a
// message that is there but empty (RFC 6120 §6.4.2).
func EncodeInitial(message []byte) string {
	if message != nil && len(message) == 0 {
		return "="
	}
	return Encode(message)
}

// DecodeOptional reads the text of <success/> in SASL, or of <auth/>, where no
// text means that there is no message and "=" one that is empty
// (RFC 6120 §6.4.6).
func DecodeOptional(text string) (message []byte, present bool, err error) {
	switch text {
	case "":
		return nil, false, nil
	case "=":
		return []byte{}, true, nil
	}
	message, err = Decode(text)
	return message, err == nil, err
}
