// @ts-check
/** Charts of the last hour: drawn by uPlot, said in words below, and readable as a table. */
import { el, fill } from "../shared/dom.js";
import { time } from "../shared/format.js";
import { table } from "./parts.js";
import { highest, stacked, stretches, withGaps } from "./series.js";

/** @typedef {import("./series.js").Line} Line */
/** @typedef {import("./series.js").Column} Column */
/** @typedef {{ readonly default: typeof import("uplot") }} Plotter */
/** @typedef {import("uplot")} Plot */

const HEIGHT = 190;
/** A gateway that has just started has little to show: it is not stretched. */
const LEAST_S = 180;
const TABLE_MINUTES = 5;
const COLOURS = 6;
/** How lines are told apart by those who see no colours. */
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4], [1, 5], [14, 4]];
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** @type {Promise<typeof import("uplot")> | undefined} */
let plotter;

/** Comes after the page has been painted. */
function uplot() {
  const file = "../vendor/uPlot.esm.js";
  plotter ??= import(file).then((/** @type {any} */ module) => module.default);
  plotter.catch(() => {
    plotter = undefined;
  });
  return plotter;
}

/**
 * @typedef {object} Look
 * @property {string} title
 * @property {(value: number | null) => string} say One value, with its unit.
 * @property {(value: number) => string} axis The same, short.
 * @property {boolean} [areas] Lines on top of each other instead of beside.
 */

export class Chart {
  /** @type {Plot | undefined} */
  #plot;
  /** @type {{ at: readonly number[], lines: readonly Line[], everyMs: number } | undefined} */
  #data;
  #shape = "";
  #place = el("div", { class: "plot", "aria-hidden": "true" });
  #legend = el("ul", { class: "legend" });
  #said = el("figcaption", {});
  #rows = el("div", {});
  #more = el("details", { ontoggle: () => this.#tabulate() }, el("summary", {}, "As a table"), this.#rows);
  #watch = new ResizeObserver(() => this.#resize());
  #recolour = () => this.#draw(true);

  /** @param {Look} look */
  constructor(look) {
    this.look = look;
    this.element = el("figure", { class: "chart" }, this.#legend, this.#place, this.#said, this.#more);
    this.#watch.observe(this.#place);
    DARK.addEventListener("change", this.#recolour);
  }

  stop() {
    this.#watch.disconnect();
    DARK.removeEventListener("change", this.#recolour);
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /** @param {readonly number[]} at @param {readonly Line[]} lines @param {number} everyMs */
  show(at, lines, everyMs) {
    this.#data = { at, lines, everyMs };
    this.#legends(at.length - 1);
    this.#say();
    this.#tabulate();
    void this.#draw(false);
  }

  async #draw(again = false) {
    const U = await uplot().catch(() => undefined);
    if (U === undefined || this.#data === undefined || this.#place.clientWidth === 0) return;
    const { at, lines, everyMs } = this.#data;
    const values = this.look.areas ? stacked(lines).toReversed() : lines.map((line) => line.values);
    const { at: times, columns } = withGaps(at, values, everyMs);
    const data = /** @type {import("uplot").AlignedData} */ ([times.map((ms) => ms / 1_000), ...columns]);
    const shape = lines.map(({ name }) => name).join();
    if (this.#plot !== undefined && !again && shape === this.#shape) return this.#plot.setData(data);
    this.#plot?.destroy();
    this.#shape = shape;
    this.#plot = new U(this.#options(lines), data, this.#place);
  }

  /** @param {readonly Line[]} lines @returns {import("uplot").Options} */
  #options(lines) {
    const style = getComputedStyle(this.#place);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      font: `12px ${style.fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const order = lines.map((_line, index) => index);
    const drawn = this.look.areas ? order.toReversed() : order;
    return {
      width: this.#place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { range: (_plot, first, last) => [Math.min(first, last - LEAST_S), last] },
        y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: (_plot, splits) => splits.map((second) => time(second * 1_000)) },
        { ...axis, size: 58, space: 30, values: (_plot, splits) => splits.map((value) => this.look.axis(value)) },
      ],
      series: [
        {},
        ...drawn.map((index) => {
          const stroke = colour(`--line-${(index % COLOURS) + 1}`);
          const look = { stroke, width: 2, points: { show: false } };
          if (this.look.areas) return { ...look, width: 1, fill: stroke };
          return { ...look, dash: DASHES[index % DASHES.length] ?? [] };
        }),
      ],
      hooks: { setCursor: [({ cursor: { idx } }) => this.#legends(this.#nearest(idx))] },
    };
  }

  /** Of the sample under the pointer; without one the newest. @param {number | null | undefined} index */
  #nearest(index) {
    const { at = [] } = this.#data ?? {};
    const second = typeof index === "number" ? this.#plot?.data[0][index] : undefined;
    const found = second === undefined ? -1 : at.indexOf(Math.round(second * 1_000));
    return found < 0 ? at.length - 1 : found;
  }

  /** @param {number} index */
  #legends(index) {
    const { at = [], lines = [] } = this.#data ?? {};
    const newest = index === at.length - 1;
    const when = at[index];
    fill(
      this.#legend,
      ...lines.map(({ name, values }, line) =>
        el(
          "li",
          { class: `swatch swatch-${(line % COLOURS) + 1}` },
          `${name} `,
          el("strong", {}, this.look.say(values[index] ?? null)),
        ),
      ),
      when !== undefined && el("li", { class: "when" }, newest ? "now" : `at ${time(when, true)}`),
    );
  }

  #say() {
    const { at = [], lines = [] } = this.#data ?? {};
    const said = lines.flatMap(({ name, values }) => {
      const peak = highest(at, values);
      return peak === undefined || peak.value === 0 ? [] : `${name} ${this.look.say(peak.value)} at ${time(peak.at)}`;
    });
    const text = said.length === 0 ? "Nothing in the last hour." : `Highest in the last hour: ${said.join("; ")}.`;
    if (this.#said.textContent !== text) this.#said.textContent = text;
  }

  #tabulate() {
    if (!this.#more.open || this.#data === undefined) return;
    const { at, lines } = this.#data;
    const rows = stretches(at, lines, TABLE_MINUTES).map(({ from, values }) => [
      time(from),
      ...values.map((value) => this.look.say(value)),
    ]);
    const caption = `${this.look.title}, means of ${TABLE_MINUTES} minutes`;
    fill(this.#rows, table(caption, ["From", ...lines.map(({ name }) => `#${name}`)], rows));
  }

  #resize() {
    const width = this.#place.clientWidth;
    if (this.#plot === undefined) void this.#draw();
    else if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }
}
