// @ts-check
/** Checks the signature of a receipt in the browser, with nothing but the receipt and the public key. */

/** @typedef {import("../../src/model/erasure.ts").SignedReceipt} SignedReceipt */
/** @typedef {import("../../src/model/erasure.ts").ReceiptKey} ReceiptKey */

/**
 * `unable`: this browser does not know the kind of signature.
 * @param {SignedReceipt} signed
 * @param {ReceiptKey} key
 * @returns {Promise<"valid" | "invalid" | "unable">}
 */
export async function verify(signed, key) {
  /** @type {CryptoKey} */
  let publicKey;
  try {
    publicKey = await crypto.subtle.importKey("jwk", { ...key.jwk }, "Ed25519", false, ["verify"]);
  } catch {
    return "unable";
  }
  const payload = encode(new TextEncoder().encode(canonical(signed.receipt)));
  const input = new TextEncoder().encode(`${signed.protected}.${payload}`);
  return (await crypto.subtle.verify("Ed25519", publicKey, decode(signed.signature), input)) ? "valid" : "invalid";
}

/** JSON with sorted keys: one text for one receipt. @param {unknown} value @returns {string} */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

/** @param {Uint8Array} bytes */
function encode(bytes) {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text base64url */
function decode(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}
