import { client, xml } from '@xmpp/client';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, online, answer, fail } from './answer.mjs';

const xmpp = client({ service: SERVICE, domain: DOMAIN, username: LOCAL, password: PASSWORD });
xmpp.reconnect.stop();
xmpp.on('error', fail);
xmpp.on('online', async () => {
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
