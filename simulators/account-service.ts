/**
 * The vendor's account service, as far as the gateway ever meets it: issues device tokens, binds
 * devices to people, records and withdraws consent over HTTP.
 */
import { eachLimited } from "./concurrency.ts";
import { consentBody, type Household, type Population } from "./population.ts";

export interface AccountServiceOptions {
  /** Base URL of the gateway's HTTP interface, without a trailing slash. */
  readonly api: string;
  readonly token: string;
  /** Requests under way at once. */
  readonly concurrency: number;
  readonly timeoutMs: number;
}

const RETRY_FOR_MS = 30_000;
const RETRY_EVERY_MS = 250;

class ApiError extends Error {
  readonly status: number;

  /** `route` is the pattern, not the path: paths hold ids. */
  constructor(route: string, status: number) {
    super(`${route} answered ${status}`);
    this.name = "ApiError";
    this.status = status;
  }
}

export class AccountService {
  readonly #options: AccountServiceOptions;

  constructor(options: AccountServiceOptions) {
    this.#options = options;
  }

  /**
   * Tokens for all, bindings for all but the unbound, then consents. Homes whose consent runs out get one that
   * lasts `shortLifeMs` from when it is given; returns when the last of these has run out (Unix ms).
   */
  async provision(population: Population, shortLifeMs: number): Promise<number> {
    let expired = 0;
    await eachLimited(population.devices, this.#options.concurrency, async (device) => {
      device.token = await this.issueToken(device.id);
      if (device.household.standing !== "unbound") await this.bind(device.household.subject, device.id);
    });
    await eachLimited(population.households, this.#options.concurrency, async (household) => {
      expired = Math.max(expired, Date.now() + shortLifeMs);
      const body = consentBody(household, Date.now() + shortLifeMs);
      if (body !== undefined) await this.consent(household.subject, body);
    });
    return expired;
  }

  async issueToken(device: string): Promise<string> {
    const answer = await this.call("POST", "/v1/devices/{device}/token", [device]);
    const token = (answer as { token?: unknown }).token;
    if (typeof token !== "string") throw new ApiError("POST /v1/devices/{device}/token without a token", 201);
    return token;
  }

  async bind(subject: string, device: string): Promise<void> {
    await this.call("PUT", "/v1/subjects/{subject}/devices/{device}", [subject, device]);
  }

  async consent(subject: string, body: Record<string, unknown>): Promise<unknown> {
    return this.call("POST", "/v1/subjects/{subject}/consents", [subject], body);
  }

  /** Everything by default. Resolves once the gateway has confirmed that nothing more will be stored. */
  async withdraw(subject: string, body: Record<string, unknown> = {}): Promise<{ drained: boolean; waitedMs: number }> {
    const answer = await this.call("POST", "/v1/subjects/{subject}/withdrawals", [subject], body);
    return answer as { drained: boolean; waitedMs: number };
  }

  /** Withdraws for whole homes and notes when the gateway said so; messages sent afterwards must be refused. */
  async withdrawAll(households: readonly Household[]): Promise<void> {
    await eachLimited(households, this.#options.concurrency, async (household) => {
      household.withdrawal = { askedAt: Date.now() };
      const { waitedMs } = await this.#untilAnswered(() => this.withdraw(household.subject));
      household.withdrawal = { askedAt: household.withdrawal.askedAt, answeredAt: Date.now(), waitedMs };
    });
  }

  /** A person's withdrawal is not given up because the gateway happens to be down. */
  async #untilAnswered<T>(request: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + RETRY_FOR_MS;
    for (;;) {
      try {
        return await request();
      } catch (error) {
        const refused = error instanceof ApiError && error.status < 500;
        if (refused || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
      }
    }
  }

  async metrics(): Promise<string> {
    const response = await this.#fetch("GET", "/metrics", "/metrics", undefined);
    return response.text();
  }

  /** `route` is a pattern whose `{…}` are filled from `ids`. Throws {@link ApiError} on anything but 2xx. */
  async call(method: string, route: string, ids: readonly string[], body?: unknown): Promise<unknown> {
    let index = 0;
    const path = route.replace(/\{\w+\}/g, () => encodeURIComponent(ids[index++] ?? ""));
    const response = await this.#fetch(method, route, path, body);
    const text = await response.text();
    return text === "" ? undefined : JSON.parse(text);
  }

  async #fetch(method: string, route: string, path: string, body: unknown): Promise<Response> {
    const response = await fetch(`${this.#options.api}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(this.#options.timeoutMs),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new ApiError(`${method} ${route}`, response.status);
    }
    return response;
  }
}
