/** Preloaded into a measured process: SIGUSR2 collects garbage, so that resident memory means what is in use. */
process.on("SIGUSR2", () => {
  globalThis.gc?.();
});
