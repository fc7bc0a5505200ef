import { Strophe, $pres, $msg } from 'strophe.js';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, ROOM, online, answer, answers, fail } from './answer.mjs';

const connection = new Strophe.Connection(SERVICE);

function received(message) {
  const body = message.getElementsByTagName('body')[0];
  if (body) {
    connection.send($msg({ to: message.getAttribute('from'), type: 'chat' })
      .c('body').t(answer('strophe.js', body.textContent)));
  }
  return true; // to be called again
}

function said(message) {
  const body = message.getElementsByTagName('body')[0];
  if (body && answers(body.textContent)) {
    connection.send($msg({ to: ROOM, type: 'groupchat' }).c('body').t(answer('strophe.js', body.textContent)));
  }
  return true;
}

function entered(presence) {
  if (presence.getElementsByTagName('error').length) {
    fail(`the room refuses strophe.js: ${presence.outerHTML}`);
  }
  if ([...presence.getElementsByTagName('status')].some((s) => s.getAttribute('code') === '110')) {
    online();
    return false;
  }
  return true;
}

connection.connect(`${LOCAL}@${DOMAIN}`, PASSWORD, (status, condition) => {
  switch (status) {
    case Strophe.Status.CONNECTED:
      connection.addHandler(received, null, 'message', 'chat');
      connection.addHandler(said, null, 'message', 'groupchat');
      connection.addHandler(entered, null, 'presence', null, null, ROOM, { matchBareFromJid: true });
      connection.send($pres());
      connection.send($pres({ to: `${ROOM}/strophe` }).c('x', { xmlns: 'http://jabber.org/protocol/muc' }));
      break;
    case Strophe.Status.AUTHFAIL:
    case Strophe.Status.CONNFAIL:
    case Strophe.Status.ERROR:
      fail(`strophe.js could not sign in: ${condition}`);
  }
});
