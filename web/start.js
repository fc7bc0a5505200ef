// @ts-check
// What begins before the rest of the page is there: the program is compiled while it
// arrives, config.json and the app's styles come beside it. This stands in the page
// itself (web/build), so that nothing has to be fetched first.
//
//   natterStart.first    what was begun: promises of the program, compiled, and of
//                        config.json, {} if there is none
//   natterStart.again()  the same once more, after a failure
//   natterStart.styled   a promise that is kept when the app's styles are there
//   natterStart.sketched a promise that is kept when the sketch is on screen, or is not to
//                        be: the program holds the page up when it begins
//   natterStart.wipe()   takes the sketch away, if there is one, and lets none come: the form
//                        is on screen, or nobody is remembered (storage.js)
//
// The sketch is what the list looked like when it was last on screen, for somebody who is
// remembered (web/sketch.js keeps it): it is seen, not used, until the program has drawn.
"use strict";

window.natterStart = (() => {
  const { wasm, styles } = document.documentElement.dataset;

  async function compile() {
    const response = await fetch(wasm);
    if (!response.ok) throw new Error("the server answered " + response.status);
    await sketched; // what arrives is taken in by the thread that draws
    // Streaming needs the right type, which some static hosts do not send.
    const type = response.headers.get("Content-Type") || "";
    if (WebAssembly.compileStreaming && type.startsWith("application/wasm"))
      return WebAssembly.compileStreaming(response);
    return WebAssembly.compile(await response.arrayBuffer());
  }

  async function configure() {
    try {
      const response = await fetch("config.json", { cache: "no-cache" });
      if (response.ok) return await response.json();
    } catch {
      // A bundle on a static host may have none; any server can still be typed.
    }
    return {};
  }

  // A stylesheet on its way holds up the form and all scripts behind it, one that is here
  // does not. Without it the page is ugly, not useless.
  const style = (href) =>
    new Promise((resolve) => {
      const link = document.createElement("link");
      link.rel = "preload";
      link.as = "style";
      link.href = href;
      link.onload = () => (link.rel === "stylesheet" ? resolve(0) : (link.rel = "stylesheet"));
      link.onerror = resolve;
      document.head.append(link);
    });

  function again() {
    const program = compile();
    program.catch(() => {}); // boot.js says what is wrong, when it comes to it
    return { program, config: configure() };
  }

  // ---- The sketch. ----

  let sketch = null;
  let unwanted = false;
  /** @type {(value?: unknown) => void} */
  let refuse = () => {};

  function wipe() {
    unwanted = true;
    refuse();
    if (sketch) sketch.remove();
    sketch = null;
  }

  const result = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

  // kept resolves with the sketch of whoever this page is for, as keeper.who of Go says:
  // whose the tab was, or who was here last, and never of somebody who has signed out.
  async function kept() {
    const request = indexedDB.open("natter-vault", 1);
    request.onupgradeneeded = () => request.transaction?.abort();
    const db = await result(request);
    try {
      const table = db.transaction("secrets").objectStore("secrets");
      const rows = (prefix) => result(table.getAll(IDBKeyRange.bound(prefix, prefix + "\uffff")));
      const [notes, sketches] = await Promise.all([rows("note "), rows("look ")]);
      const names = notes
        .sort((a, b) => b.at - a.at)
        .filter(({ note }) => !JSON.parse(note).out)
        .map(({ name }) => name.slice(5));
      const mine = sessionStorage.getItem("natter.account");
      const name = names.includes(mine) ? mine : names[0];
      return sketches.find((row) => row.name === "look " + name)?.look;
    } finally {
      db.close();
    }
  }

  // build makes elements of what web/sketch.js has made of elements. Nothing in it can run or
  // be fetched.
  function build([tag, attributes, ...children], space) {
    const inner = tag === "svg" ? "http://www.w3.org/2000/svg" : space;
    const element = document.createElementNS(inner, tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (/^(class|id|role|dir|type|placeholder|d|viewBox|data-.*|aria-.*)$/.test(name))
        element.setAttribute(name, value);
    }
    for (const child of children) element.append(typeof child === "string" ? child : build(child, inner));
    return element;
  }

  async function draw() {
    const [look] = await Promise.all([kept(), styled]);
    if (!look || unwanted) return;
    if (!document.getElementById("signin"))
      await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
    /** @type {any} */
    const body = document.body;
    const drawn = () => body.firstElementChild.childElementCount > 0; // go-app's own
    if (unwanted || drawn()) return;
    sketch = build(JSON.parse(look), "http://www.w3.org/1999/xhtml");
    sketch.inert = true;
    if (!sessionStorage.getItem("natter.open")) sketch.dataset.pane = "list"; // where a new tab begins that is narrow
    body.firstElementChild.after(sketch);
    const observer = new MutationObserver(() => {
      if (!drawn()) return;
      observer.disconnect();
      wipe();
    });
    observer.observe(body, { childList: true, subtree: true });
    if (document.visibilityState === "visible")
      await new Promise((resolve) => {
        requestAnimationFrame(() => setTimeout(resolve)); // after the next frame
      });
  }

  const styled = Promise.all(styles.split(" ").map(style));
  // No storage, no sketch; and a program that can wait no longer.
  const sketched = Promise.race([
    draw().catch(() => {}),
    new Promise((resolve) => {
      refuse = resolve;
      setTimeout(resolve, 1000);
    }),
  ]);

  return { first: again(), again, styled, sketched, wipe };
})();
