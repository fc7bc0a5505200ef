// @ts-check
// What the page keeps from visit to visit, as far as it is needed before anything is painted.
// After a start of the browser the first look at it waits for the disk, and nothing else goes
// on meanwhile; so start.js, which need not wait, comes before.
"use strict";

// Where looking at storage throws (trusted.js), it is made one that ends with the page, for
// go-app relies on it.
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name].getItem("");
  } catch {
    const items = new Map();
    Object.defineProperty(window, name, {
      value: {
        get length() {
          return items.size;
        },
        key: (i) => [...items.keys()][i] ?? null,
        getItem: (key) => items.get(key) ?? null,
        setItem: (key, value) => items.set(key, value),
        removeItem: (key) => items.delete(key),
      },
    });
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
  if (JSON.parse(localStorage.getItem("natter.remembered") || "{}").account)
    document.documentElement.dataset.screen = "app";
} catch {
  // not written by us
}
if (document.documentElement.dataset.screen !== "app") window.natterStart.wipe();
