// @ts-check
/** The words with which an act says to the gateway what it does; the same as there, and a test compares the two. */
export const CONFIRM = {
  /** @param {string} id */
  replay: (id) => `replay dead letter ${id}`,
  replayAll: "replay all dead letters",
  reload: "read the configuration again",
  trace: "trace this device for ten minutes",
};
