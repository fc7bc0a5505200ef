"""Somebody who uses slixmpp: says hello to whoever says it, in all the ways that messages live, and
prints what it is told about messages."""

import asyncio
import os
import sys

import slixmpp

LOCAL, DOMAIN, PASSWORD, ROOM, ADDRESS = (os.environ[k] for k in ("LOCAL", "DOMAIN", "PASSWORD", "ROOM", "ADDRESS"))
NICK, NEXT = "slix", "slixmpp"


class Peer(slixmpp.ClientXMPP):
    def __init__(self):
        # No TLS: it is this machine.
        super().__init__(f"{LOCAL}@{DOMAIN}", PASSWORD, plugin_config={"feature_mechanisms": {"unencrypted_scram": True}})
        self.enable_direct_tls = self.enable_starttls = False
        self.enable_plaintext = True
        for plugin in ("xep_0030", "xep_0045", "xep_0308", "xep_0334", "xep_0359", "xep_0424", "xep_0428", "xep_0444", "xep_0461"):
            self.register_plugin(plugin)
        self.nicks = {NICK, NEXT}
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("message", self.message)
        self.add_event_handler("groupchat_message", self.message)
        self.hears("reactions", lambda m: " ".join(sorted(m["reactions"]["values"])))
        self.hears("message_correction", lambda m: m["body"])
        self.hears("message_retract", lambda m: m["retract"]["id"])
        self.hears("message_reply", lambda m: m["reply"]["id"])

    def hears(self, event, what):
        def told(m):
            if not self.ours(m):
                print(m["type"], event, what(m), flush=True)

        self.add_event_handler(event, told)

    def ours(self, m):
        return m["type"] == "groupchat" and m["from"].resource in self.nicks

    async def start(self, _):
        self.send_presence()
        await self.plugin["xep_0045"].join_muc_wait(slixmpp.JID(ROOM), NICK, maxstanzas=0)
        print("online", flush=True)

    def message(self, m):
        kind, to = m["type"], m["from"].bare
        about = m["stanza_id"]["id"] if kind == "groupchat" else m["id"]
        if self.ours(m) and m["body"] == "oops":  # what the room calls it is known now
            self.plugin["xep_0424"].send_retraction(to, about, mtype=kind)
        if self.ours(m) or m["body"] != "hello":
            return

        def say(body):
            said = self.make_message(mto=to, mbody=body, mtype=kind)
            said.set_id(self.new_id())
            return said

        answer = say("hello yourself")
        answer["reply"]["to"], answer["reply"]["id"] = m["from"], about
        answer.send()
        reaction = self.make_message(mto=to, mtype=kind)
        self.plugin["xep_0444"].set_reactions(reaction, about, ["🎉"])
        reaction.send()
        first = say("frist")
        first.send()
        again = say("first")
        again["replace"]["id"] = first["id"]
        again.send()
        oops = say("oops")
        oops.send()
        if kind == "groupchat":
            self.plugin["xep_0045"].set_subject(ROOM, "Tea")
            self.send_presence(pto=f"{ROOM}/{NEXT}")
        else:
            self.plugin["xep_0424"].send_retraction(to, oops["id"], mtype=kind)


async def main():
    peer = Peer()
    host, port = ADDRESS.rsplit(":", 1)
    peer.connect(host, int(port))
    # The test ends us by closing our standard input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
