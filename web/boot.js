// @ts-check
// Starts the client: configuration, WebAssembly, service worker, and what to say
// when one of them does not come or the client dies. signin.js has run before.
"use strict";

(() => {
  const natter = /** @type {BootedNatter} */ (window.natter);
  natter.handling = [0]; // the print of the stanza that the program deals with, see notePoison
  const $ = (id) => document.getElementById(id);

  // After this many crashes within this time the page no longer reloads itself.
  const crashes = 3;
  const crashWindow = 60_000;

  const updateInterval = 3_600_000;
  const verifyAfter = 10_000;
  const patience = 10_000; // with a worker

  let go = null;
  let dead = false;

  // ---- The client has died. ----

  // A Go program that has ended leaves a page that looks alive and is not.
  natter.stopped = (details) => {
    if (dead) return;
    dead = true;
    notePoison();
    verified();
    const times = countCrash();
    // What was typed in the last second may not be kept.
    const unsent = beingWritten() || (hasDrafts() && !kept());
    let text;
    if (times >= crashes && times < Infinity)
      text =
        "It has stopped several times in a row. Wait a little, then reload. If it goes on, tell whoever runs this site.";
    else if (unsent) text = "Copy what you have not sent yet, then reload the page to go on.";
    else if (times === Infinity) text = "Reload the page to go on.";
    else text = "It is being reloaded.";
    $("stopped-text").textContent = text;
    $("stopped-details").textContent = details;
    $("stopped-more").hidden = !details;
    $("stopped").hidden = false;
    $("stopped").dataset.unsent = String(unsent);
    $("stopped-reload").focus();
    if (times >= crashes || unsent) return;
    const reload = setTimeout(() => location.reload(), 2000);
    $("stopped-more").addEventListener(
      "toggle",
      () => {
        clearTimeout(reload); // whoever wants to know is not interrupted
        $("stopped-text").textContent = "Reload the page to go on.";
      },
      { once: true },
    );
  };

  // What the program said last is told with its end: a trace of functions and places. web/build
  // knows their lines.
  let said = "";
  const { fs } = /** @type {any} */ (globalThis);
  const write = fs.writeSync;
  const utf8 = new TextDecoder();
  fs.writeSync = (file, bytes) => {
    said = (said + utf8.decode(bytes)).slice(-8192);
    return write.call(fs, file, bytes);
  };

  // notePoison writes down which stanza the program has died of, if it was one. The next
  // one leaves it out.
  function notePoison() {
    const [print] = natter.handling;
    if (!print) return;
    const key = "natter.poison";
    try {
      sessionStorage.setItem(key, [print, ...(sessionStorage.getItem(key) || "").split(" ")].slice(0, 20).join(" "));
    } catch {
      // Without storage it is met again.
    }
  }

  $("stopped-reload").addEventListener("click", () => location.reload());

  const beingWritten = () => [...document.querySelectorAll("textarea")].some((t) => t.value.trim());
  const hasDrafts = () => Boolean(document.querySelector(".row-draft"));

  // kept reports whether drafts and messages are on this device: for somebody
  // who is remembered, as long as there is room.
  function kept() {
    try {
      return Boolean(sessionStorage.getItem("natter.account")) && !document.querySelector("[data-storage]");
    } catch {
      return false;
    }
  }

  // unsaved reports whether messages would be lost with this page.
  const unsaved = () => !dead && !kept() && Boolean(natter.unsent?.());

  addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });

  // countCrash notes this crash and returns how many there were lately; Infinity where
  // that cannot be known: a page that reloaded itself then might do so for ever.
  function countCrash() {
    const now = Date.now();
    let times = [];
    if (!(sessionStorage instanceof Storage)) return Infinity; // it ends with the page (storage.js)
    try {
      times = JSON.parse(sessionStorage.getItem("natter.crashes") || "[]").filter((t) => now - t < crashWindow);
      times.push(now);
      sessionStorage.setItem("natter.crashes", JSON.stringify(times));
    } catch {
      return Infinity;
    }
    return times.length;
  }

  // An exception in the page is only fatal if it took the Go program with it.
  function consider(reason) {
    if (!go) return;
    if (go.exited || reason instanceof WebAssembly.RuntimeError) natter.stopped(String(reason));
  }
  addEventListener("error", (event) => consider(event.error || event.message));
  addEventListener("unhandledrejection", (event) => consider(event.reason));

  // ---- Configuration. ----

  function applyConfig(config) {
    natter.config = config;
    for (const domain of config.domains || []) {
      if (!domain.websocket) continue;
      // A path means "where this page came from".
      const url = new URL(domain.websocket, document.baseURI);
      url.protocol = url.protocol.replace(/^http/, "ws");
      domain.websocket = url.href;
    }
    if (config.name) {
      document.title = config.name;
      $("signin-title").textContent = config.name;
    }
    if (config.welcome) $("signin-lead").textContent = config.welcome;
    if (config.logo) {
      $("signin-logo").src = config.logo;
      /** @type {any} */
      const icon = document.querySelector("link[rel=icon]");
      icon.removeAttribute("type");
      icon.href = config.logo;
    }
    if (config.hue !== undefined) {
      document.documentElement.style.setProperty("--brand", String(config.hue));
      document.documentElement.dataset.branded = "";
    }
    const domains = config.domains || [];
    if (domains.length && !config.anyServer) {
      $("address").placeholder = "you@" + domains[0].name;
      $("advanced").hidden = true; // the policy allows no server but the listed ones
    }
    $("demo-accounts").replaceChildren();
    for (const account of config.demo || []) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "demo-account";
      button.textContent = "Use " + account.address;
      button.addEventListener("click", () => {
        $("address").value = account.address;
        $("password").value = account.password;
        $("signin-button").focus();
      });
      $("demo-accounts").append(button);
    }
    $("demo").hidden = !(config.demo || []).length;
  }

  // ---- The program. ----

  // supervised stops a program for good that an exception has gone through: what it was
  // at is left half done, and it would go on as if it were not.
  function supervised(program) {
    const resume = program._resume;
    program._resume = () => {
      try {
        resume.call(program);
      } catch (problem) {
        program.exited = true;
        natter.stopped(String(problem));
        throw problem;
      }
    };
    return program;
  }

  async function start(begun) {
    const slow = [
      setTimeout(() => natter.loading("Loading Natter…"), 1500),
      setTimeout(() => natter.loading("Still loading. The connection seems slow; you can type already."), 8000),
    ];
    try {
      if (!window.WebAssembly) throw new Error("no WebAssembly");
      const program = supervised(new Go());
      const config = await begun.config;
      if (config.kill && (await removeWorkers())) return location.reload();
      applyConfig(config);
      const instantiate = async (compiled) => WebAssembly.instantiate(await compiled, program.importObject);
      const instance = await instantiate(begun.program).catch(async (problem) => {
        if (!(await verified())) throw problem;
        return instantiate(natterStart.again().program);
      });
      await Promise.all([natterStart.styled, natterStart.sketched]);
      go = program;
      // run returns when main does, which it never should; the exit code says how.
      let code = 0;
      go.exit = (c) => (code = c);
      go.run(instance).then(
        () => natter.stopped(`exit code ${code}, build ${document.documentElement.dataset.build}\n${said}`),
        (reason) => natter.stopped(String(reason)),
      );
      setTimeout(() => (window.requestIdleCallback || setTimeout)(verify), verifyAfter);
    } catch (problem) {
      console.error("natter:", problem);
      natter.loadingFailed(
        window.WebAssembly && window.crypto
          ? "Natter could not be loaded. Check your connection; what you typed stays here."
          : "This browser cannot run Natter: it has no WebAssembly or no cryptography. Try a current browser.",
      );
      retryOnSubmit();
      return;
    } finally {
      slow.forEach(clearTimeout);
    }
    registerWorker();
  }

  // After a failed load the next Sign in tries to load again.
  function retryOnSubmit() {
    $("signin-form").addEventListener("submit", () => start(natterStart.again()), { once: true });
  }

  // ---- The service worker. ----

  // The worker keeps the page usable offline. It is asked for last so that it
  // does not compete with the first load, and its absence costs nothing else.
  async function registerWorker() {
    if (!navigator.serviceWorker || !window.MessageChannel || natter.config.kill) return;
    try {
      const registration = await navigator.serviceWorker.register("worker.js", { updateViaCache: "none" });
      const watch = () => {
        offerUpdate(registration);
        registration.installing?.addEventListener("statechange", () => offerUpdate(registration));
      };
      registration.addEventListener("updatefound", watch);
      watch();
      $("update-button").addEventListener("click", () => update(registration));
      // The browser looks for a new build now and then; a page that stays open for
      // weeks should hear of it too.
      const look = () => registration.update().catch(() => {}); // offline, or refused
      if (registration.active) look();
      setInterval(look, updateInterval);
    } catch (problem) {
      console.warn("natter: no offline use:", problem);
    }
  }

  // verified has the worker check what it keeps, and resolves with whether the program was
  // another than the one of its build. It is the right one from then on.
  const verified = async () =>
    Boolean(navigator.serviceWorker?.controller) && ask(navigator.serviceWorker.controller, "verify");

  // verify ends a program that somebody has put there, or a disk has changed.
  async function verify() {
    if (await verified()) natter.stopped("The program kept on this device was not the one of this build.");
  }

  // A new build waits until somebody says that now is a good time. A page that is of
  // that build already has come from the network: nothing would change for it, so
  // nobody is asked, and the worker takes over unless there are other tabs.
  async function offerUpdate({ active, waiting }) {
    const here = Number(document.documentElement.dataset.build);
    const same = Boolean(waiting && here) && (await ask(waiting, "number")) === here;
    if (same) ask(waiting, "activate");
    $("update").hidden = same || !(active && waiting);
    document.documentElement.toggleAttribute("data-update", !$("update").hidden);
  }

  // ask says something to a worker and resolves with its answer, or with nothing: one of an
  // older build may not understand.
  function ask(worker, question) {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => resolve(data);
      worker.postMessage(question, [port2]);
      setTimeout(resolve, patience);
    });
  }

  // update lets the waiting build take over and shows it, unless something is only here.
  async function update({ waiting }) {
    if (!waiting) return;
    if (unsaved()) {
      $("update-text").textContent =
        "A new version is ready. Messages are waiting for the network; update when they are sent.";
      return;
    }
    if (!kept() && (beingWritten() || hasDrafts())) {
      $("update-text").textContent = "A new version is ready. Send or clear what you are writing, then update.";
      return;
    }
    waiting.addEventListener("statechange", showUpdated);
    if (await ask(waiting, "activate")) {
      $("update-text").textContent = "A new version is ready. Close the other tabs with Natter, then update.";
    }
  }

  function showUpdated(event) {
    if (event.target.state === "activated") location.reload();
  }

  // removeWorkers is the operator's way out of whatever a worker or its cache has
  // come to, asked for in config.json. It reports whether there was a worker; this
  // page then still comes from it, and must be loaded again. Messages stay.
  async function removeWorkers() {
    if (!navigator.serviceWorker || !window.caches) return false;
    const scope = new URL("./", document.baseURI).href;
    let found = false;
    for (const registration of await navigator.serviceWorker.getRegistrations()) {
      if (registration.scope === scope) found = (await registration.unregister()) || found;
    }
    for (const name of await caches.keys()) {
      if (name.startsWith("natter " + scope + " ")) await caches.delete(name);
    }
    return found;
  }

  start(natterStart.first);
})();
