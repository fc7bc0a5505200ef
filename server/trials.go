package main

import (
	"context"
	"errors"
	"time"

	"natter/server/trial"
)

// makeTrials makes the trial servers: that of the demonstration, or those of the configuration.
func (r *running) makeTrials(s *settings) error {
	r.trials = map[string]*trial.Server{}
	for name, d := range s.Trials() {
		o := trial.Options{
			Domain: name, Demo: s.trial, Public: d.Trial.Public, Log: r.log,
			EchoPause: 500 * time.Millisecond, // long enough to see it typing
		}
		if d.Federation != nil {
			o.Others = r.call
		}
		x := trial.New(o)
		for _, a := range d.Trial.Accounts {
			if s.trial {
				break // it has them
			}
			if err := x.AddAccount(a.Name, a.Password); err != nil {
				return err
			}
		}
		r.trials[name] = x
	}
	return nil
}

// stopTrials ends the trial servers when their people have been told.
func (r *running) stopTrials(ctx context.Context) error {
	left := make(chan error)
	for _, x := range r.trials {
		go func() { left <- x.Shutdown(ctx) }()
	}
	var all []error
	for range r.trials {
		all = append(all, <-left)
	}
	return errors.Join(all...)
}
