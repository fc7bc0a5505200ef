// Counts and times what a page does until its list is on screen and it is online. Runs
// before the page's own scripts.
"use strict";

window.warm = (() => {
  const warm = { rows: 0, bytes: 0, more: 0, drawn: 0, list: 0, online: 0, trips: 0 };
  let loading = 0;
  let painted = false;

  // Rows that the database hands out for the list, and whatever more before it is there:
  // how many those are depends on when there is a frame.
  for (const [owner, names] of [[IDBObjectStore, ["get", "getAll"]], [IDBIndex, ["get", "getAll"]]]) {
    for (const name of names) {
      const real = owner.prototype[name];
      owner.prototype[name] = function (...args) {
        const request = real.apply(this, args);
        request.addEventListener("success", () => {
          if (painted || request.result === undefined) return;
          warm[loading ? "rows" : "more"] += name === "getAll" ? request.result.length : 1;
        });
        return request;
      };
    }
  }

  // What the program gets of them to parse, in characters.
  let store;
  Object.defineProperty(window, "natterStore", {
    get: () => store,
    set(real) {
      store = { ...real, async open(...args) {
        const db = await real.open(...args);
        const length = (answer) => [].concat(answer).reduce((sum, part) => sum + (typeof part === "string" ? part.length : 0), 0);
        return Object.fromEntries(Object.entries(db).map(([name, f]) => [name, (...given) => {
          if (name !== "load") return f(...given);
          loading++;
          const answer = f(...given);
          answer.then((value) => { warm.bytes += length(value); }).finally(() => { loading--; });
          return answer;
        }]));
      } };
    },
  });

  // Round trips from the start of the socket to the resumed stream: the handshake, and
  // each time something is sent after something has come.
  const RealSocket = window.WebSocket;
  window.WebSocket = class extends RealSocket {
    constructor(...args) {
      super(...args);
      let heard = true;
      let trips = 1;
      const send = this.send;
      this.send = function (data) {
        if (heard) trips++;
        heard = false;
        return send.call(this, data);
      };
      this.addEventListener("message", ({ data }) => {
        heard = true;
        if (!warm.trips && data.includes("<resumed")) warm.trips = trips;
      });
    }
  };

  // A frame after the one in which it was drawn, it has been on screen. What web/start.js
  // shows until then is outside of the program's element.
  const look = () => {
    if (!painted && document.querySelector("#app .row")) {
      painted = true;
      warm.drawn = document.querySelectorAll("#app .row").length;
      requestAnimationFrame(() => { warm.list = performance.now(); });
    }
    const online = [...document.querySelectorAll("[role=status]")].some((e) => e.textContent.includes("Connected to"));
    if (!warm.online && online) warm.online = performance.now();
    if (!warm.list || !warm.online) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  return warm;
})();
