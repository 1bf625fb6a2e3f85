/** The version in every log line; a test compares it with package.json. */
export const VERSION = "0.1.0";
