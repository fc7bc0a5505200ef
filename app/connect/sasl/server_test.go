package sasl

import (
	"errors"
	"strings"
	"testing"
)

var salt = []byte("0123456789abcdef")

func newServer(t *testing.T, hash Hash) *Server {
	t.Helper()
	creds, err := NewCredentials(hash, "analytical", salt, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{
		Hash: hash, Domain: "localhost", Secret: []byte("sixteen bytes or more"), Iterations: 10_000,
		Lookup: func(user string) (Credentials, bool) { return creds, user == "ada" },
	}
}

// play lets our client sign in to our server.
func play(t *testing.T, s *Server, login Login) (user string, failure *FailureError, transcript []string) {
	t.Helper()
	m, err := New("SCRAM-"+string(s.Hash), login, Standard{})
	if err != nil {
		t.Fatal(err)
	}
	x := s.Exchange()
	message, err := m.Start(ctx)
	for range 3 {
		if err != nil {
			t.Fatal(err)
		}
		answer, done, err := x.Next(message)
		if errors.As(err, &failure) {
			if x.User() != "" {
				t.Errorf("after a failure the user is %q", x.User())
			}
			return "", failure, transcript
		}
		if err != nil {
			t.Fatal(err)
		}
		transcript = append(transcript, string(answer))
		if done {
			if err := m.Done(ctx, answer, true); err != nil {
				t.Fatal(err)
			}
			return x.User(), nil, transcript
		}
		if x.User() != "" {
			t.Errorf("before the proof the user is %q", x.User())
		}
		if message, err = m.Next(ctx, answer); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no end")
	return
}

func TestServer(t *testing.T) {
	for _, hash := range []Hash{SHA1, SHA256, SHA512} {
		s := newServer(t, hash)
		for _, tc := range []struct {
			name  string
			login Login
			want  string // condition, "" for success
		}{
			{"right", Login{User: "ada", Password: "analytical"}, ""},
			{"right, prepared", Login{User: "\u00adada", Password: "analytical\u00ad"}, ""},
			{"own address as authzid", Login{User: "ada", Password: "analytical", Authzid: "ada@localhost"}, ""},
			{"sec97 another's address as authzid", Login{User: "ada", Password: "analytical", Authzid: "grace@localhost"}, InvalidAuthzid},
			{"wrong password", Login{User: "ada", Password: "analytica1"}, NotAuthorized},
			{"sec99 unknown user", Login{User: "bob", Password: "analytical"}, NotAuthorized},
			{"sec99 unknown user with a comma", Login{User: "b,b=", Password: "analytical"}, NotAuthorized},
		} {
			t.Run(string(hash)+" "+tc.name, func(t *testing.T) {
				user, failure, _ := play(t, s, tc.login)
				switch {
				case tc.want == "" && (failure != nil || user != "ada"):
					t.Errorf("user %q, failure %v", user, failure)
				case tc.want != "" && (failure == nil || *failure != FailureError{Condition: tc.want}):
					t.Errorf("user %q, failure %v; want %s", user, failure, tc.want)
				}
			})
		}
	}
}

func TestSec99_UnknownUsersLookTheSame(t *testing.T) {
	s := newServer(t, SHA256)
	s.Nonce = fixed("server")
	challenge := func(user string) string {
		_, _, transcript := play(t, s, Login{User: user, Password: "wrong", Nonce: fixed("client")})
		if len(transcript) != 1 {
			t.Fatalf("%s: %d messages before the failure, want 1", user, len(transcript))
		}
		return transcript[0]
	}
	ada, bob, eve := challenge("ada"), challenge("bob"), challenge("eve")
	if bob != challenge("bob") {
		t.Error("the salt of an unknown user changes")
	}
	if bob == eve {
		t.Error("all unknown users have the same salt")
	}
	if len(ada) != len(bob) || !strings.HasSuffix(ada, ",i=10000") || !strings.HasSuffix(bob, ",i=10000") {
		t.Errorf("%q and %q differ in form", ada, bob)
	}
}

// A client that knows what the server made up for a name still does not get in.
func TestSec99_FakeCredentialsOpenNothing(t *testing.T) {
	s := newServer(t, SHA256)
	made, err := NewCredentials(SHA256, "guess", salt, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	x := s.Exchange()
	m, _ := New(SCRAMSHA256, Login{User: "bob", Password: "guess"}, Standard{})
	first, _ := m.Start(ctx)
	if _, _, err := x.Next(first); err != nil {
		t.Fatal(err)
	}
	x.creds = made
	challenge := "r=" + x.nonce + ",s=" + Encode(salt) + ",i=10000"
	x.authMessage = x.authMessage[:strings.Index(x.authMessage, ",r="+x.nonce)] + "," + challenge
	final, err := m.Next(ctx, []byte(challenge))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Next(final); err == nil || x.User() != "" {
		t.Errorf("in as %q", x.User())
	}
}

func TestServerSendsTheHashOfItsOffer(t *testing.T) {
	s := newServer(t, SHA256)
	s.Offered, s.Bindings = []string{SCRAMSHA256, SCRAMSHA512}, []string{}
	user, failure, transcript := play(t, s, Login{User: "ada", Password: "analytical", Offered: []string{SCRAMSHA512, SCRAMSHA256}, Bindings: []string{}})
	if user != "ada" || !strings.Contains(transcript[0], ",h=") {
		t.Errorf("P15 user %q, failure %v, %q", user, failure, transcript)
	}
}

func TestServerRefusesWhatIsMalformed(t *testing.T) {
	const proof = ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, first := range []string{
		"", "n", "n,", "n,,", "n,,n=ada", "n,,r=abc", "n,,r=abc,n=ada", "n,,n=,r=abc", "n,,n=ada,r=", "n,,n=a=41,r=abc", "n,,n=ada,r=a b",
		"p=tls-exporter,,n=ada,r=abc", "x,,n=ada,r=abc", ",,n=ada,r=abc", "n,b=x,n=ada,r=abc", "n,a=,n=ada,r=abc", "n,a==,n=ada,r=abc",
		"n,,m=x,n=ada,r=abc", "n,,n=ada,r=abc,", "n,,n=ada,n=eve,r=abc", "n,,n=ada,r=abc,i=1", "n,,n=\x07,r=abc", "n,,n=\xff,r=abc",
	} {
		x := newServer(t, SHA1).Exchange()
		_, _, err := x.Next([]byte(first))
		if err == nil {
			t.Errorf("%q accepted", first)
		}
		if _, _, err := x.Next([]byte("n,,n=ada,r=abc")); err == nil {
			t.Errorf("after %q there was a second try", first)
		}
	}
	for _, final := range []string{
		"", "c=biws,r=abcserver", "c=biws" + proof, "r=abcserver,c=biws" + proof, "c=eSws,r=abcserver" + proof, "c=biws,r=abc" + proof,
		"c=biws,r=abcserverX" + proof, "c=biw=,r=abcserver" + proof, "c=biws,r=abcserver,p=AAAA", "c=biws,r=abcserver,p=!",
		"c=biws,r=abcserver,m=x" + proof, "c=biws,r=abcserver" + proof + ",x=y", "c=biws,r=abcserver" + proof, "c=biws,r=abcserver,x=y" + proof,
	} {
		s := newServer(t, SHA1)
		s.Nonce = fixed("server")
		x := s.Exchange()
		if _, _, err := x.Next([]byte("n,,n=ada,r=abc")); err != nil {
			t.Fatal(err)
		}
		_, done, err := x.Next([]byte(final))
		if err == nil || done || x.User() != "" {
			t.Errorf("%q accepted", final)
		}
	}
	t.Run("nothing after the end", func(t *testing.T) {
		x := &Exchange{s: newServer(t, SHA1), step: serverSigned, user: "ada"}
		if _, _, err := x.Next([]byte("n,,n=ada,r=abc")); err == nil || x.User() != "" {
			t.Errorf("error %v, user %q", err, x.User())
		}
	})
}

func TestSec100_ErrorsCarryNoSecrets(t *testing.T) {
	_, failure, _ := play(t, newServer(t, SHA256), Login{User: "ada", Password: "taint-password"})
	if got := failure.Error(); got != NotAuthorized {
		t.Errorf("the error says %q", got)
	}
	if _, err := NewCredentials(SHA256, "", salt, 10_000); err == nil {
		t.Error("an empty password has credentials")
	}
}

func FuzzServer(f *testing.F) {
	f.Add("n,,n=ada,r=abc", "c=biws,r=abcserver,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("n,a=ada@localhost,n=ada,r=abc", "c=,r=,p=")
	creds, err := NewCredentials(SHA1, "analytical", salt, 4096)
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{Hash: SHA1, Domain: "localhost", Secret: salt, Iterations: 4096, Nonce: fixed("server"),
		Lookup: func(user string) (Credentials, bool) { return creds, user == "ada" }}
	f.Fuzz(func(t *testing.T, first, final string) {
		x := s.Exchange()
		x.Next([]byte(first))
		if _, done, err := x.Next([]byte(final)); done || err == nil || x.User() != "" {
			t.Errorf("%q, %q: in as %q", first, final, x.User())
		}
	})
}
