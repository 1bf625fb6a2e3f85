// @ts-check
/** What gateways that share a Redis have not in common. Pure. */

/** @typedef {import("../../src/http/operate/shapes.ts").GatewayShown} Gateway */
/** @typedef {{ readonly name: string, readonly values: readonly (string | undefined)[], readonly differs: boolean }} Row */

const PARTS = /** @type {const} */ (["keys", "configuration"]);

/** A row for each thing that can be compared, what differs first. @param {readonly Gateway[]} gateways @returns {Row[]} */
export function compared(gateways) {
  const rows = [
    row(
      "version",
      gateways.map(({ version }) => version),
    ),
  ];
  for (const part of PARTS) {
    const names = new Set(gateways.flatMap((gateway) => Object.keys(gateway[part])));
    for (const name of [...names].toSorted())
      rows.push(
        row(
          `${part}.${name}`,
          gateways.map((gateway) => gateway[part][name]),
        ),
      );
  }
  return rows.toSorted((one, other) => Number(other.differs) - Number(one.differs));
}

/** @param {string} name @param {readonly (string | undefined)[]} values @returns {Row} */
function row(name, values) {
  return { name, values, differs: new Set(values).size > 1 };
}

/** `keys.queue` → "key queue"; words of the page for what is compared. @param {string} name */
export function named(name) {
  if (name === "version") return "Version";
  const [part = "", ...rest] = name.split(".");
  return part === "keys" ? `Key ${rest.join(".")}` : `Configuration: ${rest.join(".")}`;
}
