package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The page is compiled without what serves pages, and a go-app in which that stands elsewhere is noticed.
func TestSlim(t *testing.T) {
	flag, err := slim(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deps := func(args ...string) string {
		cmd := exec.Command(goCommand(), append(append([]string{"list"}, args...), "-deps", "../../wasm")...)
		cmd.Env = append(cmd.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return "\n" + string(out)
	}
	const server, drawn = "\nnet/http\n", "\n" + goApp + "/pkg/app\n"
	if whole := deps(); !strings.Contains(whole, server) {
		t.Error("go-app has no part for servers any more: there is nothing to leave out")
	}
	if page := deps(flag); strings.Contains(page, server) || !strings.Contains(page, drawn) {
		t.Errorf("the page is made of %s", page)
	}
	if _, err := without("pkg/app/wasm.go", []byte("package app\n")); err == nil {
		t.Error("a file in which there is nothing to leave out is taken")
	}
}
