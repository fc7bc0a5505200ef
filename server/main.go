// Command natter serves the chat client.
//
// Alone it is a place to try it out: the page on http://localhost:8080 together
// with an XMPP server in memory, for this machine only. With -config or -domain it
// is the page for real domains, and there is a trial server only if the file asks for one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"natter/web"
)

// What run returns, for the shell.
const (
	exitFailed = 1
	exitUsage  = 2
)

// call is what a command is given.
type call struct {
	args          []string
	getenv        func(string) string
	out, problems io.Writer
	reload        <-chan os.Signal
	others        []command // that -h of serve names
}

// command is a word after natter.
type command struct {
	name, what string
	run        func(context.Context, call) error
}

var commands = []command{
	{"serve", "serve the page (what natter does without a word)", runServe},
	{"config check", "say whether a configuration file is right", runCheck},
	{"config schema", "print the JSON Schema of configuration files", runSchema},
	{"doctor", "go the way into a domain step by step, and say what to change", runDoctor},
	{"version", "say which natter this is", runVersion},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	os.Exit(run(ctx, call{os.Args[1:], os.Getenv, os.Stdout, os.Stderr, reload, nil}))
}

// usageError is a mistake in how natter was called or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSaid ends a command that has said itself what is wrong.
var errSaid = errors.New("")

func run(ctx context.Context, c call) int {
	cmd := commands[0]
	c.others = commands[1:]
	for _, other := range commands {
		words := strings.Fields(other.name)
		if len(c.args) >= len(words) && slices.Equal(c.args[:len(words)], words) {
			cmd, c.args = other, c.args[len(words):]
			break
		}
	}
	err := cmd.run(ctx, c)
	switch wrong := (usageError{}); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(c.problems, "natter:", err)
		return exitUsage
	case err == errSaid:
		return exitFailed
	}
	fmt.Fprintln(c.problems, "natter:", err)
	return exitFailed
}

// flags returns those of a command. -h tells how it is called and what it is for.
func flags(c call, name, arguments, what string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(c.problems)
	f.Usage = func() {
		fmt.Fprintf(c.problems, "Usage: natter %s\n\n%s\n", strings.TrimSpace(name+" [flags] "+arguments), what)
		f.PrintDefaults()
		if name == "serve" {
			fmt.Fprintln(c.problems, "\nOther commands; -h after one tells more:")
			for _, cmd := range c.others {
				fmt.Fprintf(c.problems, "  natter %-15s %s\n", cmd.name, cmd.what)
			}
		}
	}
	return f
}

// parse reads flags and arguments, in any order, and returns the arguments: as many as are
// named.
func parse(f *flag.FlagSet, args []string, arguments ...string) ([]string, error) {
	var words []string
	for {
		// flag has said what is wrong with a flag.
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err}
		}
		if f.NArg() == 0 {
			break
		}
		words, args = append(words, f.Arg(0)), f.Args()[1:]
	}
	switch {
	case len(words) > 0 && words[0] == "config":
		return nil, usageError{errors.New("natter config check FILE or natter config schema")}
	case len(words) > len(arguments):
		return nil, usageError{fmt.Errorf("%q is not expected here; natter %s -h tells what is", words[len(arguments)], f.Name())}
	case len(words) < len(arguments):
		return nil, usageError{fmt.Errorf("%s is missing; natter %s -h tells more", arguments[len(words)], f.Name())}
	}
	return words, nil
}

func runServe(ctx context.Context, c call) error {
	s, err := configure(c)
	if err != nil {
		return err
	}
	return serve(ctx, s, web.Bundle(), c)
}
