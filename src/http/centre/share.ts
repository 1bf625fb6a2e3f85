/**
 * What the privacy centre may have in progress: at most a part of what the gateway can hold open, so that rights
 * and health are answered however busy the centre is; one person may use only a small part of that.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { SubjectTag } from "../../model/ids.ts";
import { refuse } from "../problems.ts";

/** Two pages with a live view and a download each, and what such pages ask for at a time. */
const MAX_PER_PERSON = 16;

/** Every request to this scope that has arrived as a whole: beyond `max` at a time it is answered 503 at once. */
export function shareOfAll(scope: FastifyInstance, max: number): void {
  let underWay = 0;
  scope.addHook("preHandler", async (_request, reply) => {
    if (underWay >= max) return refuse(reply, "centre-busy");
    underWay += 1;
    onceOver(reply, () => {
      underWay -= 1;
    });
  });
}

/** The same for each person, over all of their sessions. */
export function shareOfOne(scope: FastifyInstance, personOf: (request: FastifyRequest) => SubjectTag): void {
  const underWay = new Map<SubjectTag, number>();
  scope.addHook("onRequest", async (request, reply) => {
    const person = personOf(request);
    const count = underWay.get(person) ?? 0;
    if (count >= MAX_PER_PERSON) return refuse(reply, "too-many-at-once");
    underWay.set(person, count + 1);
    onceOver(reply, () => {
      const left = (underWay.get(person) ?? 1) - 1;
      if (left > 0) underWay.set(person, left);
      else underWay.delete(person);
    });
  });
}

/** Once the whole answer was handed over, or its connection is gone. */
function onceOver({ raw }: FastifyReply, over: () => void): void {
  if (raw.destroyed) over();
  else raw.once("close", over);
}
