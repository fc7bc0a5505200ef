// What has to happen before anything else, and before anything is painted.
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
// could not even catch it. Storage is made one that ends with the page, for go-app relies on it.
for (const [owner, names] of [
  [window, ["indexedDB", "caches", "BroadcastChannel", "MessageChannel"]],
  [navigator, ["locks", "serviceWorker", "storage"]],
  [window.crypto || {}, ["subtle"]],
]) {
  for (const name of names) {
    try {
      owner[name];
    } catch {
      Object.defineProperty(owner, name, { value: undefined });
    }
  }
}
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name].getItem("");
  } catch {
    const items = new Map();
    Object.defineProperty(window, name, { value: {
      get length() {
        return items.size;
      },
      key: (i) => [...items.keys()][i] ?? null,
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, value) => items.set(key, value),
      removeItem: (key) => items.delete(key),
    } });
  }
}

// The colours a person has chosen (natter.js).
try {
  const theme = localStorage.getItem("natter.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // the system's choice, then
}

// Whoever is remembered never sees the sign-in form: it would flash while the rest of
// the page is still coming.
try {
  if (JSON.parse(localStorage.getItem("natter.remembered") || "{}").account) document.documentElement.dataset.screen = "app";
} catch {
  // not written by us
}
