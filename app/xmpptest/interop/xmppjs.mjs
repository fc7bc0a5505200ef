import { client, xml } from '@xmpp/client';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, ROOM, online, answer, answers, fail } from './answer.mjs';

const xmpp = client({ service: SERVICE, domain: DOMAIN, username: LOCAL, password: PASSWORD });
xmpp.reconnect.stop();
xmpp.on('error', fail);
xmpp.on('online', async () => {
  // It is online before its count of stanzas begins (XEP-0198), and what comes in between
  // may be counted all the same: Prosody then ends the stream. After SASL2 it never says so.
  for (let i = 0; i < 50 && !xmpp.streamManagement.enabled; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await xmpp.send(xml('presence'));
  await xmpp.send(xml('presence', { to: `${ROOM}/xmppjs` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' })));
});
xmpp.on('stanza', (stanza) => {
  if (stanza.is('presence') && stanza.getChild('x', 'http://jabber.org/protocol/muc#user')?.getChildren('status').some((s) => s.attrs.code === '110')) {
    online();
  }
  const said = stanza.is('message') && stanza.attrs.type === 'groupchat' && stanza.getChildText('body');
  if (said && answers(said)) {
    xmpp.send(xml('message', { to: ROOM, type: 'groupchat' }, xml('body', {}, answer('@xmpp/client', said))));
  }
  const body = stanza.is('message') && stanza.attrs.type === 'chat' && stanza.getChildText('body');
  if (body) {
    xmpp.send(xml('message', { to: stanza.attrs.from, type: 'chat' }, xml('body', {}, answer('@xmpp/client', body))));
  }
});
xmpp.start().catch(fail);
