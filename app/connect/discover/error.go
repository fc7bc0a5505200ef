package discover

// Kind is why no endpoint was found.
type Kind string

const (
	BadEntry    Kind = "the server address that was entered is not usable"
	BadDomain   Kind = "this is not a domain"
	Unreachable Kind = "the domain does not answer, or does not let this page read the answer"
	Timeout     Kind = "the domain takes too long to answer"
	NoHostMeta  Kind = "the domain does not say where its chat server is"
	BadStatus   Kind = "the domain answers with an error"
	WebPage     Kind = "the domain answers with a web page where it should name its chat server"
	TooLong     Kind = "the answer of the domain is far too long"
	Malformed   Kind = "the answer of the domain is damaged"
	NoWebSocket Kind = "the domain names no server that a web page could reach"
	Insecure    Kind = "the domain names its server over unencrypted connections only"
)

// Error is why there is no endpoint for a domain. In all cases but BadEntry a
// person who knows the address of the server can enter it.
type Error struct {
	Domain string
	Kind   Kind
	Err    error // the cause, nil if the kind says it all
}

func (e *Error) Error() string {
	s := "discover " + e.Domain + ": " + string(e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// telling ranks the errors of the two forms of host-meta: the later the step that
// failed, the more the error helps.
var telling = map[Kind]int{
	Insecure: 8, NoWebSocket: 7, Malformed: 6, TooLong: 5, WebPage: 4, BadStatus: 3, NoHostMeta: 2, Timeout: 1,
}

func moreTelling(a, b *Error) *Error {
	if a == nil || b != nil && telling[b.Kind] > telling[a.Kind] {
		return b
	}
	return a
}
