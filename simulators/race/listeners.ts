/**
 * Services subscribed to everything their purpose allows, on every gateway. Each packet is kept with the last
 * event it came certainly too late for: after an event each connection asks its gateway something, and what
 * arrives behind the answer was handed over after the event.
 */
import { SERVICE_PURPOSES, type ServicePurpose } from "../../src/model/purposes.ts";
import { type Version, versionOf } from "../../tools/wire/mqtt-wire.ts";
import type { ServiceCredential } from "../../tools/wire/service-subscriber.ts";
import { ServiceListener } from "./service-listener.ts";

export interface Heard {
  readonly purpose: ServicePurpose;
  readonly payload: Buffer;
  /** `performance.now()` when it arrived. */
  readonly at: number;
  /** It was sent after every event up to this one. */
  readonly passed: number;
  /** The latest event that this process knew of when the packet was read. */
  readonly known: number;
}

export interface ListenersOptions {
  readonly credentials: Readonly<Record<ServicePurpose, ServiceCredential>>;
  /** The latest event. */
  event(): number;
}

export class Listeners {
  readonly heard: Heard[] = [];
  /** How long it took until every connection had answered, ms. */
  readonly askedMs: number[] = [];
  readonly #options: ListenersOptions;
  readonly #listeners: Placed[] = [];

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Listens for every purpose on the gateway that has this port. */
  async start(port: () => number): Promise<void> {
    const placed = SERVICE_PURPOSES.map((purpose, index) => this.#place(port, purpose, versionOf(index)));
    this.#listeners.push(...placed);
    await Promise.all(placed.map(({ listener }) => listener.start()));
  }

  /** To be called right after an event. Resolves once no connection has anything from before it to deliver. */
  async pass(): Promise<void> {
    const event = this.#options.event();
    const from = performance.now();
    await Promise.all(
      this.#listeners.map(async (placed) => {
        await placed.listener.ask();
        placed.passed = Math.max(placed.passed, event);
      }),
    );
    this.askedMs.push(performance.now() - from);
  }

  /** Resolves once everything that the gateways have sent so far has arrived. */
  async caughtUp(): Promise<void> {
    await Promise.all(this.#listeners.map(({ listener }) => listener.ask()));
  }

  stop(): void {
    for (const { listener } of this.#listeners) listener.stop();
  }

  #place(port: () => number, purpose: ServicePurpose, version: Version): Placed {
    const { credentials, event } = this.#options;
    const heard = (payload: Buffer) => {
      this.heard.push({ purpose, payload, at: performance.now(), passed: placed.passed, known: event() });
    };
    const credential = credentials[purpose];
    const listener = new ServiceListener({ port, credential, version, filters: [`processed/${purpose}/#`], heard });
    const placed: Placed = { listener, passed: 0 };
    return placed;
  }
}

interface Placed {
  readonly listener: ServiceListener;
  passed: number;
}
