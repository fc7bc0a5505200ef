package sasl

import (
	"context"
	"crypto/subtle"
	"strconv"
	"strings"
)

// Credentials are what a server keeps of a password: enough to check it, not to
// sign in with it (RFC 5802 §3).
type Credentials struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// NewCredentials derives what to keep of a password. The salt should have 16
// random bytes, the iterations be at least 10,000. The error is a *PrepError for
// a password that cannot be used.
func NewCredentials(hash Hash, password string, salt []byte, iterations int) (Credentials, error) {
	password, err := prepare("password", password)
	if err != nil {
		return Credentials{}, err
	}
	var (
		ctx = context.Background()
		c   Standard
	)
	salted, err := c.PBKDF2(ctx, hash, []byte(password), salt, iterations, hash.Size())
	if err != nil {
		return Credentials{}, err
	}
	defer clear(salted)
	clientKey := mac(hash, salted, "Client Key")
	defer clear(clientKey)
	storedKey, err := c.Sum(ctx, hash, clientKey)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{salt, iterations, storedKey, mac(hash, salted, "Server Key")}, nil
}

// mac is HMAC by the standard library, with a hash that is known to exist.
func mac(hash Hash, key []byte, data string) []byte {
	sum, _ := Standard{}.HMAC(context.Background(), hash, key, []byte(data))
	return sum
}

// Server is what the server's side of SCRAM needs to know. One Server serves
// many exchanges, also at the same time.
//
// A name that does not exist goes through the same messages as one that does,
// with a salt that stays the same for that name, and fails where a wrong
// password fails: nobody finds out who has an account.
type Server struct {
	Hash   Hash
	Domain string // an authorization identity may only be the bare address of the name

	// Lookup returns what is kept for a name, which is in the form RFC 4013 gives
	// it.
	Lookup func(user string) (Credentials, bool)

	// Secret, at least 16 random bytes that stay the same, and Iterations are for
	// the salts of names that do not exist. Iterations are those of all others.
	Secret     []byte
	Iterations int

	// Offered, if not empty, are the mechanisms of the profile in use and Bindings
	// the channel-binding types, nil if none were announced: their hash goes into
	// the challenge (XEP-0474).
	Offered  []string
	Bindings []string

	// Nonce makes our part of the nonce. Nil means 192 random bits.
	Nonce func() string
}

// Exchange is one client authenticating.
type Exchange struct {
	s    *Server
	step step

	user        string
	known       bool
	creds       Credentials
	gs2         string
	nonce       string
	authMessage string // so far
}

// Exchange starts an authentication.
func (s *Server) Exchange() *Exchange { return &Exchange{s: s} }

// User returns who has authenticated, "" as long as nobody has.
func (x *Exchange) User() string {
	if x.step != serverSigned {
		return ""
	}
	return x.user
}

// Next takes a message of the client and returns the answer: first the
// challenge, then, with done, what goes with success. The error is a
// *FailureError to be sent as it is; after it, every other message fails too.
func (x *Exchange) Next(message []byte) (answer []byte, done bool, err error) {
	now := x.step
	x.step = failed // unless we get to the end
	switch now {
	case idle:
		answer, err := x.first(string(message))
		if err != nil {
			return nil, false, err
		}
		x.step = sentFirst
		return answer, false, nil
	case sentFirst:
		answer, err := x.final(string(message))
		if err != nil {
			return nil, false, err
		}
		x.step = serverSigned
		return answer, true, nil
	}
	return nil, false, malformed
}

var malformed = &FailureError{Condition: MalformedRequest}

