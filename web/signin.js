// @ts-check
// The sign-in form, alive from the moment it is on screen.
//
// It runs before the client is there: what is typed stays, and a Sign in that
// came too early is carried out once the client is up. It also defines
// window.natter, all that the page's JavaScript and the Go program say to each
// other:
//
//   natter.config                  set by boot.js before Go starts: config.json as
//                                  an object, with every `websocket` absolute; {} if
//                                  there is none
//   natter.onSignIn = f            Go sets it once: f({ address, password, server,
//                                  remember, as }). If the person has already pressed
//                                  Sign in, f is called right away. address and server
//                                  are trimmed, server is "" unless typed; as is the
//                                  account of signInError that they go on as, or ""
//   natter.signInBusy(text)        the form waits; text says for what ("" for the usual)
//   natter.signInError({ text, field, account }) the attempt has failed; field is
//                                  "address", "password", "server" or "", and gets the
//                                  focus. The form keeps its text. account is the one the
//                                  person would be instead, if they want, or ""
//   natter.showApp()               signed in: the form goes, the password is forgotten
//   natter.showSignIn(reason)      back to the form; reason ("" for none) is shown
//   natter.stopped(details)        the client is dead: offers a reload (boot.js)
//
// go-app draws into the body's first element and replaces it, so which of the two
// is seen is a word on <html>: data-screen="signin" or "app" (shell.css).
"use strict";

window.natter = (() => {
  const $ = (id) => document.getElementById(id);
  const form = $("signin-form");
  const button = $("signin-button");
  const error = $("signin-error");
  const as = $("signin-as");
  const notice = $("signin-notice");
  const status = $("signin-status");
  const fields = { address: $("address"), password: $("password"), server: $("server") };
  const label = button.textContent;

  // Somebody who is remembered does not see the form while Go starts (storage.js).
  try {
    const { account } = JSON.parse(localStorage.getItem("natter.remembered") || "{}");
    if (account) {
      fields.address.value = account;
      $("remember").checked = true;
      $("signin").hidden = true;
    }
  } catch {
    // no storage, nobody remembered
  }

  /** @type {Natter["onSignIn"]} */
  let onSignIn = null;
  let early = false; // Sign in was pressed before Go was there
  let busy = false;

  function setBusy(on, text) {
    busy = on;
    button.textContent = on ? text || "Signing in…" : label;
    button.setAttribute("aria-disabled", String(on));
    form.setAttribute("aria-busy", String(on));
    for (const input of Object.values(fields)) input.readOnly = on;
  }

  function clearError() {
    error.textContent = "";
    as.hidden = true;
    for (const input of Object.values(fields)) {
      input.removeAttribute("aria-invalid");
      if (input.getAttribute("aria-errormessage")) input.removeAttribute("aria-errormessage");
    }
  }

  /** @param {SignInProblem} problem */
  function fail({ text, field, account }) {
    setBusy(false);
    clearError();
    error.textContent = text;
    if (account) {
      as.textContent = "Go on as " + account;
      as.value = account;
      as.hidden = false;
      as.focus();
      return;
    }
    const input = field && fields[field];
    if (!input) {
      button.focus();
      return;
    }
    if (input === fields.server) $("advanced").open = true;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-errormessage", "signin-error");
    input.focus();
    input.select();
  }

  function signIn(account = "") {
    early = false;
    onSignIn?.({
      address: fields.address.value.trim(),
      password: fields.password.value,
      server: fields.server.value.trim(),
      remember: $("remember").checked,
      as: account,
    });
  }

  as.addEventListener("click", () => {
    clearError();
    setBusy(true);
    signIn(as.value);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) return;
    notice.hidden = true;
    if (!fields.address.value.trim())
      return fail({ text: "Type your XMPP address, such as you@example.org.", field: "address" });
    if (!fields.password.value) return fail({ text: "Type your password.", field: "password" });
    clearError();
    setBusy(true);
    if (onSignIn) return signIn();
    early = true;
  });

  // Whoever corrects what was wrong need not be told any longer.
  form.addEventListener("input", (/** @type {At<Event>} */ event) => {
    event.target.removeAttribute("aria-invalid");
    as.hidden = true;
  });

  return {
    config: {},

    get onSignIn() {
      return onSignIn;
    },
    set onSignIn(f) {
      onSignIn = f;
      status.textContent = "";
      if (early) signIn();
    },

    signInBusy(text) {
      clearError();
      setBusy(true, text);
    },

    signInError: fail,

    showApp() {
      setBusy(false);
      clearError();
      notice.hidden = true;
      fields.password.value = "";
      $("signin").hidden = true;
      document.documentElement.dataset.screen = "app";
      /** @type {any} */
      const root = document.body.firstElementChild;
      root.tabIndex = -1;
      root.focus({ preventScroll: true });
    },

    showSignIn(reason) {
      natterStart.wipe();
      setBusy(false);
      clearError();
      notice.textContent = reason;
      notice.hidden = !reason;
      $("signin").hidden = false;
      document.documentElement.dataset.screen = "signin";
      (fields.address.value ? fields.password : fields.address).focus();
    },

    // For boot.js: how loading goes. A failure releases a Sign in that waits.
    loading(text) {
      status.textContent = text;
    },
    loadingFailed(text) {
      natterStart.wipe();
      early = false;
      $("signin").hidden = false;
      document.documentElement.dataset.screen = "signin";
      status.textContent = "";
      fail({ text });
    },
  };
})();
