// @ts-check
// The tables of an account in IndexedDB, for wasm/browser/store.go. All is one JSON
// string each way: a call between Go and JavaScript costs more than a row does.
//
//   natterStore.open(name, gone)  a promise of the opened database, see open below
//   natterStore.abandon(opening)  closes what such a promise brings, if anything
//   natterStore.exists(name)      a promise of whether there is one
//   natterStore.remove(name)      a promise of its being deleted
//   natterStore.steps             how the schema came to be; tests add to it
//
// A transaction lives while its requests do, so nothing in one waits for anything
// else.
"use strict";

window.natterStore = (() => {
  // Step n makes version n+1 out of version n. A step that was released stays as it
  // is, and a new one only adds: until it has been committed an older page may still
  // come back to the tables it knows, and after that it leaves them alone.
  /** @type {NatterStore["steps"]} */
  const steps = [
    (db) => {
      db.createObjectStore("session", { keyPath: "name" }); // account, stream
      db.createObjectStore("contacts", { keyPath: "jid" });
      db.createObjectStore("chats", { keyPath: "peer" });
      const messages = db.createObjectStore("messages", { keyPath: ["peer", "time", "seq"] });
      // A row without one of the fields is not in the index: few are in the outbox.
      messages.createIndex("archive", ["peer", "archive"]);
      messages.createIndex("id", ["peer", "author", "id"]);
      messages.createIndex("out", "out");
      messages.createIndex("time", "time");
      db.createObjectStore("coverage", { keyPath: ["archive", "with"] });
      db.createObjectStore("drafts", { keyPath: "peer" });
      db.createObjectStore("avatars", { keyPath: "id" });
      db.createObjectStore("settings", { keyPath: "name" });
    },
    (db) => {
      // What was said about messages that are not here.
      db.createObjectStore("facts", { keyPath: ["peer", "author", "id", "kind", "by", "at"] });
    },
    (db) => db.createObjectStore("outbox", { keyPath: "id" }),
    (db) => db.createObjectStore("rooms", { keyPath: "jid" }),
    (db) => db.createObjectStore("invitations", { keyPath: "room" }),
  ];

  const atOnce = 200; // rows that are put, or read, before the page gets to breathe

  const problem = (name, text) => new DOMException(text, name);

  // result is a request as a promise. What follows in the same turn still finds the
  // transaction alive.
  const result = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

  // finished is a transaction as a promise.
  function finished(tx) {
    const promise = new Promise((resolve, reject) => {
      tx.oncomplete = () => resolve(0);
      tx.onabort = () => reject(tx.error || problem("AbortError", "the transaction was given up"));
    });
    promise.catch(() => {}); // whoever waits for it may come later
    return promise;
  }

  function factory() {
    if (!window.indexedDB) throw problem("NotSupportedError", "there is no IndexedDB");
    return window.indexedDB;
  }

  // open calls gone once if the database is taken away later.
  async function open(name, gone) {
    const request = factory().open(name, steps.length);
    const db = await new Promise((resolve, reject) => {
      let late = false;
      request.onupgradeneeded = (event) => {
        for (const step of steps.slice(event.oldVersion))
          step(request.result, /** @type {IDBTransaction} */ (request.transaction));
      };
      // Other tabs have been asked to let go by now, and one did not.
      request.onblocked = () => {
        late = true;
        reject(problem("BlockedError", "another tab holds the database"));
      };
      request.onerror = () => reject(request.error);
      request.onsuccess = () => (late ? request.result.close() : resolve(request.result));
    });
    db.onclose = gone; // the browser cleared it up
    db.onversionchange = () => {
      db.close();
      gone();
    };
    let mine = ""; // who we are as the leader, once we have led
    return {
      lead: () => lead(db, (mine = newName())),
      load: (text) => load(db, JSON.parse(text)),
      messages: (text) => messages(db, JSON.parse(text)),
      after: (text) => after(db, JSON.parse(text)),
      count: (text) => count(db, JSON.parse(text)),
      ends: (text) => ends(db, JSON.parse(text)),
      nth: (text) => nth(db, JSON.parse(text)),
      find: (text) => find(db, JSON.parse(text)),
      search: (text) => search(db, JSON.parse(text)),
      commit: (text) => commit(db, mine, JSON.parse(text)),
      close: () => db.close(),
    };
  }

  // exists makes none where there is none.
  async function exists(name) {
    const request = factory().open(name);
    let none = false;
    request.onupgradeneeded = () => {
      none = true;
      request.transaction?.abort();
    };
    try {
      (await result(request)).close();
      return true;
    } catch (error) {
      if (none) return false;
      throw error;
    }
  }

  // remove waits for whoever still has the database open; all of ours let go.
  const remove = async (name) => {
    const request = factory().deleteDatabase(name);
    request.onblocked = () => {};
    await result(request);
  };

  const all = (peer) => IDBKeyRange.bound([peer], [peer, []]);
  const before = (peer, time, seq) => IDBKeyRange.bound([peer], [peer, time, seq], false, true);

  // fromLast is a cursor at the nth key of a range from its end, null if there are not
  // so many.
  const fromLast = (table, range, n) =>
    new Promise((resolve, reject) => {
      const request = table.openKeyCursor(range, "prev");
      let moved = n === 1;
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        if (moved || !request.result) return resolve(request.result);
        moved = true;
        request.result.advance(n - 1);
      };
    });

  // newest returns the last n rows of a range in order. It finds where they begin by
  // keys, so that the rows come in one answer instead of one by one.
  async function newest(table, range, n) {
    if (n <= 0) return [];
    const cursor = await fromLast(table, range, n);
    if (!cursor) return result(table.getAll(range));
    return result(table.getAll(IDBKeyRange.bound(cursor.key, range.upper, false, range.upperOpen)));
  }

  // load answers in parts, so that reading them is no long work either: first what is not
  // all of a table, then the names of tables and slices of their rows in turn.
  async function load(db, { open, chats, messages: count }) {
    const tx = db.transaction(db.objectStoreNames);
    const table = tx.objectStore("messages");
    const names = [...db.objectStoreNames].filter((name) => name !== "messages" && name !== "avatars");
    const [outbox, ...read] = await Promise.all([
      result(table.index("out").getAll()),
      ...names.map((name) => result(tx.objectStore(name).getAll())),
    ]);
    const rows = new Map(names.map((name, i) => [name, read[i]]));
    const talks = rows.get("chats");

    const last = (chat) => chat.last || { time: 0, seq: 0 };
    const byTime = [...talks].sort((a, b) => last(b).time - last(a).time || last(b).seq - last(a).seq);
    const wanted = byTime.filter((chat) => chat.peer === open || chats-- > 0).map((chat) => chat.peer);
    // A conversation in the outbox is read from there on, so that it has no hole.
    const oldest = new Map();
    for (const { peer, time, seq } of outbox) {
      const known = oldest.get(peer);
      if (!known || time < known[1] || (time === known[1] && seq < known[2])) oldest.set(peer, [peer, time, seq]);
    }
    const pages = new Map();
    const end = async (peer) => {
      const page = wanted.includes(peer) ? await newest(table, all(peer), count) : [];
      let earlier = page.length === count;
      const from = oldest.get(peer);
      const first = page[0];
      if (from && (!first || indexedDB.cmp(from, [peer, first.time, first.seq]) < 0)) {
        pages.set(peer, { messages: await result(table.getAll(IDBKeyRange.bound(from, [peer, []]))), earlier: true });
        return;
      }
      pages.set(peer, { messages: page, earlier });
    };
    await Promise.all([...new Set([...wanted, ...oldest.keys()])].map(end));

    const values = (name) => Object.fromEntries(rows.get(name).map(({ name, value }) => [name, value]));
    const { account, stream } = values("session");
    const parts = [JSON.stringify({ stream, ends: Object.fromEntries(pages), settings: values("settings") })];
    rows.delete("settings");
    rows.delete("session");
    if (account) rows.set("account", [account]);
    for (const [name, list] of rows) {
      for (let i = 0; i < list.length; i += atOnce) parts.push(name, JSON.stringify(list.slice(i, i + atOnce)));
    }
    return parts;
  }

  async function messages(db, { peer, time, seq, n }) {
    const range = time || seq ? before(peer, time, seq) : all(peer);
    return JSON.stringify(await newest(db.transaction("messages").objectStore("messages"), range, n));
  }

  async function after(db, { peer, time, seq, n }) {
    const table = db.transaction("messages").objectStore("messages");
    const range = time || seq ? IDBKeyRange.bound([peer, time, seq], [peer, []], true) : all(peer);
    return JSON.stringify(n > 0 ? await result(table.getAll(range, n)) : []);
  }

  async function count(db, { peer, after, before }) {
    const table = db.transaction("messages").objectStore("messages");
    const [from, to] = [after, before].map(({ time, seq }) => [peer, time, seq]);
    if (indexedDB.cmp(from, to) >= 0) return "0"; // no such range can be made
    return JSON.stringify(await result(table.count(IDBKeyRange.bound(from, to, true, true))));
  }

  // ends answers in parts too.
  async function ends(db, { peers, n }) {
    const table = db.transaction("messages").objectStore("messages");
    const pages = await Promise.all(peers.map((peer) => newest(table, all(peer), n)));
    return pages.map((page) => JSON.stringify(page));
  }

  async function nth(db, { peer, n }) {
    const table = db.transaction("messages").objectStore("messages");
    const cursor = n > 0 && (await fromLast(table, all(peer), n));
    return JSON.stringify(cursor ? await result(table.get(cursor.primaryKey)) : null);
  }

  async function find(db, { peer, wanted }) {
    const table = db.transaction("messages").objectStore("messages");
    const asked = [];
    const last = (index, key) =>
      asked.push(result(table.index(index).openCursor(key, "prev")).then((cursor) => cursor && cursor.value));
    for (const { archive, author, id } of wanted) {
      if (archive) last("archive", [peer, archive]);
      if (id) last("id", [peer, author || "", id]);
    }
    const found = new Map();
    for (const row of await Promise.all(asked)) {
      if (row) found.set(row.time + " " + row.seq, row);
    }
    return JSON.stringify([...found.values()].sort((a, b) => a.time - b.time || a.seq - b.seq));
  }

  // fold is state.Fold of Go: what differs in case and accents only becomes the same.
  const accents = /[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670\ufe0e\ufe0f]/g;
  const letters = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ł: "l", ħ: "h", ı: "i", þ: "th", ς: "σ" };
  const letter = new RegExp(`[${Object.keys(letters).join("")}]`, "g");
  const ascii = /^[\0-\x7f]*$/;
  function fold(text) {
    if (ascii.test(text)) return text.toLowerCase();
    return text
      .normalize("NFD")
      .replace(accents, "")
      .toLowerCase()
      .replace(letter, (l) => letters[l]);
  }

  // takes is what takes away what a message said, and said what is left of it, with what waits:
  // state.Message.Gone and state.MessageRow.Whole of Go.
  const takes = ({ kind, by }, author) => (kind === "retracted" && by === author) || kind === "moderated";

  // refused is state.Facts.refused of Go.
  const refused = (facts, { stanza }) => stanza && facts.some((f) => f.kind === "refused" && f.stanza === stanza);

  function said({ author, subject, body, notice, facts = [], waiting = [] }) {
    const every = [...facts, ...waiting];
    const all = every.filter((f) => f.kind === "refused" || !refused(every, f));
    if (all.some((f) => takes(f, author))) return "";
    const [last] = all
      .filter(({ kind, by }) => kind === "corrected" && by === author && !notice)
      .sort((a, b) => b.at - a.at || (a.text < b.text ? 1 : -1));
    if (last) return last.text || "";
    return subject ? subject + "\n" + body : body;
  }

  // search looks at one slice of the messages of all conversations. Going through the
  // newest first, the caller can stop when it has enough, and the page breathes.
  async function search(db, { words, before: time, n }) {
    const index = db.transaction("messages").objectStore("messages").index("time");
    const rows = await newest(index, IDBKeyRange.upperBound(time || Infinity, true), n);
    const found = rows.filter((row) => {
      const folded = fold(said(row));
      return words.length > 0 && words.every((word) => folded.includes(word));
    });
    const order = (a, b) => b.time - a.time || b.seq - a.seq || indexedDB.cmp(a.peer, b.peer);
    return JSON.stringify({ found: found.sort(order), next: rows.length < n ? 0 : rows[0].time });
  }

  // lead ends the commits of whoever led before. Their name is left behind; a commit
  // begins by adding its own, and fails if it is there. So it needs to ask nothing
  // first, and what a page writes in its last moment is still written.
  async function lead(db, value) {
    const tx = db.transaction("session", "readwrite");
    const done = finished(tx);
    const table = tx.objectStore("session");
    const before = await result(table.get("leader"));
    if (before) table.put({ name: left(before.value) });
    table.put({ name: "leader", value });
    const names = await result(table.getAllKeys(IDBKeyRange.bound(left(""), left("~"))));
    for (const name of names.slice(0, -leaders)) table.delete(name);
    await done;
  }

  const leaders = 20; // how many of those before are remembered
  const left = (name) => "left " + name;
  const newName = () => Date.now() + "." + crypto.getRandomValues(new Uint32Array(2)).join(".");

  // commit forgets, removes and puts, in this order, and is done when all of it is
  // kept. When it fails nothing is.
  async function commit(db, mine, { strict, forget, remove: gone, put }) {
    const tables = new Set([...Object.keys(gone), ...Object.keys(put)]);
    if (forget.length > 0 || put.facts) tables.add("messages");
    if (tables.size === 0) return;
    if (mine) tables.add("session");
    const tx = db.transaction([...tables], "readwrite", { durability: strict ? "strict" : "relaxed" });
    const done = finished(tx);
    try {
      if (mine) {
        const table = tx.objectStore("session");
        table.add({ name: left(mine) });
        table.delete(left(mine));
      }
      for (const { peer, time, seq } of forget) await forgetBefore(tx.objectStore("messages"), peer, time, seq);
      for (const [name, list] of Object.entries(gone)) {
        const table = tx.objectStore(name);
        const { keyPath } = table;
        for (const row of list) table.delete(Array.isArray(keyPath) ? keyPath.map((part) => row[part]) : row[keyPath]);
      }
      if (put.facts) put.facts = await attach(tx.objectStore("messages"), put.facts);
      for (const [name, rows] of Object.entries(put)) {
        const table = tx.objectStore(name);
        for (let i = 0; i < rows.length; i++) {
          const request = table.put(rows[i]);
          if ((i + 1) % atOnce === 0) await result(request);
        }
      }
      tx.commit();
    } catch (error) {
      try {
        tx.abort();
      } catch {
        // It has ended by itself, and done says why.
      }
      await done.catch((why) => {
        throw why.name === "AbortError" ? error : why;
      });
      throw error;
    }
    await done;
  }

  // attach puts facts into the rows of their messages, and returns those that have none here.
  async function attach(table, facts) {
    const left = [];
    for (const fact of facts) {
      const { peer, author, id, me, ...about } = fact;
      const last = async (index, ...key) => result(table.index(index).openCursor([peer, ...key], "prev"));
      const cursors = await Promise.all(
        author || me
          ? (author ? [author] : [peer, me]).map((who) => last("id", who, id)) // one of two, if it is not said whose it is
          : [last("archive", id)],
      );
      const [cursor] = cursors.filter(Boolean).sort((a, b) => indexedDB.cmp(b.primaryKey, a.primaryKey));
      if (cursor) await result(table.put(attached(cursor.value, about)));
      else left.push(fact);
    }
    return left;
  }

  // attached is state.MessageRow.Attach of Go, and limited is state.Facts.And.
  function attached({ waiting = [], facts, ...row }, fact) {
    row.waiting = limited([...waiting, fact], fact);
    if (facts) row.facts = facts;
    if (takes(fact, row.author) && !refused([...row.waiting, ...(facts || [])], fact)) {
      row.body = "";
      delete row.subject;
      for (const list of ["waiting", "facts"])
        if (row[list]) row[list] = row[list].filter(({ kind }) => kind !== "corrected" && kind !== "refused");
    }
    return row;
  }

  function limited(facts, fact) {
    const same = facts.filter((o) => o.kind === fact.kind && o.by === fact.by);
    if (same.length <= 4) return facts;
    const oldest = same.reduce((a, b) => (b.at < a.at ? b : a));
    return facts.filter((o) => o !== oldest);
  }

  // stays is state.Message.Stays of Go.
  const stays = ({ mine, delivery, late }) => mine && (late || delivery === "queued" || delivery === "failed");

  // forgetBefore deletes a range and puts back what stays: far fewer rows.
  async function forgetBefore(table, peer, time, seq) {
    const range = before(peer, time, seq);
    const kept = [];
    let rest = range;
    for (let rows; !rows || rows.length === atOnce;) {
      rows = await result(table.getAll(rest, atOnce));
      kept.push(...rows.filter(stays));
      const last = rows.at(-1);
      if (last) rest = IDBKeyRange.bound([peer, last.time, last.seq], range.upper, true, true);
    }
    table.delete(range);
    for (const row of kept) table.put(row);
  }

  const abandon = (opening) => {
    opening.then(
      (db) => db.close(),
      () => {},
    );
  };

  return { open, abandon, exists, remove, steps };
})();
