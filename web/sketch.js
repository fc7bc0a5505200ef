// @ts-check
// Keeps what the list looks like, so that the next page has it on screen before its program
// is up (start.js). It is kept where the notes of the accounts are (vault.js): for those who
// are remembered, until they sign out, and in plain, as the tables are.
"use strict";

(() => {
  const pause = 1000; // ms after a change, in which there may be more

  // look makes of an element what start.js makes an element of. What is true of this moment
  // only is left out: nobody is connected before the connection is there.
  function look(element) {
    if (element.matches(".spacer, .sr, .avatar-picture, [popover], [data-storage], #me .dot")) return [];
    const attributes = {};
    for (const { name, value } of element.attributes) attributes[name] = value;
    if (!element.matches(".status"))
      return [[element.localName, attributes, ...[...element.childNodes].flatMap(inside)]];
    attributes["data-phase"] = "connecting";
    return [["div", attributes, ["span", { class: "status-dot" }], ["span", { class: "status-text" }, "Connecting…"]]];
  }

  const inside = (node) =>
    node.nodeType === Node.ELEMENT_NODE ? look(node) : node.nodeType === Node.TEXT_NODE ? [node.data] : [];

  let last = "";
  async function keep() {
    observer.observe(document.body, watched);
    /** @type {any} */
    const root = document.body.firstElementChild;
    const list = root.querySelector(":scope > .list");
    if (!list) {
      last = ""; // whoever comes next has nothing kept, even if theirs looks the same
      return;
    }
    // A list that is filtered or scrolled is not what the next page begins with.
    if (list.querySelector("#filter")?.value || list.querySelector("#rows")?.scrollTop) return;
    try {
      const name = sessionStorage.getItem("natter.account");
      if (!name) return;
      const pane = root.dataset.pane === "list" ? "list" : "chat"; // nothing else is open at the beginning
      const text = JSON.stringify([
        "div",
        { class: root.className, "data-pane": pane },
        ...look(list),
        ["main", { class: "stage" }],
      ]);
      if (text === last) return;
      last = text;
      await window.natterVault.sketch(name, text);
    } catch {
      // The next page begins without one, or with an older one.
    }
  }

  // One change is enough to know of: what comes within the pause is not looked at.
  const watched = { childList: true, subtree: true, characterData: true, attributes: true };
  const observer = new MutationObserver(() => {
    observer.disconnect();
    setTimeout(() => (window.requestIdleCallback || setTimeout)(keep), pause);
  });
  observer.observe(document.body, watched);
})();
