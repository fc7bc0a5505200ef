// @ts-check
// What has to happen before anything else.
//
// Trusted Types: the page's only policy, made before any other script runs.
// The policy the server sends lets no string become code. The one thing that
// must still pass is the address of our own service worker; everything else
// (innerHTML, script addresses, eval) is refused because this policy has no
// function for it. Outside Chromium there may be no Trusted Types: the other
// directives of the policy hold there alone.
"use strict";

if (window.trustedTypes) {
  const worker = new URL("worker.js", document.baseURI).href;
  window.trustedTypes.createPolicy("default", {
    createScriptURL(url) {
      if (new URL(url, document.baseURI).href === worker) return url;
      throw new TypeError("not an address this page may run code from");
    },
  });
}

// Where site data is blocked, even to look at some of these throws, and others are missing
// on plain http. What throws is made missing, which all that use it are prepared for; Go
// could not even catch it. storage.js does the same for storage.
for (const [owner, names] of /** @type {[any, string[]][]} */ ([
  [window, ["indexedDB", "caches", "BroadcastChannel", "MessageChannel"]],
  [navigator, ["locks", "serviceWorker", "storage"]],
  [window.crypto || {}, ["subtle"]],
])) {
  for (const name of names) {
    try {
      owner[name];
    } catch {
      Object.defineProperty(owner, name, { value: undefined });
    }
  }
}
