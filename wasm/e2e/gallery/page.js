// Starts the program of package page.
"use strict";
window.did = [];
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber));
window.goappGetenv = () => "";
const go = new Go();
WebAssembly.instantiateStreaming(fetch("/page.wasm"), go.importObject).then(({ instance }) => go.run(instance));
