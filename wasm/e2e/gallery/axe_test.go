//go:build linux

package gallery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/proto"
)

// axe is the source of axe-core, which knows many of the rules of accessibility (WCAG). It comes
// from npm, for this test alone; package-lock.json says exactly which, without addresses. Of what
// it cannot decide (its "incomplete") the contrasts count: see undecided.
type axe string

// install gets axe-core if it is not there. Without npm the screens are not audited, which
// with CI=true is a failure.
func install(t *testing.T) axe {
	t.Helper()
	const source = "node_modules/axe-core/axe.min.js"
	if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
		if _, err := exec.LookPath("npm"); err != nil && os.Getenv("CI") != "true" {
			t.Log("npm is not installed: axe-core looks at nothing")
			return ""
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund").CombinedOutput()
		if err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	js, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	return axe(js)
}

// undecided is why axe-core cannot compute a contrast, by its own word for that, and why it is
// enough there. Any other reason fails the test.
var undecided = map[string]string{
	"bgOverlap":             overlap,
	"elmPartiallyObscured":  overlap,
	"elmPartiallyObscuring": overlap,
	"shortTextContent":      "an initial, or a number in a badge: --on-accent on --accent, which web/tokens_test.go computes",
	"nonBmp":                "the sign of a key: --text on --raised, as words beside it that it does compute",
	"emptyValue":            "a field without text: --text on --surface, as in the fields that have some",
}

const overlap = "a day's mark, the button to the newest message or a dialog lies over it, or it is cut off where one scrolls; " +
	"the colours are those of others like it, and those of times are computed by web/tokens_test.go"

// audit fails where axe-core finds a violation. What is dark differs in its colours only.
func (a axe) audit(t *testing.T, page *rod.Page, dark bool) {
	t.Helper()
	if a == "" {
		return
	}
	// Not as a script of the page, whose policy would not let it in.
	if !page.MustEval(`() => "axe" in window`).Bool() {
		if _, err := (proto.RuntimeEvaluate{Expression: string(a)}).Call(page); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range page.MustEval(`async (dark, undecided) => {
		const colours = ["color-contrast", "link-in-text-block"];
		const found = await axe.run(document, {
			resultTypes: ["violations", "incomplete"],
			...(dark ? { runOnly: { type: "rule", values: colours } } : { rules: { "label-content-name-mismatch": { enabled: true } } }),
		});
		const say = (rule, node) => rule.id + ": " + node.target + ": " + node.failureSummary.replace(/\s+/g, " ");
		const open = (node) => !(node.any[0]?.data?.messageKey in undecided);
		return [
			...found.violations.flatMap((rule) => rule.nodes.map((node) => say(rule, node))),
			...found.incomplete.filter((rule) => colours.includes(rule.id))
				.flatMap((rule) => rule.nodes.filter(open).map((node) => "undecided: " + say(rule, node))),
		];
	}`, dark, undecided).Arr() {
		t.Errorf("axe-core: %s", strings.TrimSpace(line.Str()))
	}
}
