/** `SERVICE_MISSING`: not installed, and could not be installed. `SERVICE_FAILED`: it did not start, or its folder is in use. */
export class PrivateServerError extends Error {
  readonly code: "SERVICE_MISSING" | "SERVICE_FAILED";

  constructor(code: PrivateServerError["code"], detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = "PrivateServerError";
    this.code = code;
  }
}
