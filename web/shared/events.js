// @ts-check
/** Server-sent events out of an answer, so that a refusal can be told from a broken connection. */

/**
 * Until the answer ends; throws when it breaks.
 * @param {ReadableStream<Uint8Array>} body
 * @param {(kind: string, data: any) => void} heard
 * @param {() => void} [alive] Called for whatever comes.
 */
export async function follow(body, heard, alive) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive?.();
    const events = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
      if (kind !== undefined && data !== undefined) heard(kind, JSON.parse(data));
    }
  }
}
