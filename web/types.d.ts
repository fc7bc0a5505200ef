// The seams between the page's scripts and the Go program, for tsc alone: nothing of this file is
// shipped. `make check` runs tsc over all scripts (tsconfig.json, tsconfig.worker.json).

// What the person can do; app/view/command.go has the same list, and a test compares the two.
type Command =
  | "about"
  | "accept"
  | "accept-room"
  | "add"
  | "add-person"
  | "answer-room"
  | "approve"
  | "ask-membership"
  | "ask-voice"
  | "attention"
  | "away"
  | "back"
  | "back-to-group"
  | "close"
  | "complete"
  | "complete-move"
  | "complete-take"
  | "configure"
  | "copy"
  | "copy-code"
  | "copy-message"
  | "copy-original"
  | "copy-selected"
  | "create-room"
  | "date"
  | "day"
  | "decline"
  | "decline-all"
  | "decline-room"
  | "decline-strangers"
  | "declining"
  | "deed"
  | "delete-message"
  | "deny"
  | "destroy"
  | "details"
  | "discreet"
  | "dismiss"
  | "edge"
  | "edit"
  | "edit-last"
  | "emoji"
  | "emoji-enter"
  | "emoji-group"
  | "emoji-text"
  | "emoji-tone"
  | "end-selection"
  | "filter"
  | "give-password"
  | "give-up"
  | "group"
  | "guest"
  | "guest-text"
  | "heeded"
  | "hit"
  | "invitations"
  | "invite"
  | "join"
  | "join-room"
  | "join-seen"
  | "join-text"
  | "key"
  | "leave"
  | "leave-room"
  | "leaving"
  | "let-be"
  | "link"
  | "listed-rows"
  | "load-missing"
  | "make-group"
  | "member"
  | "member-menu"
  | "member-rows"
  | "menu"
  | "menu-closed"
  | "message"
  | "moderate"
  | "moderating"
  | "more-hits"
  | "name-group"
  | "new"
  | "newest"
  | "nick"
  | "notices"
  | "notify"
  | "open"
  | "original"
  | "password"
  | "people"
  | "people-rows"
  | "pick"
  | "presence"
  | "profile"
  | "quote"
  | "react"
  | "read-people"
  | "reconnect"
  | "register"
  | "rejoin"
  | "reload"
  | "remove"
  | "removing"
  | "rename"
  | "picture"
  | "reply"
  | "requests"
  | "retract"
  | "retract-all"
  | "retracting"
  | "retracting-selected"
  | "retry-message"
  | "retry-older"
  | "return"
  | "rows"
  | "say-again"
  | "select"
  | "send"
  | "send-button"
  | "send-text"
  | "set-configuration"
  | "set-deed"
  | "set-destroy"
  | "set-guests"
  | "set-nick"
  | "set-register"
  | "set-subject"
  | "sign-in-again"
  | "sign-out"
  | "somebody-else"
  | "start"
  | "subject"
  | "switch"
  | "switch-move"
  | "switch-text"
  | "take-person"
  | "theme"
  | "to-date"
  | "toggle"
  | "turn"
  | "unaim"
  | "unfold"
  | "unregister";

// One thing the person did: view.Signal of Go.
interface Signal {
  do: Command;
  conv?: string;
  jid?: string;
  text?: string;
  also?: string;
  on?: boolean;
  number?: number;
}

// What to do once a change is on screen: view.Settling of Go.
interface Settling {
  scroll: "end" | "new" | "found" | "stay" | "put" | "";
  focus: string;
  enter: boolean;
  fill: boolean;
  words: string;
  unfilter: boolean;
  insert?: string;
  over?: boolean;
}

// Keys of localStorage and sessionStorage. wasm/browser/keys.go has the same list, and a test
// compares the two with what the scripts use.
type StorageKey =
  | "natter.account"
  | "natter.crashes"
  | "natter.emoji"
  | "natter.endpoints."
  | "natter.notices."
  | "natter.open"
  | "natter.poison"
  | "natter.remembered"
  | "natter.scram."
  | "natter.tab"
  | "natter.theme";

