//go:build linux

package chrome

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper starts a process that does nothing, alone in its group.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A browser does not outlive a test process that is killed, and does outlive its guard.
func TestGuard(t *testing.T) {
	if os.Getenv("CHROME_GUARDS") != "" {
		pid := sleeper(t).Process.Pid
		if _, err := Guard(pid); err != nil {
			t.Fatal(err)
		}
		fmt.Println("guards", pid)
		select {}
	}
	test := exec.Command(os.Args[0], "-test.run=^TestGuard$")
	test.Env = append(os.Environ(), "CHROME_GUARDS=1")
	out, err := test.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := test.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if _, after, ok := strings.Cut(lines.Text(), "guards "); ok {
			pid, _ = strconv.Atoi(after)
		}
	}
	_ = test.Process.Kill()
	_ = test.Wait()
	if pid == 0 {
		t.Fatal("it did not say what it guards")
	}
	for late := time.Now().Add(Patience); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("it lives on")
		}
	}

	other := sleeper(t)
	free, err := Guard(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	free()
	_ = other.Process.Signal(syscall.SIGTERM)
	_ = other.Wait()
	if status := other.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("freed, it ended with %v", status.Signal())
	}
}
