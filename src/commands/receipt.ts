/**
 * Verifies an erasure receipt or a consent receipt. Anyone can run it; it needs only the receipt and the public key:
 *
 *   npm run receipt -- verify <file> [--key <file>]
 *
 * Exit code 0 when exactly this receipt was signed with this key, or with one of several, 1 when not, 2 for wrong
 * usage.
 */
import "../platform/no-debug-output.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadSections } from "../config/load.ts";
import type { ConsentReceipt } from "../model/consent-receipt.ts";
import { contactLine } from "../model/contact.ts";
import type { Receipt } from "../model/erasure.ts";
import { readKeysOf } from "../platform/keys/files.ts";
import { ReceiptSigner, verifyConsentReceipt, verifyReceipt } from "../rights/receipts/signer.ts";
import { runCommand, UsageError } from "./operator-command.ts";
import { say } from "./output.ts";

const USAGE = `Usage: npm run receipt -- verify <file> [--key <file>] [--config <file.yaml>]

  <file>          the receipt, or the whole answer of GET /v1/erasures/{id}
                  or of GET /v1/subjects/{subject}/consents/receipt
  --key <file>    public key: PEM, or the answer of GET /v1/keys/receipt with all keys ever used;
                  default: the current key of the gateway configured on this machine
`;

const REASONS = {
  "not-a-receipt": "this is not a receipt",
  "another-key": "it was signed with a key other than those given",
  altered: "it was altered after it was signed",
} as const;

interface Options {
  readonly key?: string | undefined;
  readonly config?: string | undefined;
}

function main(): number {
  const { values, positionals } = parseArgs({
    options: { key: { type: "string" }, config: { type: "string" } },
    allowPositionals: true,
  });
  const [command, file, ...more] = positionals;
  if (command !== "verify" || file === undefined || more.length > 0) {
    throw new UsageError();
  }
  const json = JSON.parse(readFileSync(file, "utf8")) as { receipt?: { receipt?: unknown; kind?: unknown } } | null;
  const signed = json?.receipt?.receipt === undefined ? json : json.receipt;
  const keys = publicKeys(values);
  const verification =
    json?.receipt?.kind === undefined ? verifyReceipt(signed, ...keys) : verifyConsentReceipt(signed, ...keys);
  if (!verification.valid) {
    process.stderr.write(`not valid: ${REASONS[verification.reason]} (${verification.reason})\n`);
    return 1;
  }
  const { receipt, kid } = verification;
  const lines = "kind" in receipt ? describeConsent(receipt, kid) : describe(receipt, kid);
  say(lines.join("\n"));
  return 0;
}

function publicKeys({ key, config }: Options): string[] {
  if (key === undefined) {
    const { keys } = loadSections({ file: config, env: process.env }, ["keys"]);
    return [new ReceiptSigner(readKeysOf(keys.dir, ["receipt"]).receipt).publicKey.pem];
  }
  const text = readFileSync(key, "utf8");
  if (!text.trimStart().startsWith("{")) return [text];
  const { pem, keys = [] } = JSON.parse(text) as { pem?: unknown; keys?: { pem?: unknown }[] };
  return [pem, ...keys.map((one) => one.pem)].map(String);
}

function describe(receipt: Receipt, kid: string): string[] {
  const time = (ms: number) => new Date(ms).toISOString();
  return [
    "valid",
    `  erasure   ${receipt.id}`,
    `  by        ${receipt.controller}`,
    ...(receipt.contact === undefined ? [] : [`  contact   ${contactLine(receipt.contact)}`]),
    `  asked     ${time(receipt.requestedAt)}`,
    `  complete  ${time(receipt.completedAt)}`,
    ...receipt.sinks.map(({ name, region, method, rowsDeleted, verified }) => {
      const proof = verified ? "verified by query" : "not verified";
      return `  store     ${name} (${region}): ${method}, ${rowsDeleted} rows, ${proof}`;
    }),
    ...receipt.services.map(
      ({ purpose, notified, acknowledged, unacknowledged, waiting = 0, notifyBy }) =>
        `  services  ${purpose}: ${notified} notified, ${acknowledged} answered, ${unacknowledged} did not${
          notifyBy === undefined ? "" : `; ${waiting} to be notified by ${time(notifyBy)}`
        }`,
    ),
    ...(receipt.untold ?? []).map(
      ({ purpose, recipient }) => `  untold    ${recipient} (${purpose}), no longer configured`,
    ),
    ...(receipt.record === undefined
      ? []
      : ["  record    could not be verified; everything possibly theirs was erased"]),
    `  key       ${receipt.keyDestroyed ? "destroyed" : "not destroyed"}`,
    `  signed by ${kid}`,
  ];
}

function describeConsent(receipt: ConsentReceipt, kid: string): string[] {
  const statements = [receipt.consent, ...receipt.devices.map(({ consent }) => consent)];
  return [
    "valid",
    `  consent   of ${receipt.subject}`,
    `  by        ${receipt.controller}`,
    `  issued    ${new Date(receipt.issuedAt).toISOString()}`,
    ...statements.flatMap((one, index) => {
      if (one === undefined) return [];
      const purposes = one.purposes.map(({ id, categories }) => `${id}: ${categories.join(", ")}`).join("; ");
      const about = index === 0 ? "all" : `device ${index}`;
      return [`  ${about.padEnd(9)} ${one.state}, policy ${one.policyVersion}${purposes && `, ${purposes}`}`];
    }),
    `  ledger    ${receipt.events.length} events, head ${receipt.head}`,
    `  signed by ${kid}`,
  ];
}

runCommand("receipt", USAGE, async () => main());
