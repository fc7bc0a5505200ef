package config

import (
	"fmt"

	"natter/app/jid"
)

// Trials returns the trial servers by their domain.
func (f *File) Trials() map[string]Domain {
	all := map[string]Domain{}
	for _, s := range f.sites() {
		for _, d := range s.Domains {
			if d.Trial != nil {
				all[d.Name] = d
			}
		}
	}
	return all
}

// trialsAt returns what only a start can change.
func (f *File) trialsAt() map[string]any {
	all := map[string]any{}
	for name, d := range f.Trials() {
		all[name] = []any{d.Trial, d.Federation != nil}
	}
	return all
}

// TrialPaths returns the domains of the trial servers of each site, by the path where their
// people come in, in the order of Configs.
func (f *File) TrialPaths() (all []map[string]string) {
	for _, s := range f.sites() {
		paths := map[string]string{}
		for _, d := range s.Domains {
			if d.Trial != nil {
				path, _ := s.path(d) // it has been checked
				paths[path] = d.Name
			}
		}
		all = append(all, paths)
	}
	return all
}

func (f *File) trialProblem() (key, problem string) {
	seen := map[string]bool{}
	for i, s := range f.sites() {
		in := ""
		if len(f.Sites) > 0 {
			in = fmt.Sprintf("sites[%d].", i)
		}
		paths := map[string]bool{}
		for _, d := range s.Domains {
			if path, err := s.path(d); err == nil && d.Trial == nil {
				paths[path] = true
			}
		}
		for j, d := range s.Domains {
			if d.Trial == nil {
				continue
			}
			at := fmt.Sprintf("%sdomains[%d].", in, j)
			path, err := s.path(d)
			switch {
			case len(d.Backends) > 0:
				return at + "trial", "the domain has backends: it has one server"
			case err != nil:
				return at + "websocket", "with trial it is a path on this server, such as /xmpp-websocket, or that with wss:// and the host of publicURL"
			case paths[path]:
				return at + "websocket", path + " is that of another domain"
			case seen[d.Name]:
				return at + "trial", d.Name + " has one already"
			case len(d.Trial.Accounts) == 0:
				return at + "trial.accounts", "name at least one: nobody can make an account"
			}
			paths[path], seen[d.Name] = true, true
			if k, problem := d.Trial.problem(d.Name); problem != "" {
				return at + "trial.accounts" + k, problem
			}
		}
	}
	return "", ""
}

func (t *Trial) problem(domain string) (key, problem string) {
	seen := map[string]bool{}
	for k, a := range t.Accounts {
		address, err := jid.Parse(a.Name + "@" + domain)
		switch {
		case err != nil || address.Local() == "" || !address.IsBare():
			return fmt.Sprintf("[%d].name", k), fmt.Sprintf("%q is not what can come before an @", a.Name)
		case seen[address.Local()]:
			return fmt.Sprintf("[%d].name", k), a.Name + " is listed twice"
		case a.Password == "":
			return fmt.Sprintf("[%d].password", k), "must not be empty"
		}
		seen[address.Local()] = true
	}
	return "", ""
}
