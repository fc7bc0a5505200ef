import WebSocket from 'ws';

globalThis.WebSocket ??= WebSocket; // browsers have it, older Node does not

// What all libraries do here: enter a room, say "online" when they are in it, and answer
// each message of a chat, or of somebody else in the room, with the same text and their name.
export const { SERVICE, DOMAIN, LOCAL, PASSWORD, ROOM } = process.env;

export const online = () => console.log('online');

export const answer = (library, text) => `${text}, says ${library}`;

// answers says whether a message in the room is to be answered: who answers answers is never done.
export const answers = (text) => !text.includes(', says ');

export function fail(error) {
  console.error(error);
  process.exit(1);
}

// The test ends us by closing our standard input.
process.stdin.resume().on('end', () => process.exit(0));
