import { Strophe, $pres, $msg } from 'strophe.js';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, online, answer, fail } from './answer.mjs';

const connection = new Strophe.Connection(SERVICE);

function received(message) {
  const body = message.getElementsByTagName('body')[0];
  if (body) {
    connection.send($msg({ to: message.getAttribute('from'), type: 'chat' })
      .c('body').t(answer('strophe.js', body.textContent)));
  }
  return true; // to be called again
}

connection.connect(`${LOCAL}@${DOMAIN}`, PASSWORD, (status, condition) => {
  switch (status) {
    case Strophe.Status.CONNECTED:
      connection.addHandler(received, null, 'message', 'chat');
      connection.send($pres());
      online();
      break;
    case Strophe.Status.AUTHFAIL:
    case Strophe.Status.CONNFAIL:
    case Strophe.Status.ERROR:
      fail(`strophe.js could not sign in: ${condition}`);
  }
});
