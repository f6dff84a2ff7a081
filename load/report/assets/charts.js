// Draws the charts that the page's data describes. It computes nothing: every number comes from the measurement.
const charts = JSON.parse(document.getElementById("chart-data").textContent);
const drawn = new Map();
// Round numbers of seconds, minutes and hours.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
// Orders, shoppers and tasks are whole.
const WHOLE = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
// On a logarithmic axis: so that a minute is called one.
const MOMENTS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36000];
const AXIS = 54;
// uPlot multiplies the first whole number of a font by the pixel ratio: whole pixels only.
const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif";
const scaledFont = (weight) => `${weight} ${FONT.replace("12px", `${12 * devicePixelRatio}px`)}`;

const axis = (extra) => ({
  stroke: color("soft"),
  grid: { stroke: color("grid"), width: 1 },
  ticks: { show: false },
  font: FONT,
  ...extra,
});

// What is shown is what was asked for: uPlot would round a logarithmic axis to whole decades.
const xScale = (spec) => ({ time: false, distr: spec.x_log ? 3 : 1, range: (_u, low, high) => [low, high] });

const yScale = (spec) => {
  if (spec.log) {
    const least = (low) => spec.y_min ?? 10 ** Math.floor(Math.log10(Math.max(low ?? 0.01, 1e-4)));
    return { distr: 3, range: (_u, low, high) => [least(low), (spec.y_max ?? high ?? 1) * 1.3] };
  }
  const top = (high) => (spec.unit === "%" ? 103 : Math.max((spec.y_max ?? high ?? 1) * 1.14, 1e-9));
  return { range: (_u, _low, high) => [spec.y_min ?? 0, top(high)] };
};

const within = ({ min, max }) => MOMENTS.filter((moment) => moment >= min && moment <= max);

const xAxis = (spec) => {
  const shown = (tick) => (tick == null ? "" : spec.x_unit !== "s" ? short(tick) : spec.x_log ? duration(tick) : clock(tick));
  const incrs = spec.x_unit !== "s" ? {} : spec.x_log ? { splits: (u) => within(u.scales.x) } : { incrs: STEPS };
  return axis({ size: 28, gap: 5, space: 64, values: (_u, ticks) => ticks.map(shown), ...incrs });
};

const yAxis = (spec) => {
  const format = FORMATS[spec.unit];
  const steps = { "": WHOLE, s: [0.05, 0.1, 0.2, 0.5, ...STEPS] }[spec.unit];
  const shown = (tick) => (tick == null ? "" : format(tick));
  const decades = (_u, ticks) => ticks.map((tick) => (Number.isInteger(+Math.log10(tick).toFixed(6)) ? tick : null));
  return axis({
    ...(spec.log && spec.unit === "s" ? { splits: (u) => within(u.scales.y) } : spec.log ? { grid: { stroke: color("grid"), width: 1, filter: decades } } : {}),
    size: AXIS, gap: 5, space: 34, values: (_u, ticks) => ticks.map(shown), ...(steps && !spec.log ? { incrs: steps } : {}),
  });
};

const lineOptions = (spec, line) => ({
  label: line.label,
  stroke: color(line.color),
  width: line.width,
  dash: line.dash ? [5, 4] : undefined,
  fill: line.fill ? faded(color(line.color), 0.14) : undefined,
  points: { show: spec.x.length < 3, size: 9, fill: color(line.color) },
  paths: line.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
  // A dashed line joins two moments over all those between; on a logarithmic axis a zero is a gap that must not show.
  spanGaps: spec.log || line.dash,
  value: (_u, value) => FORMATS[spec.unit](value),
});

// What the curves are worth where the cursor is, on the other side of the plot.
const readout = (u) => {
  u.root.classList.toggle("live", u.cursor.idx != null && u.cursor.left >= 0);
  u.root.classList.toggle("aside", u.cursor.left < u.bbox.width / devicePixelRatio / 2);
};

