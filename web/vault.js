// @ts-check
// What may sign somebody in again, sealed: for wasm/browser/vault.go.
//
//   natterVault.save(name, bound, secret, note)  a promise; when it is kept, secret is on
//                                   disk and the array it came in is overwritten. With
//                                   it a note is kept, in plain, unless it is ""
//   natterVault.load(name, bound)   a promise of the bytes, null if there are none
//   natterVault.notes()             a promise of the notes of all names, the newest first
//   natterVault.mark(name, note)    a promise; when it is kept, this note is on disk
//   natterVault.remove(name)        a promise; the note stays
//   natterVault.forget(name)        a promise; the note goes too
//   natterVault.sketch(name, look)  keeps what the list looks like, for start.js: only while
//                                   there is a note, and it does not say that the person
//                                   has signed out. mark, remove and forget take it away
//
// Each secret has a key of its own, made for it and thrown away with it, which
// WebCrypto does not give out, neither to this script nor to any other. The bytes open
// only together with what they were bound to. That keeps a secret out of what scripts
// and backups can read of the storage; it does not stop a script that runs here from
// opening it as we do, nor whoever can read the browser's own files.
"use strict";

window.natterVault = (() => {
  const table = "secrets";
  const noted = "note "; // begins the name of the row of a note
  const seen = "look "; // and of a sketch

  const result = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

  // within opens the database for one transaction, so that no tab ever holds it.
  async function within(mode, work, durability = "strict") {
    if (!window.crypto.subtle) throw new DOMException("there is no WebCrypto", "NotSupportedError");
    if (!window.indexedDB) throw new DOMException("there is no IndexedDB", "NotSupportedError");
    const request = window.indexedDB.open("natter-vault", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: "name" });
    const db = await result(request);
    try {
      const tx = db.transaction(table, mode, { durability });
      const done = new Promise((resolve, reject) => {
        tx.oncomplete = () => resolve(0);
        tx.onabort = () => reject(tx.error || new DOMException("the transaction was given up", "AbortError"));
      });
      const [value] = await Promise.all([result(work(tx.objectStore(table))), done]);
      return value;
    } finally {
      db.close();
    }
  }

  const gcm = (iv, bound) => ({ name: "AES-GCM", iv, additionalData: bound, tagLength: 128 });

  async function save(name, bound, secret, note) {
    try {
      const { subtle } = window.crypto;
      if (!subtle) throw new DOMException("there is no WebCrypto", "NotSupportedError");
      const key = await subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
      const iv = window.crypto.getRandomValues(new Uint8Array(12));
      const sealed = await subtle.encrypt(gcm(iv, bound), key, secret);
      await within("readwrite", (secrets) => {
        if (note) secrets.put(row(name, note));
        return secrets.put({ name, key, iv, sealed });
      });
    } finally {
      secret.fill(0);
    }
  }

  async function load(name, bound) {
    const kept = await within("readonly", (secrets) => secrets.get(name));
    if (!kept) return null;
    return new Uint8Array(await window.crypto.subtle.decrypt(gcm(kept.iv, bound), kept.key, kept.sealed));
  }

  const row = (name, note) => ({ name: noted + name, note, at: Date.now() });

  const mark = (name, note) =>
    within("readwrite", (secrets) => {
      secrets.delete(seen + name);
      return secrets.put(row(name, note));
    });

  const remove = (name) =>
    within("readwrite", (secrets) => {
      secrets.delete(seen + name);
      return secrets.delete(name);
    });

  const forget = (name) =>
    within("readwrite", (secrets) => {
      secrets.delete(seen + name);
      secrets.delete(noted + name);
      return secrets.delete(name);
    });

  function here(note) {
    try {
      return !JSON.parse(note).out;
    } catch {
      return false;
    }
  }

  const sketch = (name, look) =>
    within(
      "readwrite",
      (secrets) => {
        const request = secrets.get(noted + name);
        request.addEventListener("success", () => {
          if (request.result && here(request.result.note)) secrets.put({ name: seen + name, look });
        });
        return request;
      },
      "relaxed",
    );

  // Most who come here have never been remembered: for them no database is made.
  async function notes() {
    if (!window.indexedDB) return [];
    const request = window.indexedDB.open("natter-vault", 1);
    let none = false;
    request.onupgradeneeded = () => {
      none = true;
      request.transaction?.abort();
    };
    let db;
    try {
      db = await result(request);
    } catch (error) {
      if (none) return [];
      throw error;
    }
    try {
      const all = IDBKeyRange.bound(noted, noted + "\uffff");
      const rows = await result(db.transaction(table).objectStore(table).getAll(all));
      return rows.sort((a, b) => b.at - a.at).map((row) => row.note);
    } finally {
      db.close();
    }
  }

  return { save, load, notes, mark, remove, forget, sketch };
})();
