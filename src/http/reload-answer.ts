/** What became of reading the configuration again: options by name, or what would have to be put right first. */
import type { FastifyReply } from "fastify";
import type { Reloaded } from "../model/reload.ts";
import { refuse } from "./problems.ts";

const MOST_ERRORS = 100;

export function reloadedOr(reply: FastifyReply, { refused, ...reloaded }: Reloaded): FastifyReply {
  if (refused === undefined) return reply.code(200).send(reloaded);
  const errors = refused.slice(0, MOST_ERRORS).map(({ option, reason, place }) => ({
    path: option,
    code: place === undefined ? reason : `${reason} ${place}`,
  }));
  return refuse(reply, "config-invalid", errors);
}
