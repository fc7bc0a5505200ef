// What begins before the rest of the page is there: the program is compiled while it
// arrives, config.json and the app's styles come beside it. This stands in the page
// itself (web/build), so that nothing has to be fetched first.
//
//   natterStart.first   what was begun: promises of the program, compiled, and of
//                       config.json, {} if there is none
//   natterStart.again() the same once more, after a failure
//   natterStart.styled  a promise that is kept when the app's styles are there
"use strict";

window.natterStart = (() => {
  const { wasm, styles } = document.documentElement.dataset;

  async function compile() {
    const response = await fetch(wasm);
    if (!response.ok) throw new Error("the server answered " + response.status);
    // Streaming needs the right type, which some static hosts do not send.
    const type = response.headers.get("Content-Type") || "";
    if (WebAssembly.compileStreaming && type.startsWith("application/wasm")) return WebAssembly.compileStreaming(response);
    return WebAssembly.compile(await response.arrayBuffer());
  }

  async function configure() {
    try {
      const response = await fetch("config.json", { cache: "no-cache" });
      if (response.ok) return await response.json();
    } catch {
      // A bundle on a static host may have none; any server can still be typed.
    }
    return {};
  }

  // A stylesheet that the parser meets holds up all scripts behind it; one that a script
  // adds does not. Without it the page is ugly, not useless.
  const style = (href) => new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });

  function again() {
    const program = compile();
    program.catch(() => {}); // boot.js says what is wrong, when it comes to it
    return { program, config: configure() };
  }

  return { first: again(), again, styled: Promise.all(styles.split(" ").map(style)) };
})();
