//go:build linux

package gallery

import (
	"testing"
	"time"

	"github.com/go-rod/rod/lib/proto"

	"natter/wasm/e2e/chrome"
)

// In each zone a message has the time and the day that the clocks there showed when it was
// written: those of summer in winter, those around the hours that clocks are changed, and
// those of the 30 December 2011 that Apia did not have. The first zone is the computer's; the
// page lives on into the others.
func TestLocalTime(t *testing.T) {
	zones := []string{"Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"}
	stamps := []string{
		"2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", // Apia: 29 December, then 31 December
		"2025-04-05T14:59:00Z", "2025-04-05T15:01:00Z", // Lord Howe: half an hour back
		"2025-07-15T12:00:00Z",
		"2025-10-24T22:30:00Z",                         // Berlin: 25 October
		"2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", // Berlin: both at 02:30
		"2026-01-15T12:00:00Z",
	}
	b := chrome.Open(t, chrome.Options{Zone: zones[0]})
	page := visit(t, b.Browser, serve(t), "conversation", 1000, 700, false)
	for _, stamp := range stamps {
		page.MustEval(`(text) => receive(text, Date.parse(text))`, stamp)
	}
	clock := "15:04"
	if page.MustEval(`() => natterPage.hour12`).Bool() {
		clock = "3:04 PM"
	}
	for i, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := (proto.EmulationSetTimezoneOverride{TimezoneID: name}).Call(page); err != nil {
				t.Fatal(err)
			}
			page.MustEval(`() => dispatchEvent(new Event("focus"))`)
		}
		settled(page)
		var got []string
		err = page.MustEval(`(n) => [...document.querySelectorAll("[data-key]")].slice(-n).map((row) => {
			const time = row.querySelector("time");
			return [row.querySelector(".text").textContent, time.textContent, time.title, row.closest(".day").querySelector(".day-mark").textContent].join(" ");
		})`, len(stamps)).Unmarshal(&got)
		if err != nil {
			t.Fatal(err)
		}
		for i, stamp := range stamps {
			at, err := time.Parse(time.RFC3339, stamp)
			if err != nil {
				t.Fatal(err)
			}
			local, day := at.In(zone), "2 January 2006"
			if local.Year() == time.Now().In(zone).Year() {
				day = "Monday, 2 January"
			}
			if want := stamp + local.Format(" "+clock+" 2 January 2006, 15:04:05 "+day); got[i] != want {
				t.Errorf("in %s: %q, want %q", name, got[i], want)
			}
		}
	}
}
