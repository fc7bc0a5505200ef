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
    navigation: "nav",
    option: "[role=option]",
    separator: "[role=separator]",
    status: "[role=status]",
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

  // until resolves with what f returns as soon as that is something.
  const until = (f, patience) => new Promise((done, failed) => {
    const deadline = performance.now() + patience;
    const ask = () => {
      let found;
      try {
        found = f();
      } catch (problem) {
        failed(problem);
        return;
      }
      if (found) done(found);
      else if (performance.now() > deadline) failed(new Error("waited in vain"));
      else setTimeout(ask, 20);
    };
    ask();
  });

  // heard is all that is in the open conversation.
  const heard = () => clean([...document.querySelectorAll("[role=log] > *")].map(said).join(" "));
  // bodies are the messages of the open conversation, without what the page adds.
  const body = (node) => [...node.childNodes].map((n) => (n.nodeType === Node.TEXT_NODE ? n.data : n.classList.contains("link-host") ? "" : body(n))).join("");
  const bodies = () => [...document.querySelectorAll("[role=log] [role=article] .text")].map(body);

  return { violations, all, until, name, visible, said: (e) => clean(said(e)), heard, bodies };
})();
