import { createClient } from 'stanza';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, ROOM, online, answer, answers, fail } from './answer.mjs';

const client = createClient({
  jid: `${LOCAL}@${DOMAIN}`,
  password: PASSWORD,
  autoReconnect: false,
  transports: { websocket: SERVICE, bosh: false },
});
client.on('session:started', async () => {
  await client.getRoster();
  client.sendPresence();
  await client.joinRoom(ROOM, 'stanza');
  online();
});
client.on('groupchat', (message) => {
  if (message.body && answers(message.body)) {
    client.sendMessage({ to: ROOM, type: 'groupchat', body: answer('stanza', message.body) });
  }
});
client.on('chat', (message) => {
  client.sendMessage({ to: message.from, type: 'chat', body: answer('stanza', message.body) });
});
client.on('auth:failed', () => fail('stanza could not sign in'));
client.on('stream:error', fail);
client.connect();
