// Somebody who uses Converse.js: says hello to whoever says it, in all the ways that messages live, and
// writes to the console what becomes of messages. The address of the page says who it is.

import converse from "/dist/converse.min.js";

const { account, password, room, service } = Object.fromEntries(new URLSearchParams(location.search));
const NICK = "conv", NEXT = "converse";

const tell = (...words) => console.log("peer:", ...words);

converse.plugins.add("natter-peer", {
  dependencies: ["converse-chat", "converse-muc", "converse-reactions"],
  initialize() {
    const { api } = this._converse;
    const known = new Set();

    const watch = (box) => {
      if (known.has(box)) return;
      known.add(box);
      const told = new Set();
      const once = (...words) => {
        if (told.has(words.join())) return;
        told.add(words.join());
        tell(...words);
      };
      let answered = false;
      const kind = box.get("type") === "chatroom" ? "groupchat" : "chat";
      const id = (m) => (kind === "groupchat" ? m.get(`stanza_id ${box.get("jid")}`) : m.get("msgid"));
      const until = async (f) => {
        while (!f()) await new Promise((resolve) => setTimeout(resolve, 50));
      };
      const say = async (body) => {
        const m = await box.sendMessage({ body });
        if (kind === "groupchat") await until(() => id(m)); // the room has sent it back
        return m;
      };

      const answer = async (hello) => {
        box.save({ reply_to_id: id(hello), reply_to: hello.get("from") });
        await say("hello yourself");
        const picker = document.createElement("converse-reaction-picker");
        picker.model = hello;
        picker.onEmojiSelected("🎉");
        const first = await say("frist");
        first.save("correcting", true);
        await say("first");
        const oops = await say("oops");
        await box.retractOwnMessage(oops);
        if (kind === "groupchat") {
          box.setSubject("Tea");
          box.setNickname(NEXT);
        }
      };

      // What Converse.js shows, whichever way it came to know it.
      const shown = (m) => {
        const mine = m.get("sender") === "me";
        if (m.get("reply_to_id") && !mine) once(kind, "message_reply", m.get("reply_to_id"));
        if (m.get("edited") && !mine) once(kind, "message_correction", m.getMessageText());
        if (m.get("retracted") && !mine) once(kind, "message_retract", id(m));
        if (m.get("reactions") && mine) once(kind, "reactions", Object.values(m.get("reactions")).flat().sort().join(" "));
        if (m.get("body") === "hello" && !mine && !answered) {
          answered = true;
          answer(m);
        }
      };
      setInterval(() => box.messages.forEach(shown), 100);
    };

    api.listen.on("message", ({ chatbox }) => chatbox && watch(chatbox));
    api.listen.on("connected", async () => {
      const box = await api.rooms.open(room, { nick: NICK });
      watch(box);
      await box.initialized;
      while (!box.isEntered()) await new Promise((resolve) => setTimeout(resolve, 50));
      tell("online");
    });
  },
});

converse.initialize({
  authentication: "login",
  auto_login: true,
  jid: account,
  password,
  websocket_url: service,
  discover_connection_methods: false,
  allow_non_roster_messaging: true,
  assets_path: "/dist/",
  i18n: "en",
  muc_instant_rooms: true,
  view_mode: "fullscreen",
  whitelisted_plugins: ["natter-peer"],
});
