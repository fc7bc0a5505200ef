// For tsc alone: what worker.js finds when it starts.

// The list that web/build writes into worker.js: the build's number and version, and its files
// with their SHA-256.
declare const BUILD: { number: number; version: string; files: Record<string, string> };

// The global scope of a service worker, which tsc's own types take for that of any worker.
declare const registration: ServiceWorkerRegistration;
declare const clients: Clients;
declare function skipWaiting(): Promise<void>;
declare function addEventListener(type: "install" | "activate", f: (event: ExtendableEvent) => void): void;
declare function addEventListener(type: "message", f: (event: ExtendableMessageEvent) => void): void;
declare function addEventListener(type: "notificationclick", f: (event: NotificationEvent) => void): void;
declare function addEventListener(type: "fetch", f: (event: FetchEvent) => void): void;
