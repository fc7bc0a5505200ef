// @ts-check
// The service worker: Natter opens offline, and never from a file it did not
// check.
//
// It holds the files of one build. Installing fails as a whole if one of them is
// missing or differs from the hash the build wrote here, and each is checked
// again whenever it is read, since any script of this origin can write to the
// cache. The program alone is too large for that: it would be 100 ms late. It is
// checked, with all the others, when a page asks for it: each does once it has time,
// and at once when the program does not start or has died. What is wrong is replaced.
//
// Files whose name carries their hash come from the cache; the page and its
// configuration come from the network while one answers, so that changed headers
// hold at once, and from the cache otherwise. Everything else is none of its
// business.
//
// A new build waits until no page of the old one is open, or until the only one
// asks for it. A build with a smaller number than the one at work does not
// install, and its page is not shown: a stale mirror must not bring back what was
// fixed (compare CVE-2022-22786). An operator who does want to go back builds the old sources
// with a new number. And where config.json says "kill": true, the worker that was
// to be installed removes all workers and caches instead.
"use strict";

const build = BUILD; // {number, version, files: {path: sha256}}, by web/build

const prefix = "natter " + registration.scope + " ";
const cacheName = prefix + build.version;
const shell = new URL("./", registration.scope).href;
const config = new URL("config.json", registration.scope).href;
const files = new Map(
  Object.entries(build.files).map(([path, hash]) => [new URL(path, registration.scope).href, hash]),
);

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("message", (event) => {
  const [port] = event.ports;
  if (event.data === "number") port.postMessage(build.number);
  if (event.data === "activate") event.waitUntil(takeOver(event.source, port));
  if (event.data === "verify") event.waitUntil(verify().then((wrong) => port.postMessage(wrong)));
});
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showChat(event.notification.data));
});
addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.url === config) event.respondWith(fresh(request, config));
  else if (request.mode === "navigate") navigate(event);
  else if (request.url !== shell && files.has(request.url)) event.respondWith(kept(request.url));
});

async function install() {
  const response = await fetch(config, { cache: "reload" });
  if (await kills(response.clone())) return skipWaiting();
  for (const other of [registration.active, registration.waiting]) {
    if (other && build.number && (await numberOf(other)) > build.number)
      throw new Error("a newer build is here already");
  }
  const cache = await caches.open(cacheName);
  try {
    for (const url of files.keys()) await cache.put(url, await load(url));
    if (response.ok) await cache.put(config, response);
  } catch (problem) {
    await caches.delete(cacheName);
    throw problem;
  }
}

async function activate() {
  const killed = await fetch(config, { cache: "reload" }).then(kills, () => false);
  for (const name of await caches.keys()) {
    if (name.startsWith(prefix) && (killed || name !== cacheName)) await caches.delete(name);
  }
  if (!killed) return preload();
  await registration.unregister();
  // Once it answers no requests, a page can only come from the network.
  for (const page of await clients.matchAll({ type: "window" })) page.navigate(page.url).catch(() => {});
}

// preload has the browser ask for the page while the worker starts. Firefox must not: once
// that request fails it shows an error instead of the worker's answer, so nothing would open
// offline (GoogleChrome/workbox#3134; seen in Firefox 153).
function preload() {
  if (navigator.userAgent.includes("Firefox/")) return registration.navigationPreload?.disable();
  return registration.navigationPreload?.enable();
}

async function kills(response) {
  return (
    response.ok &&
    response.json().then(
      (c) => c.kill === true,
      () => false,
    )
  );
}

// numberOf asks a worker for the number of its build. None answers 0, as does a
// build that knows of no numbers. Caches could tell too, but any script of this
// origin can make one.
function numberOf(worker) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event) => resolve(Number(event.data) || 0);
    worker.postMessage("number", [port2]);
    setTimeout(resolve, 10_000, 0);
  });
}

// takeOver ends the wait because a page asks for it, unless there are others: they
// would go on with the files of one build and the worker of another.
async function takeOver(page, port) {
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const others = open.filter((c) => c.id !== page.id && c.url.startsWith(registration.scope)).length;
  port.postMessage(others);
  if (!others) await skipWaiting();
}

