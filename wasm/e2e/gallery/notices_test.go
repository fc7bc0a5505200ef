//go:build linux

package gallery

import "testing"

// Without a worker the page tells by itself, at most every two seconds of a conversation, and
// only while it cannot be seen. A click opens the conversation.
func TestNotify_WithoutAWorker(t *testing.T) {
	page := visit(t, browser(t), serve(t), "list", 1000, 700, false)
	got := page.MustEval(`async () => {
		const shown = [];
		window.Notification = class extends EventTarget {
			static permission = "granted";
			constructor(title, { body, tag }) {
				super();
				shown.push([title, body, tag].join("|"));
				Notification.last = this;
			}
			close() { shown.push("closed"); }
		};
		const look = (state) => Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
		const until = async (ok) => { while (!ok()) await new Promise(requestAnimationFrame); };
		natterPage.count("ada@example.org", 3);
		await until(() => document.title.startsWith("("));
		const title = document.title;
		look("visible");
		natterPage.notify("ada@example.org", "alan@bletchley.example", "Alan", "seen");
		await new Promise(requestAnimationFrame);
		look("hidden");
		for (const text of ["one", "two", "three"]) natterPage.notify("ada@example.org", "grace@example.org", "Grace", text);
		await until(() => shown.length === 2);
		Notification.last.dispatchEvent(new Event("click"));
		natterPage.unnotify("ada@example.org", "grace@example.org");
		await until(() => shown.length === 4);
		natterPage.count("ada@example.org", 0);
		await until(() => !document.title.startsWith("("));
		return [title, ...shown, document.title].join("\n");
	}`).Str()
	want := "(3) Gallery\nGrace|one|ada@example.org grace@example.org\nGrace|three|ada@example.org grace@example.org\nclosed\nclosed\nGallery"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	page.MustWait(`() => document.querySelector("[role=log]")?.getAttribute("aria-label") === "Grace Hopper"`)
}
