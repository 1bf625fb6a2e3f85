/**
 * How a JSON body is read: as UTF-8, without keys such as `__proto__`, and without a key that occurs twice. RFC 8259, 4: of two
 * values for one key some readers take the first and others the last; a record of consent must not depend on that. No coding is
 * taken (`Content-Encoding`): what a body unpacks to has no bound that its length would show.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { namesKeyTwice } from "../model/json.ts";

/** The body came compressed, or otherwise coded. */
export class UnsupportedCoding extends Error {}

/** Takes the place of Fastify's own parser in this scope; `asSent` is given the bytes as they came. */
export function takeJson(scope: FastifyInstance, asSent?: (request: FastifyRequest, body: Buffer) => void): void {
  const parse = scope.getDefaultJsonParser("error", "error");
  scope.removeContentTypeParser("application/json");
  scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (isCoded(request)) return done(new UnsupportedCoding());
    // Some clients send the type with every request, also where there is nothing to send.
    if (body.length === 0 && needsNone(request)) return done(null, undefined);
    asSent?.(request, body);
    const text = body.toString("utf8");
    parse(request, text, (error, value) => {
      if (error !== null) done(error);
      else if (namesKeyTwice(text, value)) done(new SyntaxError("a key is named twice"));
      else done(null, value);
    });
  });
}

function isCoded({ headers }: FastifyRequest): boolean {
  const codings = (headers["content-encoding"] ?? "").split(",").map((coding) => coding.trim().toLowerCase());
  return codings.some((coding) => coding !== "" && coding !== "identity");
}

function needsNone({ routeOptions }: FastifyRequest): boolean {
  const body = routeOptions.schema?.body;
  return !(body instanceof z.ZodType) || body.safeParse(undefined).success;
}
