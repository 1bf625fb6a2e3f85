// @ts-check
/** Checks the signature of a receipt in the browser, with nothing but the receipt and the public key it names. */

/** @typedef {import("../../src/model/erasure.ts").SignedReceipt} SignedReceipt */
/** @typedef {import("../../src/model/erasure.ts").ReceiptKey} ReceiptKey */

/**
 * `unable`: this browser does not know the kind of signature. `unknown`: the key it names is none of these.
 * @param {SignedReceipt} signed
 * @param {readonly ReceiptKey[]} keys
 * @returns {Promise<"valid" | "invalid" | "unable" | "unknown">}
 */
export async function verify(signed, keys) {
  const kid = kidOf(signed.protected);
  if (kid === undefined) return "invalid";
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) return "unknown";
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

/** @param {string} header */
function kidOf(header) {
  try {
    /** @type {unknown} */
    const kid = JSON.parse(new TextDecoder().decode(decode(header))).kid;
    return typeof kid === "string" ? kid : undefined;
  } catch {
    return undefined;
  }
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
