/** What a packet of a scene or network service shows: which purpose used which category, of a message or of all messages of a phase. What the
 * network hears together need not be of one message. */
import type { Category, Purpose, ServicePurpose } from "../../src/model/purposes.ts";
import type { SentMessages } from "./sent-messages.ts";
import { numberInPrefix, phaseOfModel, type Stay } from "./telltale.ts";

export interface Use {
  readonly stay: Stay;
  readonly purpose: Purpose;
  readonly category: Category;
}

export interface UsesInput {
  readonly sent: SentMessages;
  readonly ownerOf: (name: string) => number | undefined;
}

/** What services get, as far as it says anything about a message. */
interface Packet {
  readonly device?: string;
  readonly model?: string;
  readonly ipPrefix?: string;
  readonly status?: { readonly n?: number };
}

/** `undefined` when the packet is not one that a message can have become. */
export function usesOf(purpose: ServicePurpose, payload: Buffer, input: UsesInput): Use[] | undefined {
  const packet = JSON.parse(payload.toString("utf8")) as Packet;
  const owner = packet.device === undefined ? undefined : input.ownerOf(packet.device);
  if (packet.device !== undefined && owner === undefined) return undefined;
  const stays: [Category, Stay | undefined][] = [];
  if (packet.status !== undefined) stays.push(["status", stayOf(packet.status.n, input.sent)]);
  if (packet.ipPrefix !== undefined) stays.push(["ip", stayOf(numberInPrefix(packet.ipPrefix), input.sent)]);
  if (packet.model !== undefined) stays.push(["model", stayOfModel(packet.model, owner)]);
  const uses: Use[] = [];
  for (const [category, stay] of stays) {
    if (stay === undefined || (owner !== undefined && stay.device !== owner)) return undefined;
    uses.push({ stay, purpose, category });
  }
  return uses.length === 0 ? undefined : uses;
}

/** `undefined` for a number that no message has. */
export function stayOf(n: number | undefined, sent: SentMessages): Stay | undefined {
  return n === undefined || !sent.has(n) ? undefined : { device: sent.deviceOf(n), phase: sent.phaseOf(n) };
}

function stayOfModel(model: string, owner: number | undefined): Stay | undefined {
  const phase = phaseOfModel(model);
  return owner === undefined || phase === undefined ? undefined : { device: owner, phase };
}
