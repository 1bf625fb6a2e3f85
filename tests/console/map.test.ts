/** The flat map: whatever crosses the edge of the world is whole on both sides, and no one looks beyond it. */
import { expect, it } from "vitest";
import { pageModule } from "../fixtures/page-module.ts";

interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
const { frameOf, WORLD, worldPath } = await pageModule<{
  WORLD: Frame;
  frameOf(frame: Frame, change: { by?: number; x?: number; y?: number }): Frame;
  worldPath(points: readonly (readonly [number, number])[]): string;
}>("console/projection.js");

it("draws a ring once, and one that crosses 180° at both edges", () => {
  expect(
    worldPath([
      [0, 1],
      [1.234, 0],
      [0, -1],
    ]),
  ).toBe("M0 -1L1.23 0L0 1Z");
  expect(
    worldPath([
      [179, 0],
      [-179, 0],
      [-179, 1],
    ]),
  ).toBe("M179 0L181 0L181 -1ZM-181 0L-179 0L-179 -1Z");
});

it("goes nearer to the middle and never beyond the world", () => {
  const near = frameOf(WORLD, { by: 0.5 });
  expect(near).toEqual({ x: -90, y: -48, width: 180, height: 72 });
  expect(frameOf(near, { by: 100 })).toEqual(WORLD);
  let east = near;
  for (let step = 0; step < 20; step += 1) east = frameOf(east, { x: 1, y: 1 });
  expect(east).toEqual({ x: 0, y: -12, width: 180, height: 72 });
  expect(frameOf(east, { by: 1e-9 }).width).toBe(12);
});
