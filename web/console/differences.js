// @ts-check
/** What gateways that share a Redis have not in common. Pure. */

/** @typedef {import("../../src/http/operate/shapes.ts").GatewayShown} Gateway */

/** @type {readonly Sameness[]} */
const ORDER = ["differs", "unknown", "same"];
const PARTS = /** @type {const} */ (["keys", "configuration"]);

/** @typedef {"same" | "differs" | "unknown"} Sameness `unknown`: not all of them tell. */
/** @typedef {{ readonly name: string, readonly values: readonly (string | undefined)[], readonly is: Sameness }} Row */

/** A row for each thing that can be compared, what differs first. @param {readonly Gateway[]} gateways @returns {Row[]} */
export function compared(gateways) {
  const told = new Set(gateways.flatMap(({ differs }) => differs));
  /** @param {string} name @param {(string | undefined)[]} values @returns {Row} */
  const row = (name, values) => ({
    name,
    values,
    is: told.has(name) ? "differs" : values.includes(undefined) ? "unknown" : "same",
  });
  const rows = [
    row(
      "version",
      gateways.map(({ version }) => version),
    ),
  ];
  for (const part of PARTS) {
    const names = new Set(gateways.flatMap((gateway) => Object.keys(gateway[part])));
    for (const name of [...names].toSorted()) {
      const values = gateways.map((gateway) => gateway[part][name]);
      rows.push(row(`${part}.${name}`, values));
    }
  }
  return rows.toSorted((one, other) => ORDER.indexOf(one.is) - ORDER.indexOf(other.is));
}

/** `keys.queue` → "key queue"; words of the page for what is compared. @param {string} name */
export function named(name) {
  if (name === "version") return "Version";
  const [part = "", ...rest] = name.split(".");
  return part === "keys" ? `Key ${rest.join(".")}` : `Configuration: ${rest.join(".")}`;
}
