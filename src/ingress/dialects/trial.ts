/**
 * What would become of a publication, without any of it being kept: the steps of admission are those of a real message, and only
 * the queue behind them is not there. For anyone who connects a device and wonders why nothing arrives.
 */
import type { Dialect } from "../../dialects/compile.ts";
import type { CheckConsent } from "../../model/consent.ts";
import type { Hint } from "../../model/hint.ts";
import type { DeviceId, DeviceKey, SubjectTag } from "../../model/ids.ts";
import type { Refusal } from "../../model/outcome.ts";
import { normalise, PARTS, type Part } from "../../model/raw.ts";
import type { TrialOutcome, TriedMessage } from "../../model/trial.ts";
import { TokenBucket } from "../../platform/rate.ts";
import { Admission, type AdmissionOptions } from "../admission/admission.ts";
import { Inbound } from "../admission/inbound.ts";
import { connectionOf, type Publisher, publisherOf } from "../admission/publisher.ts";
import { PublicationReader, type Read } from "./publication-reader.ts";
import { ReadMessage } from "./read-message.ts";
import { DialectSender, type SenderPorts } from "./sender.ts";

export interface Tried {
  readonly device: DeviceId;
  readonly key: DeviceKey;
  readonly subjectTag: SubjectTag | undefined;
  readonly dialect: Dialect | undefined;
  readonly alias: ConstructorParameters<typeof DialectSender>[1]["alias"];
  readonly topic: string;
  readonly payload: Buffer;
}

export interface TrialPorts extends Pick<SenderPorts, "aliasMac" | "children"> {
  readonly checkConsent: CheckConsent;
}

const MOST_LEFT_OUT = 64;

export class Trial {
  readonly #options: AdmissionOptions;
  readonly #ports: TrialPorts;

  constructor(options: AdmissionOptions, ports: TrialPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Rejects when Redis does not answer. */
  async run(tried: Tried): Promise<TrialOutcome> {
    const leftOut: Hint[] = [];
    const dropped = (hint: Hint): void => {
      if (leftOut.length < MOST_LEFT_OUT) leftOut.push(hint);
    };
    const admission = this.#admission(dropped);
    const { key, subjectTag } = tried;
    const ref = subjectTag && { deviceKey: key, subjectTag };
    const connection = connectionOf({ pause: () => undefined, resume: () => undefined });
    const own = publisherOf(tried.device, { key, ref, bucket: unlimited() }, connection);
    admission.start();
    try {
      return { messages: await this.#messages(admission, own, tried, dropped), leftOut };
    } finally {
      await admission.stop();
    }
  }

  async #messages(
    admission: Admission,
    own: Publisher,
    { device, topic, payload, dialect, alias }: Tried,
    dropped: (hint: Hint) => void,
  ): Promise<TriedMessage[]> {
    const part = PARTS.findIndex((name) => topic === `devices/${device}/${name}`);
    if (part !== -1 || dialect === undefined) return [await submitted(admission, own, part, payload)];
    const { aliasMac, children } = this.#ports;
    const ports = { aliasMac, children, bucket: unlimited, heard: () => ({ at: 0 }) };
    const sender = new DialectSender(dialect, { id: device, alias, own }, ports);
    await sender.load();
    const reader = new PublicationReader(this.#options.maxPayloadBytes, {
      propertyDropped: (why) => {
        if (why === "unknown") dropped({ reason: why });
      },
      securityEvent: () => undefined,
      hint: (_, hint) => dropped(hint),
      counted: () => undefined,
    });
    return submittedTogether(admission, own, reader.read(sender, topic, payload));
  }

  #admission(dropped: (hint: Hint) => void): Admission {
    const nothing = (): void => undefined;
    return new Admission(this.#options, {
      checkConsent: this.#ports.checkConsent,
      enqueue: async () => undefined,
      hold: async () => undefined,
      held: () => false,
      writableAgain: async () => false,
      books: {
        received: nothing,
        refused: nothing,
        admitted: nothing,
        recovered: nothing,
        stored: nothing,
        forwardedOnly: nothing,
        deadLettered: nothing,
      },
      observe: {
        batch: nothing,
        pubackSeconds: nothing,
        clockReplaced: nothing,
        repeated: nothing,
        securityEvent: nothing,
        propertyDropped: (why) => {
          if (why === "unknown" || why === "personal") dropped({ reason: why });
        },
      },
      hint: (_, hint) => {
        if (hint.path !== undefined) dropped(hint);
      },
      whereabouts: { cellOf: () => undefined, moved: nothing },
      log: { info: nothing, warn: nothing, error: nothing },
    });
  }
}

class TriedInbound extends Inbound {
  readonly isAnswered = false;
  readonly #finished: (refusal: Refusal | undefined) => void;

  constructor(publisher: Publisher, part: number, payload: Buffer, finished: (refusal: Refusal | undefined) => void) {
    super(publisher, part, payload);
    this.#finished = finished;
  }

  finish(): void {
    this.#finished(this.refusal);
  }
}

async function submitted(admission: Admission, own: Publisher, part: number, payload: Buffer): Promise<TriedMessage> {
  let read: object | undefined;
  const refusal = await new Promise<Refusal | undefined>((resolve) => {
    const inbound = new TriedInbound(own, part, payload, resolve);
    admission.submit(inbound);
    // What waits for the consent check is what was read; the rest of it is text by now.
    const { telemetry, text } = inbound;
    read = telemetry ?? (text === "" ? undefined : normalise(PARTS[inbound.part] as Part, JSON.parse(text)));
  });
  return { ofChild: false, refusal: told(refusal, read), rule: undefined, read };
}

async function submittedTogether(
  admission: Admission,
  own: Publisher,
  reads: readonly Read[],
): Promise<TriedMessage[]> {
  const refusals: (Refusal | undefined)[] = [];
  await new Promise<void>((resolve) => {
    const finished = (refusal: Refusal | undefined): void => {
      if (refusals.push(refusal) === reads.length) resolve();
    };
    admission.submitRead(reads.map((read) => new ReadMessage(read, finished)));
  });
  return reads.map(({ publisher, message, rule }, index) => ({
    ofChild: publisher !== own,
    refusal: told(refusals[index], message?.telemetry),
    rule,
    read: message?.telemetry,
  }));
}

/** A legal hold is told to no one; and the first total of a counter is taken, though it tells nothing yet. */
function told(refusal: Refusal | undefined, read: object | undefined): Refusal | undefined {
  if (refusal === "legal-hold") return undefined;
  return refusal === "not-taken" && read !== undefined ? undefined : refusal;
}

function unlimited(): TokenBucket {
  return new TokenBucket(0, Number.MAX_SAFE_INTEGER, Date.now());
}