func (x *Exchange) first(message string) ([]byte, error) {
	// gs2-header, then the bare message: n,[a=…],n=…,r=…
	binding, rest, ok := strings.Cut(message, ",")
	if !ok || binding != "n" && binding != "y" { // p=… needs -PLUS, which is not offered
		return nil, malformed
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return nil, malformed
	}
	x.gs2 = binding + "," + authzid + ","

	attrs, err := parseAttrs(bare)
	if err != nil || len(attrs) < 2 || attrs[0].name != 'n' || attrs[1].name != 'r' ||
		!isPrintable(attrs[1].value) || extensions(attrs[2:]) != nil {
		return nil, malformed
	}
	name, ok := unescapeName(attrs[0].value)
	if !ok {
		return nil, malformed
	}
	if x.user, err = prepare("name", name); err != nil {
		return nil, malformed
	}
	if err := x.checkAuthzid(authzid); err != nil {
		return nil, err
	}

	x.lookup()
	nonce := x.s.Nonce
	if nonce == nil {
		nonce = randomNonce
	}
	x.nonce = attrs[1].value + nonce()
	challenge := "r=" + x.nonce + ",s=" + Encode(x.creds.Salt) + ",i=" + strconv.Itoa(x.creds.Iterations)
	if len(x.s.Offered) > 0 {
		h, err := offerHash(context.Background(), Standard{}, x.s.Hash, x.s.Offered, x.s.Bindings)
		if err != nil {
			return nil, &FailureError{Condition: TemporaryAuthFailure}
		}
		challenge += ",h=" + h
	}
	x.authMessage = bare + "," + challenge
	return []byte(challenge), nil
}

// checkAuthzid accepts none, and the address that belongs to the name.
func (x *Exchange) checkAuthzid(field string) error {
	if field == "" {
		return nil
	}
	value, ok := strings.CutPrefix(field, "a=")
	if !ok {
		return malformed
	}
	authzid, ok := unescapeName(value)
	if !ok {
		return malformed
	}
	if authzid != x.user+"@"+x.s.Domain {
		return &FailureError{Condition: InvalidAuthzid}
	}
	return nil
}

// lookup does the work for a name that does not exist in any case, so that the
// time it takes tells nothing.
func (x *Exchange) lookup() {
	salt := mac(x.s.Hash, x.s.Secret, "salt "+x.user)
	x.creds = Credentials{
		Salt:       salt[:16],
		Iterations: x.s.Iterations,
		StoredKey:  mac(x.s.Hash, x.s.Secret, "stored key "+x.user),
		ServerKey:  mac(x.s.Hash, x.s.Secret, "server key "+x.user),
	}
	if creds, ok := x.s.Lookup(x.user); ok {
		x.creds, x.known = creds, true
	}
}

func (x *Exchange) final(message string) ([]byte, error) {
	attrs, err := parseAttrs(message)
	last := len(attrs) - 1
	if err != nil || last < 2 || attrs[0].name != 'c' || attrs[1].name != 'r' || attrs[last].name != 'p' ||
		extensions(attrs[2:last]) != nil {
		return nil, malformed
	}
	header, err := decode(attrs[0].value)
	if err != nil || string(header) != x.gs2 || attrs[1].value != x.nonce {
		return nil, malformed
	}
	proof, err := decode(attrs[last].value)
	if err != nil || len(proof) != x.s.Hash.Size() {
		return nil, malformed
	}
	withoutProof := message[:strings.LastIndex(message, ",p=")]
	authMessage := x.authMessage + "," + withoutProof

	clientKey := make([]byte, len(proof))
	defer clear(clientKey)
	subtle.XORBytes(clientKey, proof, mac(x.s.Hash, x.creds.StoredKey, authMessage))
	storedKey, err := Standard{}.Sum(context.Background(), x.s.Hash, clientKey)
	if err != nil {
		return nil, &FailureError{Condition: TemporaryAuthFailure}
	}
	right := subtle.ConstantTimeCompare(storedKey, x.creds.StoredKey) == 1
	signature := mac(x.s.Hash, x.creds.ServerKey, authMessage)
	if !right || !x.known {
		return nil, &FailureError{Condition: NotAuthorized}
	}
	return []byte("v=" + Encode(signature)), nil
}
