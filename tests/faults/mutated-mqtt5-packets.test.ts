/**
 * Twenty thousand packets of MQTT 5 with something wrong in them: each is answered as the standard allows or ends its
 * connection, nothing of it is kept, and neighbours are served all the while.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Random } from "../../simulators/random.ts";
import { until } from "../fixtures/eventually.ts";
import { type IngressFixture, startIngress, TOKEN } from "../fixtures/ingress.ts";
import { heapUsed } from "../fixtures/kept.ts";
import { Mutations } from "../fixtures/mqtt5/mutations.ts";
import { connect5, PINGREQ, publish5 } from "../fixtures/mqtt5/packets.ts";
import { Peer5 } from "../fixtures/mqtt5/peer.ts";

const COUNT = 20_000;
const WARM_UP = 2_000;
const AT_A_TIME = 24;
const REST_MS = 5;
const SEED = 20_000;
/** Of twenty thousand: less than a pointer and a number each. */
const MAY_GROW_BYTES = 2_000_000;

let ingress: IngressFixture;
beforeEach(async () => {
  // What is kept of messages without PUBREL has its bound from the beginning.
  ingress = await startIngress({ broker: { inFlightMessages: 100, takeoversPerMinute: 1_000_000 } });
});
afterEach(() => ingress.stop());

const newPeer = (): Peer5 => Peer5.to(`mqtt://127.0.0.1:${ingress.port}`);

/** How often each answer came. */
const answers = new Map<string, number>();
const faults: string[] = [];

function told(peer: Peer5, what: string): void {
  for (const answer of peer.answers) answers.set(answer, (answers.get(answer) ?? 0) + 1);
  if (peer.fault !== undefined) faults.push(`${what}: ${peer.fault.message}`);
}

/** One device after the other sends them, each over the connection before as long as that lives. */
async function attack(mutations: Mutations, id: string, count: number): Promise<void> {
  let peer: Peer5 | undefined;
  const random = new Random(id);
  for (let turn = 0; turn < count; turn += 1) {
    const isConnect = random.chance(0.25);
    if (isConnect || peer?.closed !== false) {
      peer?.end();
      peer = newPeer();
      if (!isConnect) peer.bytes(connect5({ id, token: TOKEN }));
    }
    const { what, bytes, mayHang } = isConnect ? mutations.connect(id, TOKEN) : mutations.later(id);
    const before = peer.of("PINGRESP").length;
    peer.bytes(bytes, PINGREQ);
    if (mayHang) peer.socket.end();
    const one = peer;
    await answered(one, () => one.of("PINGRESP").length > before);
    told(one, what);
    one.packets.length = 0;
    // It may have become one of another version.
    if (isConnect) one.end();
    if (isConnect) peer = undefined;
  }
  peer?.end();
}

/** Without looking at a clock: twenty thousand waits of some milliseconds would be minutes. */
async function answered(peer: Peer5, isAnswered: () => boolean): Promise<void> {
  const isDone = (): boolean => peer.closed || peer.fault !== undefined || isAnswered();
  while (!isDone()) {
    await new Promise<void>((resolve) => {
      const on = (): void => {
        peer.socket.off("data", on).off("close", on);
        resolve();
      };
      peer.socket.on("data", on).on("close", on);
    });
  }
}

async function attacks(seed: number, count: number): Promise<void> {
  const mutations = new Mutations(new Random(seed));
  const each = Math.ceil(count / AT_A_TIME);
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, index) => attack(mutations, `attacker-${index}`, each)));
  await until("all of them are gone", () => ingress.broker.devices.connected().length === NEIGHBOURS.length);
}

const NEIGHBOURS = ["neighbour-1", "neighbour-2"];

/** Publishes without pause until told otherwise; resolves with how often it was acknowledged. */
function neighbour(id: string, isOver: () => boolean): Promise<number> {
  const run = async (): Promise<number> => {
    const peer = newPeer();
    await peer.login({ id, token: TOKEN });
    let taken = 0;
    for (; !isOver(); taken += 1) {
      const before = peer.of("PUBACK").length;
      peer.bytes(publish5(`devices/${id}/status`, { id: 1 + (taken % 1_000) }));
      await answered(peer, () => peer.of("PUBACK").length > before);
      expect(peer.of("PUBACK").at(-1)?.reasons).toEqual([0]);
      peer.packets.length = 0;
      // As a device does, and so that it is not the neighbours that all the time goes to.
      await pause(REST_MS);
    }
    peer.end();
    return taken;
  };
  return run();
}

/** What the fixture itself keeps is let go first. */
function kept(): number {
  ingress.admitted.length = 0;
  ingress.events.length = 0;
  return heapUsed();
}

test("are answered or end their connection, leave nothing, and disturb no one", async () => {
  let over = false;
  const neighbours = NEIGHBOURS.map((id) => neighbour(id, () => over));
  await attacks(SEED, WARM_UP);
  const before = kept();
  await attacks(SEED + 1, COUNT);
  const after = kept();
  over = true;
  for (const taken of await Promise.all(neighbours)) expect(taken).toBeGreaterThan(200);
  expect(faults).toEqual([]);
  expect(after - before).toBeLessThan(MAY_GROW_BYTES);
  expect(ingress.events.filter((event) => event.startsWith("failed:"))).toEqual([]);
  // They reached what they were made for.
  for (const answer of [
    "CONNACK 0x00",
    "CONNACK 0x82",
    "PUBACK 0x00",
    "PUBACK 0x90",
    "PUBREC 0x00",
    "PUBCOMP 0x92",
    "DISCONNECT 0x81",
    "DISCONNECT 0x82",
    "DISCONNECT 0x94",
    "DISCONNECT 0x95",
  ]) {
    expect(answers.get(answer) ?? 0, answer).toBeGreaterThan(20);
  }
}, 1_200_000);

test("and the same measure sees what is kept", () => {
  const before = kept();
  const leak = Array.from({ length: COUNT }, (_, index) => ({ property: `v${index}`.repeat(20) }));
  expect(kept() - before).toBeGreaterThan(MAY_GROW_BYTES);
  expect(leak).toHaveLength(COUNT);
});