// natter.js, for view.Page of Go.
interface NatterPage {
  listen(f: ((signal: Signal) => void) | null): void;
  hold(exact?: boolean): string;
  settle(after: Settling): void;
  arrange(parent: Element, order: string): void;
  attentive(): boolean;
  narrow(): boolean;
  hour12: boolean;
  offset(at: number): number;
  count(account: string, unread: number): void;
  notices(): string;
  setNotices(chosen: string): void;
  notify(account: string, conv: string, title: string, text: string): void;
  unnotify(account: string, conv: string): void;
  place(): string;
  setPlace(conv: string): void;
  theme(): string;
  setTheme(name: string): void;
  copy(text: string): void;
  emojis(tell: (list: string) => void): void;
  picks(): string;
  setPicks(picks: string): void;
  back(): void;
  log(text: string): void;
}

// config.json, see server/site.
interface Config {
  kill?: boolean;
  name?: string;
  welcome?: string;
  logo?: string;
  hue?: number;
  anyServer?: boolean;
  domains?: { name: string; websocket?: string }[] | null;
  demo?: { address: string; password: string }[] | null;
}

// What was typed into the sign-in form.
interface SignIn {
  address: string;
  password: string;
  server: string; // "" unless typed
  remember: boolean;
  as: string; // the account of SignInProblem that the person goes on as, or ""
}

// Why the sign-in failed.
interface SignInProblem {
  text: string;
  field?: string; // "address", "password", "server" or ""; it gets the focus
  account?: string; // the account the person would be instead, or ""
}

// signin.js and boot.js, for browser.Form of Go.
interface Natter {
  config: Config;
  onSignIn: ((form: SignIn) => void) | null;
  signInBusy(text: string): void;
  signInError(problem: SignInProblem): void;
  showApp(): void;
  showSignIn(reason: string): void;
  loading(text: string): void;
  loadingFailed(text: string): void;
  unsent?: () => number; // Go
}

// The same once boot.js has run.
interface BootedNatter extends Natter {
  stopped(details: string): void;
  handling: number[]; // the hash of the stanza that the program handles, 0 for none
}

// What start.js has begun.
interface Begun {
  program: Promise<WebAssembly.Module>;
  config: Promise<Config>;
}

interface NatterStart {
  first: Begun;
  again(): Begun;
  styled: Promise<unknown>;
  sketched: Promise<unknown>;
  wipe(): void;
}

// A sketch of an element: its tag, its attributes, and its children (sketch.js and start.js).
type Sketch = [tag: string, attributes: Record<string, string>, ...children: (Sketch | string)[]];

// vault.js, for browser.Vault of Go.
interface NatterVault {
  save(name: string, bound: Uint8Array, secret: Uint8Array, note: string): Promise<void>;
  load(name: string, bound: Uint8Array): Promise<Uint8Array | null>;
  notes(): Promise<string[]>;
  mark(name: string, note: string): Promise<unknown>;
  remove(name: string): Promise<unknown>;
  forget(name: string): Promise<unknown>;
  sketch(name: string, look: string): Promise<unknown>;
}

// store.js, for browser.Store of Go: every text is JSON.
interface Tables {
  lead(): Promise<void>;
  load(text: string): Promise<string[]>;
  messages(text: string): Promise<string>;
  ends(text: string): Promise<string[]>;
  after(text: string): Promise<string>;
  count(text: string): Promise<string>;
  nth(text: string): Promise<string>;
  find(text: string): Promise<string>;
  search(text: string): Promise<string>;
  commit(text: string): Promise<void>;
  close(): void;
}

interface NatterStore {
  open(name: string, gone: () => void): Promise<Tables>;
  abandon(opening: Promise<Tables>): void;
  exists(name: string): Promise<boolean>;
  remove(name: string): Promise<void>;
  steps: ((db: IDBDatabase, tx: IDBTransaction) => void)[];
}

// wasm_exec.js, which comes with Go.
declare class Go {
  importObject: WebAssembly.Imports;
  exited: boolean;
  exit: (code: number) => void;
  run(instance: WebAssembly.Instance): Promise<void>;
  _resume(): void;
}

interface Window {
  natter: Natter;
  natterPage: NatterPage;
  natterStart: NatterStart;
  natterStore: NatterStore;
  natterVault: NatterVault;
  trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string }): unknown };
}
declare const natterStart: NatterStart;

// Elements are those that the view has drawn or index.html has: tsc cannot know which.
interface ParentNode {
  querySelector(selectors: string): any;
  querySelectorAll(selectors: string): NodeListOf<any>;
}
interface Element {
  closest(selectors: string): any;
}
interface Document {
  getElementById(id: string): any;
}

// What web/build writes into <html>.
interface DOMStringMap {
  emoji: string;
  wasm: string;
  styles: string;
}

// An event of the page, whose target is one of these elements.
type At<E extends Event> = E & { target: any };
