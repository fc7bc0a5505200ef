package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"natter/server/cert"
	"natter/server/config"
	"natter/server/site"
	"natter/web"
)

const checkHelp = `Reads a configuration file as natter serve does, with the certificates it names, and
says what is wrong with it: file:line: key: problem. Nothing is started.
`

func runCheck(_ context.Context, c call) error {
	f := flags(c, "config check", "FILE", checkHelp)
	words, err := parse(f, c.args, "FILE")
	if err != nil {
		return err
	}
	file, err := config.ReadFile(words[0])
	if err != nil {
		return usageError{err}
	}
	var certificates []string
	if file.TLS != nil {
		if certificates, err = checkTLS(file); err != nil {
			return usageError{err}
		}
	}
	fmt.Fprintf(c.out, "%s is right. Natter listens on %s and serves\n", words[0], file.Listen)
	for _, s := range file.Configs() {
		fmt.Fprintf(c.out, "    %s\n", about(s))
	}
	for _, line := range certificates {
		fmt.Fprintln(c.out, line)
	}
	return nil
}

// checkTLS says of each certificate in files what it is for.
func checkTLS(file *config.File) (lines []string, err error) {
	if _, err := cert.New(file, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	for i, one := range file.TLS.Files {
		leaf, err := cert.Read(one)
		if err == nil && time.Now().After(leaf.NotAfter) {
			err = fmt.Errorf("%s has ended on %s", one.Cert, leaf.NotAfter.Format(time.DateOnly))
		}
		if err != nil {
			return nil, fmt.Errorf("tls.files[%d]: %w", i, err)
		}
		lines = append(lines, fmt.Sprintf("%s is for %s, until %s.", one.Cert, strings.Join(leaf.DNSNames, ", "), leaf.NotAfter.Format(time.DateOnly)))
	}
	return lines, nil
}

// about says in a line what a page is for.
func about(s *site.Config) string {
	var names []string
	for _, d := range s.Domains {
		names = append(names, d.Name)
	}
	if s.AnyServer {
		names = append(names, "any server")
	}
	at := s.PublicURL
	if at == "" {
		at = "the page"
	}
	return at + " for " + strings.Join(names, ", ")
}

func runSchema(_ context.Context, c call) error {
	f := flags(c, "config schema", "", "Prints the JSON Schema of configuration files. Save it beside the file and let the file\nbegin with \"$schema\": \"natter.schema.json\": editors then know the keys.\n")
	if _, err := parse(f, c.args); err != nil {
		return err
	}
	_, err := c.out.Write(config.Schema)
	return err
}

func runVersion(_ context.Context, c call) error {
	f := flags(c, "version", "", "Says of which source this natter was made, and which page is in it.\n")
	if _, err := parse(f, c.args); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "natter", version())
	page := "none: make natter builds it"
	if b, err := site.ReadBundle(web.Bundle()); err == nil {
		page = fmt.Sprintf("%s, number %d", b.Version, b.Number)
	}
	fmt.Fprintln(c.out, "page", page)
	fmt.Fprintln(c.out, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return nil
}

// version is the commit natter was built from.
func version() string {
	v, changed := "of an unknown commit", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				v = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", with changes"
			}
		}
	}
	return v + changed
}