const readAlong = (spec, u, event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const shown = spec.x.flatMap((x, index) => (x >= u.scales.x.min && x <= u.scales.x.max ? [index] : []));
  const at = u.root.classList.contains("live") ? u.cursor.idx + step : step > 0 ? shown[0] : shown.at(-1);
  const index = Math.max(shown[0], Math.min(shown.at(-1), at));
  u.setCursor({ left: u.valToPos(spec.x[index], "x"), top: 10 });
};

const options = (spec, width, right) => ({
  width,
  height: spec.height,
  padding: [12, right, 0, 0],
  scales: { x: xScale(spec), y: yScale(spec) },
  axes: [xAxis(spec), yAxis(spec)],
  series: [
    { label: spec.x_label, value: (_u, value) => (value == null ? "–" : spec.x_unit === "s" ? clock(value) : number(value)) },
    ...spec.lines.map((line) => lineOptions(spec, line)),
  ],
  bands: spec.between.map(([upper, lower]) => ({ series: [upper + 1, lower + 1], fill: faded(color("backlog"), 0.16) })),
  cursor: { sync: { key: spec.group, setSeries: false }, points: { size: 7 }, drag: { x: true, y: false }, y: false,
    bind: { dblclick: (u) => () => u.setScale("x", wholeView(spec)) },
  },
  legend: { live: true },
  hooks: {
    drawClear: [phases(spec)],
    draw: [annotations(spec)],
    setScale: [(u, key) => key === "x" && showZoom(spec, u)],
    setCursor: [readout],
  },
});

// Paper has its own widths, and is not laid out yet when its charts must be drawn: two in a row, or one with long names,
// or one that would be alone in its row.
const PAPER = { whole: 660, half: 310 };
const LONG_NAME = 110;
let onPaper = false;
const isLarge = (card) => {
  const named = charts.find((spec) => card.querySelector(`#chart-${spec.id}`)).lines.filter((line) => !line.unnamed);
  return named.length > 4 || named.some((line) => textWidth(nameOf(line)) > LONG_NAME);
};

const withOwnRow = (cards) => {
  const found = new Set();
  let waiting = null; // for a second one in its row
  for (const card of cards) {
    const large = isLarge(card);
    if (large) found.add(card);
    if (large && waiting) found.add(waiting);
    waiting = large || waiting ? null : card;
  }
  return waiting ? found.add(waiting) : found;
};

const widthOf = (host) => {
  if (!onPaper) return host.clientWidth || 320;
  if (host.closest(".column")) return PAPER.half;
  const card = host.closest(".card");
  const row = card.closest(".charts");
  const isWhole = !row || withOwnRow(row.children).has(card);
  card.classList.toggle("whole", isWhole);
  return isWhole ? PAPER.whole : PAPER.half;
};

const draw = (spec) => {
  const host = document.getElementById(`chart-${spec.id}`);
  if (!host) return;
  const before = drawn.get(spec.id);
  const view = before && isZoomed(spec, before) ? { min: before.scales.x.min, max: before.scales.x.max } : null;
  before?.destroy();
  host.textContent = "";
  const width = widthOf(host);
  const data = [spec.x, ...spec.lines.map((line) => line.values)];
  const plot = new uPlot(options(spec, width, labelSpace(spec, width)), data, host);
  plot.setScale("x", view ?? (spec.x_view ? { min: spec.x_view[0], max: spec.x_view[1] } : wholeView(spec)));
  // The plot is an image with a sentence, and its readout follows the arrow keys as it follows the pointer.
  const canvas = plot.root.querySelector(".u-wrap");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", spec.alt);
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => { readAlong(spec, plot, event); zoomByKey(spec, plot, event); });
  canvas.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }));
  followFingers(spec, plot);
  drawn.set(spec.id, plot);
};
const drawAll = () => charts.forEach(draw);

let waiting = 0;
const resized = new ResizeObserver(() => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    for (const spec of charts) {
      const plot = drawn.get(spec.id);
      const width = document.getElementById(`chart-${spec.id}`)?.clientWidth;
      if (plot && width && !onPaper && Math.abs(width - plot.width) > 1) draw(spec);
    }
  });
});