// load brings a listed file from the network, or throws. A wrong copy in the
// browser's own cache is asked for once more.
async function load(url) {
  for (const mode of /** @type {const} */ (["default", "reload"])) {
    const response = await fetch(url, { cache: url === shell ? "reload" : mode, credentials: "same-origin" });
    if (!response.ok) throw new Error(url + ": " + response.status);
    const checked = await check(response, files.get(url));
    if (checked) return checked;
  }
  throw new Error(url + " is not the file of this build");
}

const isProgram = (url) => url.endsWith(".wasm");

// kept answers with a listed file, from the cache if that copy is the right one.
async function kept(url) {
  const cache = await caches.open(cacheName);
  const found = await cache.match(url);
  const checked = found && (isProgram(url) ? found : await check(found, files.get(url)));
  if (checked) return checked;
  const loaded = await load(url);
  await cache.put(url, loaded.clone());
  return loaded;
}

// verify checks all that is kept, replaces what is wrong, and returns whether the program
// was. What cannot be replaced now is no longer there.
async function verify() {
  const cache = await caches.open(cacheName);
  let wrong = false;
  for (const [url, hash] of files) {
    const found = await cache.match(url);
    if (found && (await check(found, hash))) continue;
    wrong = wrong || (Boolean(found) && isProgram(url));
    await cache.delete(url);
    await load(url).then(
      (loaded) => cache.put(url, loaded),
      () => {},
    );
  }
  return wrong;
}

// navigate answers with the page. The network is asked for it while the worker starts, and
// the browser opens the site's databases, which takes it long when it has just started.
function navigate(event) {
  const early = event.preloadResponse || Promise.resolve();
  event.waitUntil(early.catch(() => {}));
  event.respondWith(fresh(event.request, shell, early));
  const vault = indexedDB.open("natter-vault", 1);
  vault.onupgradeneeded = () => vault.transaction?.abort(); // nobody is remembered
  vault.onsuccess = () => vault.result.close();
}

// quiet is set while the network swallows what it is asked, as some do in trains.
let quiet = false;

// fresh asks the network, and the cache when there is none to ask, when it is quiet,
// or when it has the page of an older build.
async function fresh(request, url, early) {
  let timer;
  const patience = new Promise((resolve) => {
    timer = setTimeout(
      () => {
        quiet = true;
        resolve(null);
      },
      quiet ? 300 : 3000,
    );
  });
  const asked = usable(request, url, early).finally(() => clearTimeout(timer));
  return (await Promise.race([asked, patience])) || (await stored(url)) || (await asked) || Response.error();
}

// usable returns what the network answers, null if that is nothing to go on with.
async function usable(request, url, early) {
  try {
    const response = (await early) || (await fetch(request));
    quiet = false;
    return response.status < 500 && !(url === shell && (await older(response))) ? response : null;
  } catch {
    return null; // offline
  }
}

async function older(response) {
  const [, number] = /data-build="(\d+)"/.exec(await response.clone().text()) || [];
  return Number(number) < build.number;
}

// stored returns what the cache has of the page or its configuration.
async function stored(url) {
  const cache = await caches.open(cacheName);
  const found = await cache.match(url);
  const hash = files.get(url);
  return found && hash ? check(found, hash) : found;
}

// check returns a response with the body of the given one if its hash is right.
// The encoding of the transfer is gone by now, and with it its headers.
async function check(response, hash) {
  const body = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const hex = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
  if (hex !== hash) return null;
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding");
  headers.delete("Content-Length");
  return new Response(body, { headers });
}

// showChat opens the conversation that a notification is of, in a page of its account, or
// in a new one if there is none.
async function showChat(about) {
  for (const page of await clients.matchAll({ type: "window", includeUncontrolled: true })) {
    if (page.url.startsWith(registration.scope) && (await takes(page, about))) return page.focus();
  }
  return clients.openWindow(shell + "#" + encodeURIComponent(about.conv));
}

// takes asks a page whether it is one of the account. One that is asleep does not answer.
function takes(page, about) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event) => resolve(event.data === true);
    page.postMessage(about, [port2]);
    setTimeout(resolve, 1000, false);
  });
}
