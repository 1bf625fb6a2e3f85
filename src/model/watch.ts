/** Wraps one attempt of a pass. */
export type Watch = <T>(attempt: () => Promise<T>) => Promise<T>;
