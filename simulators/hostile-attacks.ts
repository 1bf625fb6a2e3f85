/**
 * Publishers that mean harm. Each attack has the outcomes it may have, and none may be felt by
 * anybody else. Attacks run one after the other, each on a connection of its own.
 */
import type { Refusal } from "../src/model/outcome.ts";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import { subscribe } from "../tools/wire/service-subscriber.ts";
import { type Attack, type AttackContext, type AttackOutcome, amongListening, publishOnce } from "./attack.ts";
import { BROKEN_CONNECTIONS } from "./hostile-connections.ts";
import type { SentMessage } from "./sent-log.ts";

export interface AttackResult {
  readonly name: string;
  readonly outcome: AttackOutcome;
  readonly held: boolean;
}

const TURNED_AWAY = ["acknowledged", "closed"] as const;

/** A publish that must be acknowledged and dropped for `reason`; with `orClosed`, cutting the connection will do too. */
function dropped(name: string, reason: Refusal, topic: string, payload: string, orClosed = false): Attack {
  return {
    name,
    allowed: orClosed ? TURNED_AWAY : ["acknowledged"],
    run: (context) => publishOnce(context, fill(topic, context), fill(payload, context), { kind: "refused", reason }),
  };
}

/** `{me}`, `{victim}` and the like are filled per run, so that every payload holds canaries of this run. */
function fill(template: string, { attacker, victim }: AttackContext): string {
  return template
    .replaceAll("{me}", attacker.id)
    .replaceAll("{victim}", victim.id)
    .replaceAll("{ip}", victim.ip)
    .replaceAll("{email}", victim.household.email)
    .replaceAll("{password}", victim.household.password)
    .replaceAll("{lat}", String(victim.household.lat))
    .replaceAll("{lon}", String(victim.household.lon));
}

const OWN = "devices/{me}/telemetry";
const VICTIM_PAYLOAD = '{"ip":"{ip}","location":{"lat":{lat},"lon":{lon}},"status":{"power_on":true}}';

const PUBLISHES: readonly Attack[] = [
  dropped("unknown key", "invalid-payload", OWN, '{"status":{"power_on":true},"ssid":"home {ip}"}'),
  dropped(
    "account-like key",
    "invalid-payload",
    OWN,
    '{"email":"{email}","password":"{password}","status":{"power_on":true}}',
  ),
  dropped("account data inside status", "invalid-payload", OWN, '{"status":{"power_on":true,"ownerEmail":"{email}"}}'),
  dropped("account data in an unknown key", "nothing-known", OWN, '{"status":{"note":"{email}"}}'),
  dropped("position inside status", "nothing-known", OWN, '{"status":{"note":"{lat}, {lon}","gps":[{lat},{lon}]}}'),
  dropped("position beside the status", "invalid-payload", OWN, '{"status":{"power_on":true},"gps":"{lat}, {lon}"}'),
  dropped("not JSON", "invalid-payload", OWN, "GET /{victim} HTTP/1.1"),
  dropped("deep JSON", "invalid-payload", OWN, `{"status":${'{"a":'.repeat(900)}1${"}".repeat(900)}}`),
  dropped("NaN coordinates", "invalid-payload", "devices/{me}/location", '{"lat":NaN,"lon":{lon}}'),
  dropped("coordinates off the globe", "invalid-payload", "devices/{me}/location", '{"lat":{lat},"lon":1e308}'),
  dropped(
    "__proto__ as a key",
    "invalid-payload",
    OWN,
    '{"__proto__":{"model":"{victim}"},"status":{"power_on":true}}',
  ),
  dropped("payload of 20 KB", "too-large", OWN, `{"status":{"note":"${"{victim}".repeat(700)}"}}`),
  dropped("another device's topic", "invalid-topic", "devices/{victim}/telemetry", VICTIM_PAYLOAD),
  {
    // Whatever a client calls itself, it is the device whose token it has; the victim's own connection goes on.
    name: "another device's client id and topic",
    allowed: ["acknowledged"],
    run: (context) => {
      const [topic, payload] = [fill("devices/{victim}/telemetry", context), fill(VICTIM_PAYLOAD, context)];
      const refused = { kind: "refused", reason: "invalid-topic" } as const;
      return publishOnce(context, topic, payload, refused, { clientId: context.victim.id });
    },
  },
  dropped("unknown topic", "invalid-topic", "devices/{me}/diary", VICTIM_PAYLOAD),
  dropped("__proto__ as a topic", "invalid-topic", "devices/__proto__/telemetry", VICTIM_PAYLOAD),
  dropped("a processed topic", "invalid-topic", "processed/scene/{victim}", VICTIM_PAYLOAD),
  dropped("$SYS topic", "invalid-topic", "$SYS/{victim}/new/clients", "{victim}", true),
  dropped("topic of 200 levels", "invalid-topic", `devices/{me}${"/a".repeat(200)}`, VICTIM_PAYLOAD, true),
  dropped("wildcard in a publish", "invalid-topic", "devices/+/telemetry", VICTIM_PAYLOAD, true),
  {
    name: "packet of 1 MB",
    allowed: ["closed"],
    run: (context) => publishOnce(context, fill(OWN, context), context.victim.id.repeat(70_000), undefined),
  },
  {
    name: "retained publish",
    allowed: ["acknowledged"],
    run: (context) => publishOnce(context, fill(OWN, context), statusOf(), STORED, { retain: true }),
  },
  {
    name: "account data beside what is known",
    allowed: ["acknowledged"],
    run: (context) => {
      const more = fill('{"note":"{email}","{ip}":1,"preset":"{password}","battery":"{ip}"}', context);
      return publishOnce(context, fill(OWN, context), statusOf({}, JSON.parse(more) as object), STORED);
    },
  },
  {
    name: "absurd ts",
    allowed: ["acknowledged"],
    run: (context) => publishOnce(context, fill(OWN, context), statusOf({ ts: 9e15 }), STORED),
  },
];

