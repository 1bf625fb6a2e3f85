/** What one of the three services does. Connections, names to forget and counting are the same for all. */
export type Purpose = "weather" | "scene" | "network";

/** True once the gateway has acknowledged it; false when it could not be sent, or was refused. Nothing is kept to be sent later. */
export type Send = (topic: string, payload: object, expiresS: number) => Promise<boolean>;

/** What a service has while it looks around, once a second. */
export interface Listening {
  readonly send: Send;
  /** Since when all connections have heard everything, Unix ms; `undefined` while one is away. */
  readonly since: number | undefined;
}

export interface Service {
  readonly purpose: Purpose;
  /** Filters beside `processed/…`, which a gateway may refuse. */
  readonly alsoHears: readonly string[];
  /** Said at the start. */
  readonly about: string;
  /** False when it could not be read. */
  heard(topic: string, payload: Buffer, send: Send): boolean;
  tick(nowMs: number, listening: Listening): void;
  /** These names are to be forgotten. */
  forget(names: readonly string[]): void;
  /** For the summary. */
  counts(): Readonly<Record<string, unknown>>;
}
