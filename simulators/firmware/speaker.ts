/** A connection whose device speaks a dialect: what its firmware says, and what must become of each message. */
import type { IClientOptions } from "mqtt";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import type { Canary } from "../canary-forms.ts";
import { type Expectation, expectationOfAll } from "../expectation.ts";
import type { Packet } from "../loop-log.ts";
import type { SentLog, SentMessage } from "../sent-log.ts";
import type { Outgoing, Speaker } from "../speaker.ts";
import type { DialectDevice, DialectHome, Fate, Firmware, Publication } from "./firmware.ts";
import { firmwareOf } from "./firmwares.ts";
import { rowText } from "./kept.ts";

export class DialectSpeaker implements Speaker {
  readonly id: string;
  readonly subscriptions: readonly string[];
  readonly leavesWithoutWord = true;
  readonly #home: DialectHome;
  readonly #firmware: Firmware;
  readonly #presence: boolean;
  readonly #listening: ReadonlySet<ServicePurpose>;
  readonly #log: SentLog;
  /** What waits for a command as its answer, and since when. */
  #asked: { readonly cause: Packet; readonly at: number } | undefined;

  constructor(home: DialectHome, listening: ReadonlySet<ServicePurpose>, log: SentLog) {
    const kind = firmwareOf(home.dialect);
    this.id = home.device.id;
    this.#home = home;
    this.#firmware = kind.make(home);
    this.#presence = kind.presence === true;
    this.subscriptions = this.#firmware.subscriptions;
    this.#listening = listening;
    this.#log = log;
  }

  /** As its owner has set it up: the device's id and token as user name and password, everything else as it was made. */
  get login(): IClientOptions {
    const { topic, payload, qos, retain } = this.#firmware.will;
    const will = { topic, payload: Buffer.from(payload), qos, retain };
    return { clientId: this.#firmware.clientId, username: this.id, password: this.#home.token, will };
  }

  get canaries(): readonly Canary[] {
    const { device, children, token } = this.#home;
    const devices = [device, ...children].flatMap(({ id, alias }): Canary[] => [
      { kind: "device-id", value: id },
      { kind: "alias", value: alias },
    ]);
    return [{ kind: "token", value: token }, ...devices, ...this.#firmware.canaries];
  }

  /** The gateway says so itself, where the credential asks for it. */
  connected(): void {
    if (this.#presence) this.#byGateway(true).read = true;
  }

  start(): readonly Outgoing[] {
    return this.#firmware.start().map((publication) => this.#outgoing(publication));
  }

  next(): Outgoing {
    return this.#outgoing(this.#firmware.next());
  }

  told(topic: string, payload: string): readonly Outgoing[] {
    const { loops } = this.#log;
    loops.commands += 1;
    const asked = this.#asked;
    const said = this.#firmware.told?.(topic, payload) ?? [];
    const [done] = said;
    if (done !== undefined) loops.carriedOut += 1;
    if (asked !== undefined && done !== undefined) {
      const { cause, at } = asked;
      const [ms, { household }] = [performance.now() - at, this.#home];
      loops.switchings.push({ household, cause, command: { topic, payload }, done, ms });
      loops.open -= 1;
      this.#asked = undefined;
    }
    return said.map((publication) => this.#outgoing(publication));
  }

  /** Its connection has ended without a word, and its will is told; whether it is gone, once a minute at most. */
  vanished(): void {
    // There is no one to acknowledge it to.
    this.#logged({ ...this.#firmware.will, qos: 0 }).read = true;
    if (this.#presence) this.#byGateway(false);
  }

  #outgoing(publication: Publication): Outgoing {
    const { topic, payload, retain, canaries = [] } = publication;
    if (publication.needsAnswer === true) {
      if (this.#asked === undefined) this.#log.loops.open += 1;
      this.#asked = { cause: { topic, payload }, at: performance.now() };
    }
    return { message: this.#logged(publication), retain, canaries };
  }

  #logged({ topic, payload, qos, fate }: Publication): SentMessage {
    const [part = "status"] = fate.kind === "taken" ? fate.parts : [];
    const row = fate.kind === "taken" && fate.kept !== undefined ? rowText(fate.kept) : undefined;
    const device = fate.kind === "taken" ? fate.device : (fate.behind ?? this.#home.device);
    const message: SentMessage = {
      ...this.#common(device, row),
      part,
      qos,
      topic,
      payload,
      expectation: this.#expectation(fate),
    };
    this.#log.add(message);
    return message;
  }

  #byGateway(online: boolean): SentMessage {
    const { device, household } = this.#home;
    const common = this.#common(device, rowText({ online }));
    const message: SentMessage = {
      ...common,
      part: "status",
      qos: 0,
      topic: "",
      payload: "",
      expectation: expectationOfAll(household, ["status"], this.#listening),
      spoken: { ...common.spoken, byGateway: true },
    };
    this.#log.add(message);
    return message;
  }

  #common({ id, owner = this.#home.household }: DialectDevice, row: string | undefined) {
    const { dialect } = this.#home;
    return {
      seq: this.#log.nextSeq(),
      standing: owner.standing,
      traceable: false,
      sentAt: Date.now(),
      spoken: { dialect, device: id, row },
    };
  }

  #expectation(fate: Fate): Expectation {
    const { household } = this.#home;
    if (fate.kind === "left-out") {
      const { behind, reasons } = fate;
      // No device is bound, so none is registered behind the hub either.
      if (behind !== undefined && household.standing === "unbound")
        return { kind: "refused", reason: "unknown-device" };
      const [only, ...more] = reasons;
      return only !== undefined && more.length === 0
        ? { kind: "refused", reason: only }
        : { kind: "left-out", reasons };
    }
    const expectation = expectationOfAll(fate.device.owner ?? household, fate.parts, this.#listening);
    const nothingLeft = fate.kept !== undefined && Object.keys(fate.kept).length === 0;
    if (!nothingLeft || expectation.kind === "refused") return expectation;
    const reasons = expectation.kind === "either" ? expectation.reasons : [];
    return { kind: "left-out", reasons: [...reasons, "not-taken"] };
  }
}
