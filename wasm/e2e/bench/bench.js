// What the benchmark measures inside the page. Runs before the page's own scripts, and
// does nothing until it is asked, but for what has to be seen from the start.
"use strict";

window.bench = (() => {
  // A drawing in a frame's own callback is painted by that frame, any other by the next.
  let inFrame = false;
  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => frame((now) => {
    inFrame = true;
    try {
      callback(now);
    } finally {
      queueMicrotask(() => { inFrame = false; }); // behind the observers of what it has changed
    }
  });

  const afterFrame = (done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now());
    port2.postMessage(0);
  };
  // painted calls done with the time when what has just been changed has been painted.
  const painted = (done) => (inFrame ? afterFrame(done) : frame(() => afterFrame(done)));

  // seen resolves with the time when what makes test true has been painted.
  const seen = (test, attributes) => new Promise((done) => {
    const look = () => {
      if (!test()) return false;
      changes.disconnect();
      painted(done);
      return true;
    };
    const changes = new MutationObserver(look);
    if (!look()) changes.observe(document, { childList: true, characterData: true, subtree: true, attributes });
  });

  const at = (time) => performance.timeOrigin + time;
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const shown = (selector) => [...document.querySelectorAll(selector)].some((e) => e.checkVisibility());
  const texts = () => document.querySelectorAll("[role=log] [role=article] .text");
  const online = () => [...document.querySelectorAll("[role=status]")].some((e) => e.textContent.includes("Connected to"));

  // ---- From the start of the document. ----

  const start = { form: 0, client: 0, list: 0 };
  const first = new Promise((done) => {
    new PerformanceObserver((list) => {
      const entry = list.getEntriesByName("first-contentful-paint")[0];
      if (entry) done(entry.startTime);
    }).observe({ type: "paint", buffered: true });
  });
  seen(() => shown(".row"), true).then((time) => { start.list = time; });
  let usable = false;
  const look = () => {
    if (!usable && window.natter && shown("#signin-form")) {
      usable = true; // what is typed from now on stays
      const now = performance.now();
      first.then((paint) => { start.form = Math.max(now, paint); });
    }
    if (window.natter?.onSignIn) start.client = performance.now();
    else setTimeout(look);
  };
  look();

  // Transactions that write are commits, with what goes with them: reading costs nothing.
  let commit = () => {};
  const transaction = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (...args) {
    if (args[1] === "readwrite") commit();
    return transaction.apply(this, args);
  };

  // Sockets tell what comes and goes once somebody wants to hear it.
  let heard;
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      if (heard) this.addEventListener("message", ({ data }) => heard(data));
    }
    send(data) {
      heard?.("");
      super.send(data);
    }
  };

  // ---- Asked for. ----

  let pressed = 0;
  addEventListener("keydown", (event) => { if (event.key === "Enter") pressed = event.timeStamp; }, true);

  let watching;
  return {
    start,
    clock: () => at(performance.now()),
    wait,

    // until resolves with what f returns as soon as that is something.
    async until(f) {
      for (;;) {
        const found = f();
        if (found) return found;
        await wait(20);
      }
    },
    shown,
    online,

    // quiet resolves when nothing has changed for a time in ms.
    async quiet(ms) {
      let last = performance.now();
      const changes = new MutationObserver(() => { last = performance.now(); });
      changes.observe(document, { childList: true, characterData: true, attributes: true, subtree: true });
      while (performance.now() - last < ms) await wait(20);
      changes.disconnect();
    },

    signIn(address, password, remember) {
      document.getElementById("address").value = address;
      document.getElementById("password").value = password;
      document.getElementById("remember").checked = remember;
      document.getElementById("signin-form").requestSubmit();
    },

    // expect waits for a message to be painted, and painted says when it was.
    expect(text) { watching = seen(() => [...texts()].pop()?.textContent === text); },
    async painted() { return at(await watching); },
    pressed: () => at(pressed),

    // watch counts from now on until the text is painted.
    watch(text) {
      const seen = { draws: 0, mostDraws: 0, frames: 0, longest: 0, commits: 0, mostCommits: 0, painted: 0 };
      let [draws, written] = [0, 0]; // of this frame
      commit = () => { seen.commits++; seen.mostCommits = Math.max(seen.mostCommits, ++written); };
      const changes = new MutationObserver(() => { seen.draws++; seen.mostDraws = Math.max(seen.mostDraws, ++draws); });
      changes.observe(document.body, { childList: true, characterData: true, subtree: true });
      const tasks = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) seen.longest = Math.max(seen.longest, duration);
      });
      tasks.observe({ type: "longtask" });
      const count = () => {
        if (seen.painted) return;
        seen.frames++;
        frame(count);
        afterFrame(() => { [draws, written] = [0, 0]; });
      };
      frame(count);
      this.expect(text);
      watching = watching.then(async (time) => {
        seen.painted = at(time);
        changes.disconnect();
        commit = () => {};
        await wait(200); // tasks are told of late
        tasks.disconnect();
        return seen;
      });
    },
    watched: () => watching,

    // join leaves the open room, which has many people, and joins it again. It returns when one could write there, when
    // all had come to rest, and the longest task.
    async join(room) {
      const inside = () => document.querySelector(`#log[data-conv="${room}/"]`) && /\d{5} people/.test(document.querySelector("main").textContent);
      await this.until(inside);
      await this.quiet(1000);
      const click = async (selector) => (await this.until(() => document.querySelector(selector))).click();
      await click("[data-do=details]");
      await click("[data-do=leave-room]");
      await this.until(() => !document.querySelector(`.row[data-conv="${room}/"]`));
      await this.quiet(500);
      await click("[data-do=join-room]");
      const field = await this.until(() => document.querySelector("#join-address"));
      await this.quiet(500);
      field.value = room;
      let longest = 0;
      const tasks = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
      });
      tasks.observe({ type: "longtask" });
      const began = performance.now();
      let last = 0;
      const changes = new MutationObserver(() => painted((time) => { last = time; }));
      changes.observe(document.body, { childList: true, characterData: true, attributes: true, subtree: true });
      field.form.requestSubmit();
      const ready = await seen(() => inside() && shown("#message") && !shown(".room-status"), true);
      while (performance.now() - last < 1000) await wait(50);
      changes.disconnect();
      tasks.disconnect();
      return { ready: ready - began, settled: last - began, longest };
    },

    // autojoin signs in, and returns when so many rooms had let one in, and when all had come to rest: nothing is drawn
    // or said any more.
    async autojoin(address, password, rooms) {
      let [joined, all, last] = [0, 0, 0];
      heard = (stanza) => {
        last = performance.now();
        if (stanza.startsWith("<presence") && /<status [^>]*code=['"]110['"]/.test(stanza) && ++joined === rooms) all = last;
      };
      const changes = new MutationObserver(() => painted((time) => { last = time; }));
      changes.observe(document.body, { childList: true, characterData: true, attributes: true, subtree: true });
      const began = performance.now();
      this.signIn(address, password, true);
      while (!all || performance.now() - last < 1000) await wait(50);
      changes.disconnect();
      return { joined: all - began, settled: last - began };
    },

    // toDate goes to a day, and returns how long it took until what was said first on it was painted, and what that is.
    async toDate(day) {
      (await this.until(() => document.querySelector("[data-do=date]"))).click();
      const field = await this.until(() => document.querySelector("#date"));
      await this.quiet(500);
      field.value = day;
      const began = performance.now();
      field.form.requestSubmit();
      const found = () => document.activeElement.matches("#found") && document.activeElement.querySelector(".text");
      const time = await seen(found, true);
      return { took: time - began, text: found().textContent };
    },

    // back scrolls to the beginning, and returns how long it took until the text there
    // was painted.
    async back(text) {
      const log = document.querySelector("[role=log]");
      const began = performance.now();
      const there = seen(() => texts()[0]?.textContent === text);
      let done = 0;
      there.then((time) => { done = time; });
      while (!done) {
        log.scrollTop = 0;
        await new Promise(frame);
      }
      return done - began;
    },

    // list signs in and returns when the list is shown, and when it has come to rest.
    async list(address, password) {
      const began = performance.now();
      const rows = seen(() => shown(".row"), true);
      let last = 0;
      const changes = new MutationObserver(() => painted((time) => { last = time; }));
      changes.observe(document.body, { childList: true, characterData: true, attributes: true, subtree: true });
      this.signIn(address, password, false);
      const list = await rows;
      while (!online() || performance.now() - last < 1000) await wait(50);
      changes.disconnect();
      return { shown: list - began, settled: last - began };
    },
  };
})();
