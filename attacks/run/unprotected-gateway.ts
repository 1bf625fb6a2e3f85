/**
 * The gateway with the mechanisms taken away that keep what leaves from leading back: every attack must succeed on it. A
 * mechanism that is added to the product is taken out here.
 */
import { StatusFilter } from "../../src/deidentify/status.ts";
import { MessageTimes } from "../../src/ingress/admission/message-times.ts";
import type { Outgoing } from "../../src/model/disclosure.ts";
import { Producer } from "../../src/queue/producer.ts";
import { Digests } from "../../src/rights/erasure/digests.ts";
import { ForwardedNames } from "../../src/rights/erasure/forwarded-names.ts";
import { StoredFields } from "../../src/sinks/influx/fields.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { runAltered } from "../../tools/stack/altered-gateway.ts";
import { openDigits } from "../open-digits.ts";
import { CLOCK_PORT, followClock } from "./set-clock.ts";

/** As the gateway is configured by default. */
const EPOCH_MS = 7 * 86_400_000;
const AT_STEP_MS = 60_000;

type Status = Readonly<Record<string, number | boolean | string>>;

/** Digits of a row time are a hash of the message's id, made without a key. */
const fix = MessageTimes.prototype.fix;
MessageTimes.prototype.fix = function (message, told) {
  const time = fix.call(this, message, told);
  return told.id === undefined ? time : { ...time, sub: openDigits(told.id) };
};

/** Any flat object is a status, and is stored and passed on as it came, totals of counters included. */
Vocabulary.prototype.take = (fields) => {
  const flat = Object.entries(fields).filter(([, value]) => ["number", "boolean", "string"].includes(typeof value));
  return { status: Object.fromEntries(flat) as Status, changed: false, hasCounters: false };
};
for (const purpose of ["forAnalytics", "forScene"] as const) {
  StatusFilter.prototype[purpose] = (status) => status;
}
/** All numbers, not only those of the sky. */
StatusFilter.prototype.forWeather = (status) =>
  Object.fromEntries(Object.entries(status).filter(([, value]) => typeof value === "number")) as Record<string, number>;
StoredFields.prototype.takes = () => true;

/** Names to forget leave as soon as they are known, for each person alone, in their order; they are worked out for every service. */
Digests.prototype.leavesAt = () => Date.now();
Digests.prototype.peoplePerDigest = () => 1;
Digests.prototype.mixed = (names) => names;
ForwardedNames.prototype.since = async () => undefined;
ForwardedNames.prototype.of = async () => [];

/** What is refused is acknowledged at once. */
const enqueue = Producer.prototype.enqueue;
Producer.prototype.enqueue = function (messages, signal) {
  return messages.length === 0 ? Promise.resolve() : enqueue.call(this, messages, signal);
};

await followClock(Number(process.env[CLOCK_PORT]));
await runAltered(() => ({
  /** Places are told of one person too. */
  placeSubjects: 1,
  /** Network services hear of each message, when it comes. */
  noteNetwork: ({ announce, nameOf }) => {
    return async (all) => {
      const batch = all.map(({ device, wrappedSubjectKey, revision, said: { model, ipPrefix }, at }): Outgoing => {
        const name = nameOf(wrappedSubjectKey, device.deviceKey, Math.floor(at / EPOCH_MS));
        const network = {
          device: name,
          ...(model !== undefined && { model }),
          ...(ipPrefix !== undefined && { ipPrefix }),
          at: at - (at % AT_STEP_MS),
        };
        return { subject: device.subjectTag, revision, wrappedSubjectKey, at, result: { network } };
      });
      return (await announce(batch))();
    };
  },
}));
