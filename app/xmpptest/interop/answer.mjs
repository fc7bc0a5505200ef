import WebSocket from 'ws';

globalThis.WebSocket ??= WebSocket; // browsers have it, older Node does not

// What all libraries do here: say "online" when they are, and answer each message
// of a chat with the same text and their name.
export const { SERVICE, DOMAIN, LOCAL, PASSWORD } = process.env;

export const online = () => console.log('online');

export const answer = (library, text) => `${text}, says ${library}`;

export function fail(error) {
  console.error(error);
  process.exit(1);
}

// The test ends us by closing our standard input.
process.stdin.resume().on('end', () => process.exit(0));
