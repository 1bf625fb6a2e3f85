/** Preloaded into a measured process: SIGUSR2 collects garbage, so that resident memory means what is in use. */
process.on("SIGUSR2", () => {
  // What a first pass finalises, sockets and buffers among it, only a second one frees.
  globalThis.gc?.();
  setImmediate(() => globalThis.gc?.());
});
