// What a person can tell about a page: what is there, by role and name, and what of
// it can be seen. Runs before the page's own scripts, in every frame.
"use strict";

window.e2e = (() => {
  const violations = [];
  document.addEventListener("securitypolicyviolation", (e) => {
    violations.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`);
  });

  const roles = {
    alert: "[role=alert]",
    alertdialog: "[role=alertdialog]",
    article: "[role=article]",
    button: "button, summary, [role=button]",
    checkbox: "input[type=checkbox]",
    combobox: "[role=combobox]",
    dialog: "dialog[open]",
    heading: "h1, h2, h3",
    img: "[role=img]",
    link: "a[href]",
    list: "[role=list]",
    log: "[role=log]",
    main: "main",
    menu: "[role=menu]",
    menuitem: "[role=menuitem]",
    navigation: "nav",
    option: "[role=option]",
    separator: "[role=separator]",
    status: "[role=status]",
    toolbar: "[role=toolbar]",
    textbox: "textarea, input:not([type]), input[type=text], input[type=password], input[type=search]",
  };

  // said is the text of an element as it is read out: without what is hidden from
  // those who listen, with what only they get.
  const said = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute("aria-hidden") === "true" || node.hidden) return "";
    return node.getAttribute("aria-label") || [...node.childNodes].map(said).join(" ");
  };
  const clean = (text) => text.replace(/\s+/g, " ").replace(/ ([,.])/g, "$1").trim();
  const byID = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)).map((e) => (e ? said(e) : "")).join(" ");

  const name = (e) => {
    const by = e.getAttribute("aria-labelledby");
    const labels = e.labels ? [...e.labels].map(said).join(" ") : "";
    return clean(by ? byID(by) : e.getAttribute("aria-label") || labels || said(e) || e.title || "");
  };

  const visible = (e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });

  // In a wanted name … stands for anything; "" is any name.
  const called = (e, wanted) => {
    if (wanted === "") return true;
    const pattern = wanted.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    return new RegExp(`^${pattern}$`, "s").test(name(e));
  };

  const all = (role, wanted) => [...document.querySelectorAll(roles[role])].filter((e) => visible(e) && called(e, wanted));

  // aim returns where to click something, null while it is not there, moves or is covered. A
  // click that then finds something else, because all has moved once more, does nothing, and
  // missed tells so.
  let aimed = null;
  let looked = null;
  const aim = (role, wanted) => {
    const e = all(role, wanted)[0];
    if (!e) return null;
    e.scrollIntoView({ block: "nearest", inline: "nearest" });
    const box = [...e.getClientRects()].find((r) => r.width > 0 && r.height > 0);
    if (!box) return null;
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const top = document.elementFromPoint(at.x, at.y);
    if (!top || !e.contains(top) && ![...(e.labels || [])].some((l) => l.contains(top))) return null;
    const before = looked;
    looked = at;
    if (!before || before.x !== at.x || before.y !== at.y) return null;
    aimed = { role, wanted };
    return at;
  };
  const missed = () => aimed !== null;
  addEventListener("click", (event) => {
    if (!aimed) return;
    const hit = (e) => e.contains(event.target) || [...(e.labels || [])].some((l) => l.contains(event.target));
    if (all(aimed.role, aimed.wanted).some(hit)) {
      aimed = null;
      return;
    }
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);

  // until resolves with what f returns, or promises, as soon as that is something. What f
  // looks at may not be there yet.
  const until = async (f, patience) => {
    const deadline = performance.now() + patience;
    for (;;) {
      let problem = "";
      try {
        const found = await f();
        if (found) return found;
      } catch (error) {
        problem = `: ${error}`;
      }
      if (performance.now() > deadline) throw new Error(`waited in vain${problem}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  // heard is all that is in the open conversation.
  const heard = () => clean([...document.querySelectorAll("[role=log] > * > *")].map(said).join(" "));
  // bodies are the messages of the open conversation, without what the page adds.
  const body = (node) => [...node.childNodes].map((n) => (n.nodeType === Node.TEXT_NODE ? n.data : n.classList.contains("link-host") ? "" : body(n))).join("");
  const bodies = () => [...document.querySelectorAll("[role=log] [role=article] .text:not(.subject)")].map(body);

  const result = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  // tables are the rows of all tables of all databases, by table. A database that is
  // not there is not made.
  const tables = async () => {
    const all = {};
    for (const { name } of await indexedDB.databases()) {
      const request = indexedDB.open(name);
      request.onupgradeneeded = () => request.transaction.abort();
      const db = await result(request).catch(() => null);
      if (!db) continue;
      for (const table of db.objectStoreNames) {
        all[table] = [...(all[table] || []), ...await result(db.transaction(table).objectStore(table).getAll())];
      }
      db.close();
    }
    return all;
  };
  const rows = async (table) => (await tables())[table] || [];

  // text is everything in a value, bytes as characters.
  const text = (value) => {
    if (value instanceof ArrayBuffer) return String.fromCharCode(...new Uint8Array(value));
    if (ArrayBuffer.isView(value)) return text(value.buffer);
    if (value && typeof value === "object") return Object.entries(value).map(([k, v]) => `${k}=${text(v)}`).join(" ");
    return String(value);
  };

  // stored is all that this site keeps in the browser, as text. Of the cache, what is
  // not the same for everybody.
  const stored = async () => {
    const cached = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        cached.push(request.url);
        if (!request.url.endsWith(".wasm")) cached.push(await (await cache.match(request)).text());
      }
    }
    const names = (await indexedDB.databases()).map(({ name }) => name);
    return [text({ ...localStorage }), text({ ...sessionStorage }), document.cookie, text(history.state), ...names, text(await tables()), ...cached].join("\n");
  };

  return { aim, missed, rows, stored, violations, all, until, name, visible, said: (e) => clean(said(e)), heard, bodies };
})();
