package sasl

import "slices"

// Conditions of RFC 6120 §6.5.
const (
	Aborted              = "aborted"
	AccountDisabled      = "account-disabled"
	CredentialsExpired   = "credentials-expired"
	EncryptionRequired   = "encryption-required"
	IncorrectEncoding    = "incorrect-encoding"
	InvalidAuthzid       = "invalid-authzid"
	InvalidMechanism     = "invalid-mechanism"
	MalformedRequest     = "malformed-request"
	MechanismTooWeak     = "mechanism-too-weak"
	NotAuthorized        = "not-authorized"
	TemporaryAuthFailure = "temporary-auth-failure"
)

var conditions = []string{
	Aborted, AccountDisabled, CredentialsExpired, EncryptionRequired, IncorrectEncoding, InvalidAuthzid,
	InvalidMechanism, MalformedRequest, MechanismTooWeak, NotAuthorized, TemporaryAuthFailure,
}

// FailureError reports that the server refused the sign-in. Text is the server's own
// explanation; only the condition decides.
type FailureError struct{ Condition, Text string }

// NewFailure returns the failure with this condition. One that RFC 6120 does not
// know is not-authorized (RFC 6120 §6.5).
func NewFailure(condition, text string) *FailureError {
	if !slices.Contains(conditions, condition) {
		condition = NotAuthorized
	}
	return &FailureError{condition, text}
}

func (e *FailureError) Error() string {
	if e.Text == "" {
		return e.Condition
	}
	return e.Condition + ": " + e.Text
}

// Reason says which rule the server broke.
type Reason string

const (
	BadEncoding        Reason = "the message is not base64"
	BadMessage         Reason = "the message is malformed"
	BadNonce           Reason = "the nonce does not continue ours"
	BadSalt            Reason = "the salt is missing or too short"
	BadIterations      Reason = "the number of iterations is out of bounds"
	MandatoryExtension Reason = "it demands an extension we do not know"
	Downgraded         Reason = "the list of mechanisms has been changed on the way"
	BadSignature       Reason = "its signature is wrong, it does not know the password"
	NoSignature        Reason = "it did not sign"
	EarlySuccess       Reason = "it reports success before it has proven anything"
	Unexpected         Reason = "it sent what has no place there"
)

// ServerError reports a server that broke the rules of the mechanism, by mistake or
// because it does not know the password. A retry would end in the same way.
type ServerError struct {
	Reason Reason
	Detail string // for a log
}

func (e *ServerError) Error() string {
	s := "the server cannot be trusted: " + string(e.Reason)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// PrepError reports a name or password that no server could have stored: it is
// empty or has forbidden characters. It does not repeat them.
type PrepError struct{ What string } // "name", "password", and for what was kept "token" or "keys"

func (e *PrepError) Error() string {
	return "the " + e.What + " is empty or has characters that are not allowed"
}
