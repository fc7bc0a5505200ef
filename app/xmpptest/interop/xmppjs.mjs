import { client, xml } from '@xmpp/client';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, online, answer, fail } from './answer.mjs';

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
  online();
});
xmpp.on('stanza', (stanza) => {
  const body = stanza.is('message') && stanza.attrs.type === 'chat' && stanza.getChildText('body');
  if (body) {
    xmpp.send(xml('message', { to: stanza.attrs.from, type: 'chat' }, xml('body', {}, answer('@xmpp/client', body))));
  }
});
xmpp.start().catch(fail);
