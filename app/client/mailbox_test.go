package client_test

import (
	"context"
	"fmt"
	"testing"

	"natter/app/client"
	"natter/app/state"
	"natter/app/stream"
)

// A callback of the page must not wait for the loop, because nothing else runs in the page until the
// callback returns. The loop does its jobs later, in order.
func TestNobodyWaitsForTheLoop(t *testing.T) {
	const many = 10_000
	c := client.New(client.Config{})
	for i := range many { // the loop does not run yet, so it takes no job
		c.Do(state.KeepDraft{Conv: "grace@example.org", Text: fmt.Sprint(i)})
		c.Wake(stream.Visible)
		c.Hide(i%2 == 0)
	}
	c.Do(state.KeepDraft{Conv: "grace@example.org", Text: "the last"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 1)
	stop := c.Watch(func() {
		if chat := c.State().Chat("grace@example.org"); chat != nil && chat.Draft == "the last" {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	defer stop()
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	<-done
	cancel()
	<-ended
}
