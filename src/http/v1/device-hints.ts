/** For a person who connects a device and wonders why nothing arrives: what was refused of it, and what would become of a message. */
import { z } from "zod";
import type { Hint } from "../../model/hint.ts";
import { DROP_REASONS, REFUSAL_REASONS } from "../../model/outcome.ts";
import type { TriedMessage } from "../../model/trial.ts";
import type { Scope } from "../contract.ts";
import { devicePath } from "../fields.ts";
import type { HttpPorts } from "../ports.ts";
import { refuse } from "../problems.ts";

const LONGEST_PAYLOAD = 65_536;
const LONGEST_TOPIC = 256;

const reason = z
  .enum([...REFUSAL_REASONS, ...DROP_REASONS, "takeover"])
  .describe("A refusal, or why a part was left out; see the outcomes in docs/errors.md.");
const rule = z.number().int().positive().optional().describe("Number of the rule in the dialect of the device.");
const path = z.string().optional().describe("Where in the table of the dialect, or a property of `status`.");

const refusals = z.strictObject({
  refusals: z
    .array(z.strictObject({ at: z.number().int().describe("Unix ms."), reason, rule, path }))
    .describe("The last 20 of the last hour, the oldest first, as this gateway remembers them."),
});
const REFUSALS_EXAMPLE = {
  refusals: [{ at: 1_795_337_204_066, reason: "not-a-number", rule: 5, path: "ENERGY.Power" }],
};

const checkBody = z
  .strictObject({
    topic: z.string().min(1).max(LONGEST_TOPIC),
    payload: z.string().max(LONGEST_PAYLOAD).describe("The text that the firmware would publish."),
  })
  .meta({ examples: [{ topic: "tele/tasmota_3D5E26/SENSOR", payload: '{"ENERGY":{"Power":57.1},"Name":"x"}' }] });

const checkAnswer = z
  .strictObject({
    messages: z.array(
      z.strictObject({
        outcome: z
          .enum(["accepted", "refused", "ignored"])
          .describe("`ignored`: there is deliberately nothing of it to keep."),
        reason: reason.optional(),
        rule,
        ofChild: z.boolean().describe("It is about a device behind this one."),
        read: z
          .looseObject({})
          .optional()
          .describe("What was read out of it, before it is de-identified; counters as totals."),
      }),
    ),
    leftOut: z.array(z.strictObject({ reason, rule, path })).describe("Parts that were left out, 64 at most."),
  })
  .meta({
    examples: [
      {
        messages: [{ outcome: "accepted", ofChild: false, read: { status: { power: 57.1 } } }],
        leftOut: [{ reason: "unknown" }],
      },
    ],
  });

export function deviceHintRoutes(scope: Scope, ports: HttpPorts): void {
  scope.get(
    "/v1/devices/:device/refusals",
    {
      config: { problems: [] },
      schema: {
        operationId: "getRefusals",
        tags: ["devices"],
        summary: "Why messages of a device were refused",
        description:
          "In memory of the gateway that is asked, gone when it ends and when the device changes hands. Never a key or a value of a message. A legal hold is not shown.",
        params: devicePath,
        response: { 200: refusals.meta({ examples: [REFUSALS_EXAMPLE] }) },
      },
    },
    async (request, reply) => {
      const found = ports.refusals.of(ports.lookup.deviceKey(request.params.device));
      return reply
        .header("cache-control", "no-store")
        .send({ refusals: found.map((hint) => ({ at: hint.at, ...shown(hint) })) });
    },
  );

  scope.post(
    "/v1/devices/:device/check",
    {
      config: { audit: "keeps nothing", problems: ["behind-hub"] },
      schema: {
        operationId: "checkMessage",
        tags: ["devices"],
        summary: "What would become of a message",
        description:
          "Runs it through everything but the queue: dialect, contract, vocabulary, consent. Nothing of it is kept, counted or forwarded. A legal hold is not shown. For a device behind a hub ask about the hub.",
        params: devicePath,
        body: checkBody,
        response: { 200: checkAnswer },
      },
    },
    async (request, reply) => {
      const { device } = request.params;
      const { topic, payload } = request.body;
      const outcome = await ports.check(device, topic, Buffer.from(payload));
      if (outcome === undefined) return refuse(reply, "behind-hub");
      const { messages, leftOut } = outcome;
      return reply
        .header("cache-control", "no-store")
        .send({ messages: messages.map(messageShown), leftOut: leftOut.map(shown) });
    },
  );
}

function shown({ reason, rule, path }: Hint): Hint {
  return { reason, ...(rule !== undefined && { rule }), ...(path !== undefined && { path }) };
}

function messageShown({ refusal, rule, ofChild, read }: TriedMessage) {
  const outcome = refusal === undefined ? "accepted" : refusal === "not-taken" ? "ignored" : "refused";
  return {
    outcome: outcome as "accepted" | "refused" | "ignored",
    ...(refusal !== undefined && { reason: refusal }),
    ...(rule !== undefined && { rule }),
    ofChild,
    ...(read !== undefined && { read: { ...read } }),
  };
}
