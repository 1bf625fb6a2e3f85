/** A client of the HTTP interface, as the account service of a vendor is: tokens, bindings, consents, withdrawals. */

export interface AccountServiceOptions {
  /** Base URL of the gateway's HTTP interface, without a trailing slash. */
  readonly api: string;
  readonly token: string;
  readonly timeoutMs: number;
}

class ApiError extends Error {
  readonly status: number;

  /** `route` is the pattern, not the path: paths hold ids. */
  constructor(route: string, status: number) {
    super(`${route} answered ${status}`);
    this.name = "ApiError";
    this.status = status;
  }
}

export interface Speech {
  readonly dialect: string;
  readonly alias?: string;
  readonly presence?: boolean;
}

export interface ChildOfHub {
  readonly device: string;
  readonly alias: string;
  readonly otherSubject?: boolean;
}

export class AccountService {
  readonly #options: AccountServiceOptions;

  constructor(options: AccountServiceOptions) {
    this.#options = options;
  }

  /** `speech`: the dialect of the device, what it calls itself, whether its coming and going is told. */
  async issueToken(device: string, speech?: Speech): Promise<string> {
    const answer = await this.call("POST", "/v1/devices/{device}/token", [device], speech);
    const token = (answer as { token?: unknown }).token;
    if (typeof token !== "string") throw new ApiError("POST /v1/devices/{device}/token without a token", 201);
    return token;
  }

  /** One outcome for each, in their order. */
  async registerChildren(hub: string, children: readonly ChildOfHub[]): Promise<readonly string[]> {
    const answer = await this.call("PUT", "/v1/devices/{device}/children", [hub], { children });
    return (answer as { outcomes: readonly string[] }).outcomes;
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
