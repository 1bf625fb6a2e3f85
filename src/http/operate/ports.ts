/** What the console needs from the rest of the gateway, beside what every route needs. */
import type { TokenUse } from "../../model/named-token.ts";
import type { Readiness } from "../../model/readiness.ts";
import type { Reloaded } from "../../model/reload.ts";
import type { FollowedDevices } from "../../observe/followed-devices.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { DeadLetterActs } from "../../operations/dead-letters.ts";
import type { HttpPorts } from "../ports.ts";
import type { Cells, DialectShown, Frame, GatewayShown, KeyAges, ServiceShown } from "./shapes.ts";

/** Where a frame comes from, beside the metrics. Whatever asks Redis throws REDIS_UNAVAILABLE. */
export interface FrameSources {
  readonly version: string;
  /** Unix ms. */
  readonly startedAt: number;
  readiness(): Readiness;
  durability(): Frame["durability"];
  redisWrites(): boolean;
  storeAvailable(): boolean;
  gateways(): GatewayShown[];
  services(): ServiceShown[];
  dialects(): DialectShown[];
  policyVersion(): number | undefined;
  /** Devices by purpose, as they were counted last. */
  coverage(): Promise<{ readonly consented: Readonly<Record<string, number>>; readonly countedAt: number } | undefined>;
  erasures(): ReturnType<HttpPorts["erasures"]["open"]>;
}

export interface ConsolePorts
  extends Pick<HttpPorts, "tokens" | "audit" | "lookup" | "refusals" | "log">,
    Omit<FrameSources, "erasures"> {
  readonly erasures: Pick<HttpPorts["erasures"], "open">;
  readonly metrics: Pick<Metrics, "figure" | "refresh" | "books" | "httpRefused">;
  readonly traces: FollowedDevices;
  /** `use`: in whose name lines are written to the audit log. */
  letters(use: TokenUse | undefined): Pick<DeadLetterActs, "list" | "replay">;
  /** Reads the configuration again. Throws REDIS_UNAVAILABLE. */
  reload(): Promise<Reloaded>;
  cells(): Promise<Cells["cells"]>;
  keyAges(): KeyAges;
}
