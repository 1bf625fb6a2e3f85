/** An outlet says when it may come to hear more than it did: anyone who asked it before has to ask again. */
import { expect, it } from "vitest";
import { MODEL, STATUS } from "../../model/consent.ts";
import type { Entitlement } from "../../model/service.ts";
import type { ServiceConnection } from "./connection.ts";
import type { Outbox } from "./outbox.ts";
import { Outlet } from "./subscriber.ts";

const recipient = { index: 0, name: "lights", purpose: "scene", region: "IN", contract: undefined } as const;
const narrow: Entitlement = { recipient, categories: STATUS };
const session = (id: string) => ({ id, form: (packet: Buffer) => packet }) as unknown as ServiceConnection;
const outbox = { add: () => true } as unknown as Outbox;

it("counts what it begins to listen to, shared or not, and nothing that it stops", () => {
  const outlet = new Outlet(narrow, new Set(), () => undefined);
  const one = session("one");
  outlet.listen(one, outbox, "processed/scene/a", { name: "a" });
  const alone = outlet.changes;
  expect(outlet.hears("b")).toBe(false);
  outlet.listen(one, outbox, "$share/g/processed/scene/b", { name: "b", group: "g" });
  const shared = outlet.changes;
  expect([outlet.hears("b"), shared > alone]).toEqual([true, true]);
  outlet.stop(one, "$share/g/processed/scene/b", { name: "b", group: "g" });
  outlet.stop(one, "processed/scene/a", { name: "a" });
  outlet.closed(one);
  expect([outlet.hears("b"), outlet.hears("a"), outlet.changes]).toEqual([false, false, shared]);
});

it("counts when it may be given something else, and not when it is told the same", () => {
  const outlet = new Outlet(narrow, new Set(), () => undefined);
  const before = outlet.changes;
  outlet.entitle({ ...narrow });
  expect(outlet.changes).toBe(before);
  outlet.entitle({ recipient, categories: STATUS | MODEL });
  const wider = outlet.changes;
  expect([outlet.categories, wider > before]).toEqual([STATUS | MODEL, true]);
  outlet.entitle({ recipient: { ...recipient, index: 1, region: "DE" }, categories: STATUS | MODEL });
  expect([outlet.recipient.index, outlet.changes > wider]).toEqual([1, true]);
});
