/** What became of a command is heard by the connections of the service that sent it, as they asked for it, and by no others. */
import { expect, it } from "vitest";
import type { ServicePurpose } from "../../model/purposes.ts";
import { CommandOutcomes } from "./command-outcomes.ts";
import type { ServiceConnection } from "./connection.ts";
import { serviceFilter } from "./topics.ts";

const A = "a".repeat(22);
const B = "b".repeat(22);

function connection(name: string, heard: string[], purposes: readonly ServicePurpose[] = ["scene"]): ServiceConnection {
  return {
    name,
    purposes: new Set(purposes),
    client: { closed: false },
    send: (topic: string, payload: string, qos: 0 | 1) => heard.push(`${name} ${topic} ${payload} ${qos}`),
  } as unknown as ServiceConnection;
}

function subscribe(outcomes: CommandOutcomes, session: ServiceConnection, text: string, qos = 0): void {
  const filter = serviceFilter(text);
  if (filter?.kind !== "outcome") throw new Error("no such filter");
  outcomes.subscribe(session, text, filter, qos);
}

it("reaches each connection of the service once, with the highest QoS that it asked for", () => {
  const outcomes = new CommandOutcomes();
  const heard: string[] = [];
  const [one, two, other] = [connection("one", heard), connection("one", heard), connection("other", heard)];
  subscribe(outcomes, one, "commands/+/+/outcome");
  subscribe(outcomes, one, `commands/${A}/+/outcome`, 2);
  subscribe(outcomes, two, `commands/${B}/+/outcome`);
  subscribe(outcomes, two, "commands/+/cover/outcome");
  subscribe(outcomes, other, "commands/+/+/outcome");
  outcomes.tell("one", { pseudonym: A, name: "power" }, "delivered", "c-1");
  expect(heard.splice(0)).toEqual([`one commands/${A}/power/outcome {"outcome":"delivered","correlation":"c-1"} 1`]);
  outcomes.tell("one", { pseudonym: B, name: "cover" }, "invalid", undefined);
  expect(heard.splice(0)).toEqual([
    `one commands/${B}/cover/outcome {"outcome":"invalid"} 0`,
    `one commands/${B}/cover/outcome {"outcome":"invalid"} 0`,
  ]);
  outcomes.unsubscribe(two, "commands/+/cover/outcome");
  outcomes.unsubscribe(two, `commands/${B}/+/outcome`);
  outcomes.closed(one);
  outcomes.tell("one", { pseudonym: B, name: "cover" }, "delivered", undefined);
  outcomes.tell("nobody", { pseudonym: B, name: "cover" }, "delivered", undefined);
  expect(heard).toEqual([]);
});

it("is not heard by a service that has lost the purpose", () => {
  const outcomes = new CommandOutcomes();
  const heard: string[] = [];
  const session = connection("one", heard, ["network"]);
  subscribe(outcomes, session, "commands/+/+/outcome");
  outcomes.tell("one", { pseudonym: A, name: "power" }, "delivered", undefined);
  expect(heard).toEqual([]);
});

it.each([
  "commands/#",
  "commands/+/+",
  "commands/+/outcome",
  "commands/+/#",
  "commands/+/+/+",
  "commands/short/+/outcome",
  `commands/${A}/a b/outcome`,
  "$share/group/commands/+/+/outcome",
])("%s is no such filter", (text) => expect(serviceFilter(text)?.kind).not.toBe("outcome"));
