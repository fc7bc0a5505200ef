// @ts-check
// What the view cannot say with elements and classes: where the scroll position is,
// which row has the focus, what a key means. The Go side calls hold before it changes
// the page and settle after; everything the person does goes to the one listener.
// Nothing here knows XMPP, and nothing here keeps what a person wrote.
"use strict";

window.natterPage = (() => {
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const near = 800; // px from an edge of the log at which more is asked for
  const slack = 48; // px from the end that still count as the end

  /** @type {((signal: Signal) => void) | null} */
  let listener = null;
  // tell sends the Go program one thing the person did; what is left out is empty there.
  /** @type {(command: Command, signal?: Omit<Signal, "do">) => void} */
  const tell = (command, signal) => {
    if (command !== "send") empty(); // in their order
    if (listener) listener({ do: command, ...signal });
  };

  // ---- The log. ----

  let log = null; // the element that is watched
  let anchor = null; // { key, bottom, at } of the first message in sight
  let atEnd = true;
  let moved = false; // it was scrolled since the last look
  let end = Infinity; // the scroll position that was its end when it was painted last
  let told = ""; // the last edge that was told, not to tell it twice
  // Told when a change has been laid out and not painted yet: putting the log back to its
  // end then costs nothing. To measure right after a change lays the page out once more.
  const resized = new ResizeObserver(() => restore());

  const distance = () => log.scrollHeight - log.clientHeight - log.scrollTop;

  // remember notes which message is first in sight and where it ends: what comes
  // before it decides how much room is above it. The rows stand in order, so halving
  // finds it without measuring them all.
  function remember() {
    // Who was at the end still is: what came since has not been painted yet.
    atEnd = (atEnd && !moved) || Math.min(distance(), end - log.scrollTop) <= slack;
    moved = false;
    const rows = log.querySelectorAll("[data-key]");
    const edge = log.getBoundingClientRect().top;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    const row = rows[low];
    anchor = row
      ? { key: row.dataset.key, bottom: row.getBoundingClientRect().bottom - edge, at: log.scrollTop }
      : null;
  }

  // restore puts that message back where it was, or stays at the end.
  function restore() {
    if (!log) return;
    if (atEnd) log.scrollTop = log.scrollHeight;
    else hang();
    end = log.scrollHeight - log.clientHeight;
  }

  function hang() {
    if (!anchor) return;
    const row = log.querySelector(`[data-key="${anchor.key}"]`);
    if (!row) return;
    // What the person has scrolled since then is theirs to keep; that a page which has
    // shrunk has no room left below is not their doing.
    const scrolled = log.scrollTop - Math.min(anchor.at, log.scrollHeight - log.clientHeight);
    const off = row.getBoundingClientRect().bottom - log.getBoundingClientRect().top - anchor.bottom + scrolled;
    if (Math.abs(off) > 0.5) log.scrollTop += off;
    anchor = { key: anchor.key, bottom: anchor.bottom - scrolled, at: log.scrollTop };
  }

  // edges tells when the person comes near the end of what is on the page.
  function edges() {
    if (!log) return;
    let which = "";
    if (log.scrollTop < near) which = "top";
    else if (distance() < near) which = "bottom";
    const first = log.querySelector("[data-key]");
    const last = log.firstElementChild.lastElementChild;
    // A page that brought nothing new leaves the rows as they were; what ends its
    // loading is all that tells to ask for the next.
    const loading = Boolean(log.querySelector(".log-top .bones"));
    const now = [
      which,
      atEnd,
      loading,
      first && first.dataset.key,
      last && last.childElementCount,
      log.dataset.conv,
    ].join(" ");
    if (now === told) return;
    told = now;
    tell("edge", { text: which, on: atEnd });
  }

  function scrolled() {
    moved = true;
    look();
  }

  // look sees in the next frame, when all is laid out, where the log stands.
  let framed = false;
  function look() {
    if (framed) return;
    framed = true;
    requestAnimationFrame(() => {
      framed = false;
      if (!log || !log.isConnected) return;
      if (moved || !atEnd) remember();
      edges();
    });
  }

  function watch(element) {
    if (log === element) return;
    resized.disconnect();
    log = element;
    told = "";
    anchor = null;
    atEnd = true;
    moved = false;
    end = Infinity;
    if (!log) return;
    log.addEventListener("scroll", scrolled, { passive: true });
    resized.observe(log);
    resized.observe(log.firstElementChild);
  }

  // ---- The list. ----

  // One row can be reached with Tab, the others with the arrow keys.
  function rove(focused) {
    const rows = [...document.querySelectorAll("#rows .row")];
    const current = focused || rows.find((r) => r.getAttribute("aria-current")) || rows[0];
    for (const row of rows) {
      const index = row === current ? 0 : -1;
      if (row.tabIndex !== index) row.tabIndex = index;
    }
  }

  let firstRow = 0;
  function listScrolled(event) {
    const list = event.target;
    const height = rowHeight();
    const first = Math.floor(list.scrollTop / height);
    if (Math.abs(first - firstRow) < 6) return;
    firstRow = first;
    tell("rows", { number: first });
  }

  // Of a long list only the rows in sight are on the page, between two spacers. Its data-window is
  // the command that says which row is the first.
  function windowed(list) {
    const row = list.querySelector("[role=listitem]");
    const height = row ? row.getBoundingClientRect().height : 0;
    for (const part of list.children) {
      const tall = part.classList.contains("spacer") ? `${part.dataset.rows * height}px` : "";
      if (part.style.height !== tall) part.style.height = tall;
    }
    if (list.dataset.watched) return;
    list.dataset.watched = "true";
    let first = 0;
    const scrolled = () => {
      const row = list.querySelector("[role=listitem]");
      const now = row ? Math.floor(list.scrollTop / row.getBoundingClientRect().height) : 0;
      if (Math.abs(now - first) < 6) return;
      first = now;
      tell(list.dataset.window, { number: first });
    };
    list.addEventListener("scroll", scrolled, { passive: true });
  }

  const rowHeight = () => {
    const row = document.querySelector("#rows .row-item");
    return row ? row.getBoundingClientRect().height : 68;
  };

  // ---- The composer. ----

  // Most browsers let the field grow with what is in it (field-sizing in app.css). Measuring
  // it would lay out the page for each key.
  const grows = CSS.supports("field-sizing", "content");

  function grow(text) {
    if (!grows) {
      text.style.height = "auto";
      text.style.height = `${text.scrollHeight}px`;
    }
    text.closest(".composer-box").classList.toggle("has-text", text.value.trim() !== "");
  }

  // What is sent is told in a task of its own. A frame that is asked for while a key is dealt
  // with holds up all other tasks until it is painted, and one of these is the answer of the
  // disk that the message waits for. For the same reason the field is emptied with the next
  // drawing, which shows the message, or before anything else happens to it.
  let leaving = null; // the field with what is sent, at its beginning
  let left = 0; // how much that is
  let say = () => {}; // tells it, once

  // As text it is sent although it looks like a command.
  function send(as = "") {
    empty();
    const text = $("message");
    if (!text || text.readOnly || !text.value.trim()) return;
    const {
      dataset: { conv },
      value,
    } = text;
    leaving = text;
    left = value.length;
    say = () => {
      say = () => {};
      tell("send", { conv, text: value, also: as });
      setTimeout(() => leaving === text && empty(), 50); // nothing may have been drawn
    };
    setTimeout(() => say());
    if (text !== document.activeElement) text.focus({ preventScroll: true }); // or a phone's keyboard goes
  }

  function empty() {
    say();
    const text = leaving;
    leaving = null;
    if (!text) return;
    text.value = text.value.slice(left);
    grow(text);
  }
  for (const event of ["keydown", "beforeinput", "input", "beforeunload"]) addEventListener(event, empty, true);

  // begun is the word before the caret that may be completed: a colon and two letters by an emoji,
  // what follows an @ by somebody's name, and what follows a slash at the beginning by a command.
  function begun(text) {
    const caret = text.selectionStart;
    const before = text.value.slice(Math.max(0, caret - 32), caret);
    const word = /(?:^|\s)(:[\p{L}\d+-][\p{L}\d_+-]+|@[^\s@]*)$|^\/[a-z]*$/u.exec(before);
    return (caret === text.selectionEnd && word && (word[1] || word[0])) || "";
  }

  function complete(text) {
    const word = begun(text);
    if (word || $("completions")) tell("complete", { text: word });
  }

  // put writes at the caret of the composer what somebody chose, or over the word that it completes.
  function put(what, over) {
    const text = $("message");
    if (!text) return;
    const from = text.selectionStart - (over ? begun(text).length : 0);
    text.setRangeText(what, from, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("focusout", (/** @type {At<FocusEvent>} */ { target }) => {
    if (target.id === "message" && $("completions")) tell("complete");
  });
  document.addEventListener("mousedown", (/** @type {At<MouseEvent>} */ event) => {
    if (event.target.closest("#completions")) event.preventDefault(); // the composer keeps the focus
  });

  // ---- Before and after a change. ----

  let focusedRow = ""; // the row of the list that has the focus, also if another element shows it now
  document.addEventListener("focusin", (/** @type {At<FocusEvent>} */ { target }) => {
    focusedRow = target.classList.contains("row") ? target.id : ""; // between hold and settle too
  });

  function hold(exact) {
    const active = document.activeElement;
    focusedRow = active && active.classList.contains("row") ? active.id : "";
    if (!log || !log.isConnected) return "";
    if (atEnd && !moved && !exact) {
      const last = [...log.querySelectorAll("[data-key]")].pop();
      return last ? last.dataset.key : "";
    }
    remember();
    return anchor ? anchor.key : "";
  }

  /** @param {Settling} after */
  function settle({ scroll, focus, enter, fill, words, unfilter, insert, over }) {
    empty();
    if (unfilter && $("filter")) $("filter").value = "";
    for (const part of document.querySelectorAll("#rows > *")) {
      // What was a spacer may be something else now.
      const height = part.classList.contains("spacer") ? `${part.dataset.rows * rowHeight()}px` : "";
      if (part.style.height !== height) part.style.height = height;
    }
    for (const list of document.querySelectorAll("[data-window]")) windowed(list);
    const list = $("rows");
    if (list && !list.dataset.watched) {
      list.dataset.watched = "true";
      list.addEventListener("scroll", listScrolled, { passive: true });
    }
    if (focusedRow) {
      const row = $(focusedRow);
      if (row && row !== document.activeElement) row.focus({ preventScroll: true });
      rove(row);
    } else {
      rove();
    }

    watch($("log"));
    if (log) {
      if (scroll === "new" && $("unread")) {
        atEnd = false;
        log.scrollTop +=
          $("unread").getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 4;
        end = Infinity;
        remember();
      } else if (scroll === "found" && $("found")) {
        atEnd = false;
        log.scrollTop +=
          $("found").getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 3;
        end = Infinity;
        remember();
      } else if (scroll === "put") {
        moved = true;
        end = Infinity;
        remember();
      } else {
        const followed = atEnd && !moved;
        if (scroll === "end" || scroll === "new") atEnd = true;
        if (scroll === "stay") atEnd = false; // it was the end of the page, not of the conversation
        if (!followed || !atEnd) restore();
      }
      look();
    }

    const text = $("message");
    if (text && !text.dataset.grown) {
      text.dataset.grown = "true";
      grow(text);
    }
    for (const dialog of document.querySelectorAll("dialog[data-modal]:not([open])")) {
      dialog.addEventListener("close", () => dialog.isConnected && tell("close"));
      // A click on the backdrop is a click on the dialog itself.
      dialog.addEventListener("click", (event) => event.target === dialog && tell("close"));
      dialog.showModal();
    }
    for (const menu of document.querySelectorAll("[data-at]:not(:popover-open)")) openMenu(menu);
    if (fill && text) {
      text.value = words;
      grow(text);
    }
    if (focus) {
      const target = $(focus);
      if (target) {
        target.focus({ preventScroll: target.id === "found" });
        if (target.select && target.id !== "message") target.select();
      }
    }
    if (insert) put(insert, over);
    if (enter && narrow() && !(history.state && history.state.pane)) {
      history.pushState({ pane: true }, "");
    }
    for (const chosen of document.querySelectorAll('[role="option"][aria-selected="true"]')) {
      chosen.scrollIntoView({ block: "nearest" });
    }
  }

  // ---- The menu of a message. ----

  let pointed = null; // where it was asked for with a pointer
  let goBack = () => {}; // puts the focus where it was before the menu

  function openMenu(menu) {
    const { at: key, by } = menu.dataset;
    const row = !by && log && log.querySelector(`[data-key="${key}"]`);
    const button = by ? $(by) : row && row.querySelector(".msg-more");
    if (!button) return;
    const from = document.activeElement;
    goBack = () => {
      if (menu.contains(document.activeElement) || document.activeElement === document.body)
        (from && from.isConnected && from !== document.body ? from : button).focus({ preventScroll: true });
    };
    const back = goBack;
    menu.addEventListener("toggle", ({ newState }) => {
      if (newState !== "closed") return;
      back();
      tell("menu-closed", { text: menu.dataset.at });
    });
    menu.showPopover();
    const at = pointed || button.getBoundingClientRect();
    pointed = null;
    if (!narrow()) {
      const { width, height } = menu.getBoundingClientRect();
      const below = at.bottom + height < innerHeight - 8;
      menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
      menu.style.top = `${below ? at.bottom : Math.max(8, at.top - height)}px`;
    }
    menu.querySelector("[role=menuitem]").focus({ preventScroll: true });
  }

  // The menu closes at what is pressed outside of it. Left to the browser it would close when the
  // button or the finger is lifted that has opened it.
  const shownMenu = () => document.querySelector("[data-at]:popover-open");
  document.addEventListener(
    "pointerdown",
    (/** @type {At<PointerEvent>} */ { target }) => {
      const menu = shownMenu();
      if (menu && !menu.contains(target)) menu.hidePopover();
      const row = target.closest("#log [data-key]");
      pressed = row ? partOf(row) : "";
    },
    true,
  );

  // What is selected of a message when its menu is opened is what Reply answers.
  let part = "";
  let pressed = ""; // the same as a button was pressed, which may end the selection
  const partOf = (row) => {
    const at = getSelection();
    return at && at.rangeCount && row.contains(at.getRangeAt(0).commonAncestorContainer) ? String(at) : "";
  };

  const menuOf = (row) => {
    part = partOf(row) || pressed;
    tell("menu", { text: row.dataset.key });
  };

  document.addEventListener("contextmenu", (/** @type {At<MouseEvent>} */ event) => {
    const member = listener && event.target.closest(".member");
    if (member && member.querySelector(".member-more")) {
      event.preventDefault();
      member.querySelector(".member-more").click();
      return;
    }
    const row = event.target.closest("#log [data-key]");
    if (!listener || !row || selecting() || event.target.closest("a, button.chip") || String(getSelection())) return;
    event.preventDefault();
    if (event.clientX || event.clientY) pointed = new DOMRect(event.clientX, event.clientY);
    menuOf(row);
  });

  // Drawing a message aside with a finger answers it.
  const far = 56; // px
  let drawn = null; // { row, x, y } where it was touched
  const aside = (row, by) => (row.style.transform = by ? `translateX(${by}px)` : "");
  document.addEventListener(
    "touchstart",
    (/** @type {At<TouchEvent>} */ { touches, target }) => {
      const row = touches.length === 1 && !selecting() && target.closest("#log [data-key]");
      drawn = row ? { row, x: touches[0].clientX, y: touches[0].clientY, by: 0 } : null;
    },
    { passive: true },
  );
  document.addEventListener(
    "touchmove",
    (event) => {
      if (!drawn) return;
      const [{ clientX, clientY }] = event.touches;
      const by = clientX - drawn.x;
      if (!drawn.by && Math.abs(clientY - drawn.y) > Math.abs(by))
        drawn = null; // it is scrolled
      else aside(drawn.row, (drawn.by = Math.max(0, Math.min(by, far))));
    },
    { passive: true },
  );
  for (const end of ["touchend", "touchcancel"])
    document.addEventListener(end, () => {
      if (!drawn) return;
      const { row, by } = drawn;
      drawn = null;
      aside(row, 0);
      if (end === "touchend" && by === far && row.isConnected) tell("reply", { text: row.dataset.key });
    });

  // Safari on phones has no contextmenu for a long press.
  let pressing = 0;
  const release = () => clearTimeout(pressing);
  document.addEventListener(
    "touchstart",
    (/** @type {At<TouchEvent>} */ event) => {
      release();
      const row = event.touches.length === 1 && !selecting() && event.target.closest("#log [data-key]");
      if (row) pressing = setTimeout(() => row.isConnected && !String(getSelection()) && menuOf(row), 600);
    },
    { passive: true },
  );
  for (const event of ["touchmove", "touchend", "touchcancel", "contextmenu", "scroll"])
    document.addEventListener(event, release, { passive: true, capture: true });

  // step puts the focus on another one of some elements.
  function step(event, all, at) {
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? all.length - 1 : at - 1, Home: 0, End: all.length - 1 }[
      event.key
    ];
    event.preventDefault();
    return all[(to + all.length) % all.length];
  }

  // menuKey and rowKey report whether a key was for them.
  function menuKey(event, menu) {
    const items = [...menu.querySelectorAll("[role=menuitem]")];
    if (["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key))
      step(event, items, items.indexOf(event.target)).focus();
    else if (event.key === "Tab" || event.key === "Escape") menu.hidePopover();
    else return false;
    return true;
  }

  // While messages are selected a click on one selects it, and so does Space.
  const selecting = () => document.querySelector(".selecting");

  // From the log the arrows lead to the messages in sight, and from one to the next.
  function rowKey(event, row) {
    const key = event.key;
    const does = selecting()
      ? { " ": "select" }[key]
      : { ".": "menu", ContextMenu: "menu", "+": "react", r: "reply", e: "edit" }[key];
    if (event.ctrlKey || event.metaKey || event.altKey || !log) return false;
    if (row && (does || (key === "F10" && event.shiftKey && !selecting()))) {
      event.preventDefault();
      part = partOf(row);
      tell(/** @type {Command} */ (does || "menu"), { text: row.dataset.key, also: does === "reply" ? part : "" });
      return true;
    }
    if (key !== "ArrowUp" && key !== "ArrowDown") return false;
    const rows = [...log.querySelectorAll("[data-key]")];
    let next;
    if (row) next = rows[rows.indexOf(row) + (key === "ArrowUp" ? -1 : 1)];
    else {
      const { top, bottom } = log.getBoundingClientRect();
      const seen = rows.filter((r) => r.getBoundingClientRect().bottom > top && r.getBoundingClientRect().top < bottom);
      next = seen.at(key === "ArrowUp" ? -1 : 0);
    }
    if (!next) return false;
    event.preventDefault();
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  // arrange puts the children of an element in an order of where each was, ~where for one
  // that becomes another row. The others stay as they are, with the focus and what is selected.
  function arrange(element, order) {
    const from = order.trim().split(" ").map(Number);
    const rows = from.map((i) => element.children[i < 0 ? ~i : i]);
    for (const all of [false, true]) {
      for (let i = rows.length - 1; i >= 0; i--) {
        const next = rows[i + 1] || null;
        if ((all || from[i] < 0) && rows[i].nextSibling !== next) element.insertBefore(rows[i], next);
      }
    }
  }

  // ---- What the person does. ----

  // A picture that is chosen for a room becomes a small square one before it leaves this page.
  const edge = 96; // px
  document.addEventListener("change", async (/** @type {At<Event>} */ { target }) => {
    const [file] = (target.id === "picture" && target.files) || [];
    if (!file) return;
    let text = "-"; // no picture, which is refused in words
    try {
      const whole = await createImageBitmap(file);
      const side = Math.min(whole.width, whole.height);
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = edge;
      const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      pen.drawImage(whole, (whole.width - side) / 2, (whole.height - side) / 2, side, side, 0, 0, edge, edge);
      text = canvas.toDataURL("image/png");
    } catch {
      // The browser knows no such picture.
    }
    tell("picture", { jid: target.dataset.jid, text });
    target.value = "";
  });

  document.addEventListener("click", (/** @type {At<MouseEvent>} */ event) => {
    const picked = selecting() && event.target.closest("#log [data-key]");
    if (picked) {
      event.preventDefault(); // a link
      tell("select", { text: picked.dataset.key });
      return;
    }
    const target = event.target.closest("[data-do]");
    if (!target) return;
    // A redraw while this event goes on may make the button into one that submits the form.
    if (target.type === "button") event.preventDefault();
    const menu = target.closest("[popover]");
    if (menu && !target.classList.contains("choice")) {
      menu.hidePopover();
      if (menu.dataset.at) goBack(); // at once: a dialog goes back to what has the focus when it opens
    }
    if (target.dataset.do === "send-button") send();
    else if (target.dataset.do === "send-text") send("text");
    else if (target.dataset.do === "reload") location.reload();
    else if (target.dataset.do === "notices") chooseNotices(target.dataset.text);
    else if (target.dataset.do === "menu") menuOf(target.closest("[data-key]"));
    else
      tell(target.dataset.do, {
        conv: target.dataset.conv,
        jid: target.dataset.jid,
        text: target.dataset.text,
        also: target.dataset.do === "reply" ? part : "",
        number: Number(target.dataset.number || 0),
      });
  });

  document.addEventListener("submit", (/** @type {At<SubmitEvent>} */ event) => {
    const form = event.target;
    if (!form.dataset.form) return;
    event.preventDefault();
    const fields = form.elements;
    tell(form.dataset.form, {
      jid: form.dataset.jid,
      text: form.querySelector(".form-fields") ? JSON.stringify([...new FormData(form)]) : fields.text?.value,
      also: fields.also?.value,
      on: fields.on?.checked,
    });
  });

  document.addEventListener("input", (/** @type {At<Event>} */ event) => {
    const field = event.target;
    if (!field.dataset || !field.dataset.input) return;
    if (field.id === "message") {
      grow(field);
      complete(field);
    }
    tell(field.dataset.input, { conv: field.dataset.conv, text: field.value });
  });

  const typing = (target) => target.matches("input, textarea, select, [contenteditable]");

  document.addEventListener("keydown", (/** @type {At<KeyboardEvent>} */ event) => {
    if (!listener || event.isComposing || event.keyCode === 229) return;
    const target = event.target;
    const modal = document.querySelector("dialog[open]");
    const command = event.ctrlKey || event.metaKey;
    const key = event.key;
    /** @type {typeof tell} */
    const take = (does, signal) => {
      event.preventDefault();
      tell(does, signal);
    };

    const menu = shownMenu();
    const row = target.closest("#log [data-key]");
    if (menu ? menuKey(event, menu) : !modal && (row || target.id === "log") && rowKey(event, row)) return;
    if (
      target.id === "message" &&
      $("completions") &&
      ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape"].includes(key)
    ) {
      if (key === "Escape") take("complete");
      else if (key === "Enter" || key === "Tab") take("complete-take");
      else take("complete-move", { number: key === "ArrowDown" ? 1 : -1 });
    } else if (target.closest(".members-list") && ["ArrowDown", "ArrowUp", "Home", "End"].includes(key)) {
      const all = [...document.querySelectorAll(".member-more")];
      if (all.length) step(event, all, all.indexOf(target)).focus();
    } else if (target.closest(".emoji-picker") && key.startsWith("Arrow")) {
      amongEmoji(event, target);
    } else if (target.id === "message" && key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (target.id === "message" && key === "ArrowUp" && !target.value && !event.shiftKey && !event.altKey) {
      take("edit-last");
    } else if (target.id === "switch-text" && (key === "ArrowDown" || key === "ArrowUp")) {
      take("switch-move", { number: key === "ArrowDown" ? 1 : -1 });
    } else if (target.id === "switch-text" && key === "Enter") {
      take("switch");
    } else if (command && !event.shiftKey && !event.altKey && key.toLowerCase() === "k") {
      take("key", { text: "switch" });
    } else if (modal) {
      return; // a dialog has its own Esc and keeps everything else to itself
    } else if (event.altKey && !command && (key === "ArrowDown" || key === "ArrowUp")) {
      take("key", { text: key === "ArrowDown" ? "next" : "previous" });
    } else if (key === "Escape" && !document.querySelector("[popover]:popover-open")) {
      tell("key", { text: "escape", also: target.closest(".list, .details")?.classList[0] || "" });
    } else if (key === "/" && !typing(target) && !command && !event.altKey && $("filter")) {
      event.preventDefault();
      $("filter").focus();
      $("filter").select();
    } else if (key === "g" && !typing(target) && !command && !event.altKey) {
      take("key", { text: "date" });
    } else if (key === "?" && !typing(target) && !command) {
      take("key", { text: "keys" });
    } else if (
      (target.classList.contains("row") || target.id === "filter") &&
      ["ArrowDown", "ArrowUp", "Home", "End"].includes(key)
    ) {
      arrow(event, target);
    } else if (target.id === "filter" && key === "Enter") {
      const first = document.querySelector("#rows .row");
      if (first) first.click();
    }
  });

  function arrow(event, target) {
    const rows = [...document.querySelectorAll("#rows .row")];
    const at = rows.indexOf(target);
    if (at < 0 && event.key !== "ArrowDown") return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    event.preventDefault();
    if (to < 0) {
      $("filter").focus();
      return;
    }
    const row = rows[Math.min(to, rows.length - 1)];
    if (!row) return;
    row.focus();
    row.scrollIntoView({ block: "nearest" });
    rove(row);
  }

  // The picker is a grid to the arrow keys; above it is the field.
  function amongEmoji(event, target) {
    const all = [...document.querySelectorAll(".emoji-grid .emoji")];
    const at = all.indexOf(target);
    const { top, left } = target.getBoundingClientRect();
    let to;
    if (at < 0) {
      if (target.id === "emoji-text" && event.key === "ArrowDown") to = all[0];
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      to = all[at + (event.key === "ArrowRight" ? 1 : -1)];
    } else {
      const down = event.key === "ArrowDown";
      const boxes = all.map((emoji) => ({ emoji, box: emoji.getBoundingClientRect() }));
      const beyond = boxes.filter(({ box }) => (down ? box.top > top + 4 : box.top < top - 4));
      const row = (down ? Math.min : Math.max)(...beyond.map(({ box }) => box.top));
      const near = ({ box }) => Math.abs(box.top - row) * 1000 + Math.abs(box.left - left);
      to = beyond.sort((a, b) => near(a) - near(b))[0]?.emoji;
      if (!to && !down) to = $("emoji-text");
    }
    if (!to) return;
    event.preventDefault();
    if (at >= 0 && to !== $("emoji-text")) target.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  // ---- What day it is, and where. ----

  // A page may live through midnight and through a flight; no event says so.
  const dayHere = () => `${new Date().toDateString()} ${new Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  let day = "";
  function passed() {
    const now = dayHere();
    if (now === day) return;
    day = now;
    tell("day");
  }
  setInterval(passed, 60_000);

  // ---- Whether the person looks. ----

  const attention = () => {
    passed();
    tell("attention");
  };
  document.addEventListener("visibilitychange", () =>
    document.visibilityState === "hidden" ? tell("away") : attention(),
  );
  addEventListener("pagehide", () => tell("away"));
  addEventListener("focus", attention);

  // ---- Telling somebody who looks elsewhere. ----

  // What comes while somebody reads is unread for a moment. All of this asks the browser,
  // outside of the page, and so it waits until that moment is over.
  const settled = 100; // ms
  const later = new Map(); // by what it is about, the timer
  function once(about, f) {
    clearTimeout(later.get(about));
    later.set(
      about,
      setTimeout(() => {
        later.delete(about);
        f();
      }, settled),
    );
  }

  let account = ""; // whose page this is
  let title = ""; // of the page, without the count
  let unread = 0;

  function count(who, n) {
    if (who !== account) chosen = "";
    account = who;
    unread = n;
    if (!later.has("")) later.set("", setTimeout(showCount, settled));
  }
  function showCount() {
    later.delete("");
    title ||= document.title;
    document.title = unread ? `(${unread}) ${title}` : title;
    refusable(() => navigator.setAppBadge && (unread ? navigator.setAppBadge(unread) : navigator.clearAppBadge()));
  }

  // The permission is asked for when it may have changed: each time that costs a
  // millisecond.
  // What a browser refuses here, whether it throws or rejects, is done without.
  const refusable = (f) =>
    Promise.resolve()
      .then(f)
      .catch(() => {});

  let permission = "";
  const lookAtPermission = () => {
    permission = window.Notification ? Notification.permission : "";
  };
  lookAtPermission();
  refusable(async () => {
    const status = await navigator.permissions?.query({ name: "notifications" });
    if (status) status.onchange = lookAtPermission; // else only what is answered here is noticed
  });

  // What somebody who is remembered has chosen is kept for their account, by the name that
  // wasm/remember.go gives it; that of anybody else lasts as long as the page.
  let chosen = "";
  function noticesKey() {
    const who = sessionStorage.getItem("natter.account");
    return who ? `natter.notices.${who}` : "";
  }
  function notices() {
    if (!window.Notification) return "none";
    if (permission === "denied") return "refused";
    if (permission !== "granted") return "";
    try {
      const key = noticesKey();
      if (key) return localStorage.getItem(key) || "";
    } catch {
      // Without storage what was chosen on this page holds.
    }
    return chosen;
  }
  function setNotices(what) {
    if (permission !== "granted") what = "";
    chosen = what;
    try {
      const key = noticesKey();
      if (key && what) localStorage.setItem(key, what);
      else if (key) localStorage.removeItem(key);
    } catch {
      // The page remembers it.
    }
  }
  // The browser asks the person only in answer to what they do.
  async function chooseNotices(what) {
    if (what && Notification.permission === "default") await Notification.requestPermission();
    lookAtPermission();
    tell("notices", { text: what });
  }

  const pause = 2000; // ms between two notifications of a conversation
  const due = new Map(); // by tag, what is to be shown after the pause, null for nothing
  const open = new Map(); // by tag, those that no worker has shown
  const tagOf = (who, conv) => `${who} ${conv}`;

  let turn = Promise.resolve();
  const inTurn = (f) => {
    turn = turn.then(f).catch((problem) => console.warn("natter: no notification:", problem));
  };

  async function worker() {
    const registration = navigator.serviceWorker && (await navigator.serviceWorker.getRegistration());
    return registration && registration.active ? registration : null;
  }

  function notify(who, conv, name, text) {
    lookAtPermission();
    const tag = tagOf(who, conv);
    clearTimeout(later.get(tag)); // it takes the place of what was to be taken back
    later.delete(tag);
    const show = () =>
      inTurn(async () => {
        if (document.visibilityState === "visible") return;
        const options = {
          body: text,
          tag,
          renotify: true,
          data: { account: who, conv },
          icon: document.querySelector("link[rel=apple-touch-icon]")?.href,
        };
        const registration = await worker();
        if (registration) return registration.showNotification(name, options); // phones allow nothing else
        const notice = new Notification(name, options);
        open.set(tag, notice);
        notice.addEventListener("click", () => {
          notice.close();
          window.focus();
          if (who === account) tell("open", { conv });
        });
      });
    if (due.has(tag)) {
      due.set(tag, show);
      return;
    }
    due.set(tag, null);
    show();
    setTimeout(() => {
      const next = due.get(tag);
      due.delete(tag);
      if (next) next();
    }, pause);
  }

  function unnotify(who, conv) {
    const tag = tagOf(who, conv);
    if (due.has(tag)) due.set(tag, null);
    if (permission !== "granted") return;
    once(tag, () =>
      inTurn(async () => {
        open.get(tag)?.close();
        open.delete(tag);
        const registration = await worker();
        if (registration) for (const notice of await registration.getNotifications({ tag })) notice.close();
      }),
    );
  }

  // The worker asks for the page that a notification was of, when it is clicked.
  refusable(() =>
    navigator.serviceWorker?.addEventListener("message", ({ data, ports: [port] }) => {
      if (!data || !data.conv || !port) return;
      const ours = Boolean(listener) && data.account === account;
      port.postMessage(ours);
      if (ours) tell("open", { conv: data.conv });
    }),
  );

  // ---- Panes. ----

  const narrow = () => matchMedia("(max-width: 43.74rem)").matches;

  function back() {
    if (history.state && history.state.pane) history.back();
    else tell("back");
  }
  addEventListener("popstate", () => tell("back"));

  // On a phone the keyboard covers the page; what is left is the visual viewport.
  const view = window.visualViewport;
  if (view) {
    const fit = () => {
      root.style.setProperty("--page-height", `${view.height}px`);
      if (view.scale === 1) scrollTo(0, 0);
    };
    view.addEventListener("resize", fit);
    fit();
  }

  // ---- The conversation that was open: this tab comes back to it, and a new one too if
  // the person is remembered (wasm/remember.go says who) and it has room for more than the
  // list. ----

  const placeKey = "natter.open";
  function place() {
    const clicked = location.hash.slice(1); // by web/worker.js: a notification
    if (clicked) {
      history.replaceState(history.state, "", location.pathname + location.search);
      return decodeURIComponent(clicked);
    }
    try {
      return sessionStorage.getItem(placeKey) || (!narrow() && localStorage.getItem(placeKey)) || "";
    } catch {
      return "";
    }
  }
  function setPlace(conv) {
    try {
      if (conv) sessionStorage.setItem(placeKey, conv);
      else sessionStorage.removeItem(placeKey);
      if (conv && sessionStorage.getItem("natter.account")) localStorage.setItem(placeKey, conv);
      else localStorage.removeItem(placeKey);
    } catch {
      // Without storage one begins at the list.
    }
  }

  // ---- Emoji: which the person likes, as for the conversation that was open. ----

  const picksKey = "natter.emoji";
  function picks() {
    try {
      return sessionStorage.getItem(picksKey) || localStorage.getItem(picksKey) || "";
    } catch {
      return "";
    }
  }
  function setPicks(what) {
    try {
      if (what) sessionStorage.setItem(picksKey, what);
      else sessionStorage.removeItem(picksKey);
      if (what && sessionStorage.getItem("natter.account")) localStorage.setItem(picksKey, what);
      else localStorage.removeItem(picksKey);
    } catch {
      // Without storage the same are offered to everybody.
    }
  }
  const emojis = (done) =>
    fetch(root.dataset.emoji)
      .then((response) => (response.ok ? response.text() : ""))
      .catch(() => "")
      .then(done);

  // ---- Looks. ----

  const themeKey = "natter.theme"; // read by storage.js
  function theme() {
    return root.dataset.theme || "";
  }
  function setTheme(name) {
    if (name) root.dataset.theme = name;
    else delete root.dataset.theme;
    try {
      if (name) localStorage.setItem(themeKey, name);
      else localStorage.removeItem(themeKey);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }

  return {
    listen: (f) => {
      listener = f;
      day = dayHere();
    },
    hold,
    settle,
    arrange,
    attentive: () => document.visibilityState === "visible" && document.hasFocus(),
    narrow,
    hour12: Boolean(new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12),
    offset: (at) => Math.round(-60 * new Date(at).getTimezoneOffset()),
    count,
    notices,
    setNotices,
    notify,
    unnotify,
    place,
    setPlace,
    theme,
    setTheme,
    copy: (text) => navigator.clipboard && navigator.clipboard.writeText(text).catch(() => {}),
    emojis,
    picks,
    setPicks,
    back,
    log: (text) => console.error("natter:", text),
  };
})();
