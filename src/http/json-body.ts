/**
 * How a JSON body is read: as UTF-8, without keys such as `__proto__`, and without a key that occurs twice. RFC 8259, 4: of two
 * values for one key some readers take the first and others the last; a record of consent must not depend on that.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { namesKeyTwice } from "../model/json.ts";

/** Takes the place of Fastify's own parser in this scope; `asSent` is given the bytes as they came. */
export function takeJson(scope: FastifyInstance, asSent?: (request: FastifyRequest, body: Buffer) => void): void {
  const parse = scope.getDefaultJsonParser("error", "error");
  scope.removeContentTypeParser("application/json");
  scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    asSent?.(request, body);
    const text = body.toString("utf8");
    parse(request, text, (error, value) => {
      if (error !== null) done(error);
      else if (namesKeyTwice(text, value)) done(new SyntaxError("a key is named twice"));
      else done(null, value);
    });
  });
}
