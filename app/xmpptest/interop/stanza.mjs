import { createClient } from 'stanza';
import { SERVICE, DOMAIN, LOCAL, PASSWORD, online, answer, fail } from './answer.mjs';

const client = createClient({
  jid: `${LOCAL}@${DOMAIN}`,
  password: PASSWORD,
  autoReconnect: false,
  transports: { websocket: SERVICE, bosh: false },
});
client.on('session:started', async () => {
  await client.getRoster();
  client.sendPresence();
  online();
});
client.on('chat', (message) => {
  client.sendMessage({ to: message.from, type: 'chat', body: answer('stanza', message.body) });
});
client.on('auth:failed', () => fail('stanza could not sign in'));
client.on('stream:error', fail);
client.connect();
