/** What becomes of a request that came under an Idempotency-Key. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type BegunAnswer =
  | {
      readonly state: "new";
      /** For an act that was done: the same again is answered with this. */
      keep(answer: KeptAnswer): Promise<void>;
      /** Nothing was done: the key is free for another try. */
      release(): Promise<void>;
    }
  | { readonly state: "answered"; readonly answer: KeptAnswer }
  /** The same request is still being worked on. */
  | { readonly state: "in-use" }
  /** Another request came under this key before. */
  | { readonly state: "reused" };
