// Starts the tests in the page and what they need of JavaScript beside web/store.js.
"use strict";

const lines = [];
const violations = [];
let exited = null;
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
console.log = (text) => lines.push(...text.split("\n"));

// Steps of later builds.
const laterSteps = {
  more: (db) => db.createObjectStore("more"),
  broken: (db) => {
    db.deleteObjectStore("messages");
    throw new Error("this step is broken");
  },
  slow: (db, tx) => {
    let rows = 0;
    const request = tx.objectStore("messages").openCursor();
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) return;
      cursor.update({ ...cursor.value, touched: true });
      if (++rows % 20 === 0) fetch("/progress?n=" + rows, { method: "POST" });
      cursor.continue();
    };
  },
};

// opened opens a database in the way of some other program: it does not let go.
const opened = (name) => new Promise((resolve, reject) => {
  const request = indexedDB.open(name);
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

// without puts something else in the place of indexedDB.
const without = (descriptor) => {
  const own = Object.getOwnPropertyDescriptor(window, "indexedDB");
  Object.defineProperty(window, "indexedDB", { configurable: true, ...descriptor });
  return () => Object.defineProperty(window, "indexedDB", own);
};

// gaps watches how long the page cannot do anything else; the function it returns
// tells the longest time, in ms.
const gaps = () => {
  let worst = 0;
  let last = performance.now();
  let on = true;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    if (on) port2.postMessage(0);
  };
  port2.postMessage(0);
  return () => {
    on = false;
    return worst;
  };
};

// dump is all that a database holds, as JSON.
const dump = async (name) => {
  const db = await opened(name);
  const tables = {};
  for (const table of db.objectStoreNames) {
    tables[table] = await new Promise((resolve, reject) => {
      const request = db.transaction(table).objectStore(table).getAll();
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }
  db.close();
  return JSON.stringify({ tables });
};

// fill makes a database of the first version of the schema with what dump has said.
const fill = (name, text) => new Promise((resolve, reject) => {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    window.natterStore.steps[0](request.result);
    for (const [table, rows] of Object.entries(JSON.parse(text).tables)) {
      for (const row of rows) request.transaction.objectStore(table).put(row);
    }
  };
  request.onerror = () => reject(request.error);
  request.onsuccess = () => {
    request.result.close();
    resolve();
  };
});

window.natterTest = {
  dump,
  fill,
  gaps,
  laterSteps,
  opened,
  missing: () => without({ value: undefined }),
  forbidden: () => without({
    get() {
      throw new DOMException("not here", "SecurityError");
    },
  }),
  closed: () => without({ value: { open() { throw new DOMException("not in this mode", "InvalidStateError"); } } }),
};

const go = new Go();
go.argv = ["storetest", ...new URLSearchParams(location.search).getAll("arg")];
go.exit = (code) => { exited = code; };
WebAssembly.instantiateStreaming(fetch("/page.wasm"), go.importObject)
  .then(({ instance }) => go.run(instance))
  .catch((error) => {
    lines.push(String(error));
    exited = -1;
  });