const STORED = { kind: "stored", forwarded: ["scene"] } as const;

/** A valid status; `publishOnce` puts the number in. */
function statusOf(extra: object = {}, more: object = {}): string {
  return JSON.stringify({ status: { ...more, power_on: true, seq: 0 }, ...extra });
}

/** Far above the rate limit: what is over it is acknowledged, dropped and counted; no one else waits for it. */
const FLOOD: Attack = {
  name: "flood over the rate limit",
  allowed: ["acknowledged"],
  run: async (context) => {
    const { attacker, log, listening } = context;
    const client = await connectMqtt(context.url, {
      clientId: attacker.id,
      username: attacker.id,
      password: attacker.token,
      clean: true,
    });
    const outcomes = Array.from({ length: FLOOD_MESSAGES }, async () => {
      const seq = log.nextSeq();
      const message: SentMessage = {
        seq,
        standing: "hostile",
        part: "status",
        qos: 1,
        topic: `devices/${attacker.id}/status`,
        payload: JSON.stringify({ power_on: true, seq }),
        traceable: true,
        expectation: amongListening({ kind: "either", reasons: ["over-rate"], forwarded: ["scene"] }, listening),
        sentAt: Date.now(),
      };
      log.add(message);
      await client.publishAsync(message.topic, message.payload, { qos: 1 });
      message.acknowledgedAt = Date.now();
    });
    await Promise.all(outcomes);
    await disconnectMqtt(client);
    return "acknowledged";
  },
};
const FLOOD_MESSAGES = 1_000;

const SUBSCRIPTIONS: readonly Attack[] = [
  "#",
  "$SYS/#",
  "devices/{victim}/commands/#",
  "devices/{me}/telemetry",
  "processed/#",
].map((filter) => ({
  name: `device subscribes to ${filter.replace(/\{\w+\}/, "…")}`,
  allowed: ["denied", "closed"],
  run: async (context) => {
    const { attacker } = context;
    const client = await connectMqtt(context.url, {
      clientId: attacker.id,
      username: attacker.id,
      password: attacker.token,
      clean: true,
    });
    const answer = await subscribe(client, [fill(filter, context)]);
    await disconnectMqtt(client);
    return answer;
  },
}));

const ATTACKS: readonly Attack[] = [...PUBLISHES, ...SUBSCRIPTIONS, ...BROKEN_CONNECTIONS, FLOOD];

/** Runs every attack in turn. An attack that fails to run at all counts as `failed`, which is never allowed. */
export async function runAttacks(context: AttackContext, signal: AbortSignal): Promise<AttackResult[]> {
  const results: AttackResult[] = [];
  for (const attack of ATTACKS) {
    if (signal.aborted) break;
    const outcome = await attack.run(context).catch((): AttackOutcome => "failed");
    results.push({ name: attack.name, outcome, held: attack.allowed.includes(outcome) });
  }
  return results;
}
