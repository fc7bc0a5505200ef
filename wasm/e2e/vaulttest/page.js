// Starts the program, and looks at what it leaves behind as any script could.
"use strict";

const violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));

// rows returns the rows of all tables of all databases.
async function rows() {
  const all = [];
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    for (const table of db.objectStoreNames) {
      const request = db.transaction(table).objectStore(table).getAll();
      all.push(...await new Promise((resolve) => { request.onsuccess = () => resolve(request.result); }));
    }
    db.close();
  }
  return all;
}

// put stores a row as if it had been there.
async function put(row) {
  const request = indexedDB.open("natter-vault");
  const db = await new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
  const tx = db.transaction("secrets", "readwrite");
  tx.objectStore("secrets").put(row);
  await new Promise((resolve) => { tx.oncomplete = resolve; });
  db.close();
}

// text is everything in a value, bytes as characters.
function text(value) {
  if (value instanceof ArrayBuffer) return String.fromCharCode(...new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return text(value.buffer);
  if (value && typeof value === "object") return Object.entries(value).map(([k, v]) => k + "=" + text(v)).join(" ");
  return String(value);
}

window.spy = {
  violations,
  rows,
  async seen() {
    const stored = [text({ ...localStorage }), text({ ...sessionStorage }), document.cookie, ...await caches.keys()];
    return [...(await rows()).map(text), ...stored].join("\n");
  },
  async keys() {
    const found = [];
    for (const { key } of await rows()) {
      const given = [];
      for (const format of ["raw", "jwk"]) {
        await crypto.subtle.exportKey(format, key).then(() => given.push(format), () => {});
      }
      found.push(`${key.algorithm.name} ${key.algorithm.length} ${key.extractable} ${key.usages.join()} ${given.join()}`);
    }
    return found;
  },
  async damage() {
    const [row] = await rows();
    new Uint8Array(row.sealed)[3] ^= 1;
    await put(row);
  },
  async swap() { // the first row's sealed bytes under its own name, with the key of the second
    const [one, two] = await rows();
    await put({ ...one, key: two.key });
  },
  without(owner, name) {
    Object.defineProperty(owner, name, { configurable: true, value: undefined });
  },
};

const go = new Go();
WebAssembly.instantiateStreaming(fetch("/page.wasm"), go.importObject).then(({ instance }) => go.run(instance));
