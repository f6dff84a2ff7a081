"use strict";
// Draws the charts that the page's data describes. It computes nothing: every number comes from the measurement.
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const drawn = new Map();
  const HEIGHT = 190;
  // Round numbers of seconds, minutes and hours.
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  // Orders, shoppers and tasks are whole.
  const WHOLE = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const faded = (hex, alpha) => {
    const value = parseInt(hex.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
  };

  const duration = (value) => {
    if (value == null) return "–";
    if (value === 0) return "0 s";
    if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
    if (value < 60) return `${+value.toPrecision(3)} s`;
    if (value < 3600) return `${+(value / 60).toPrecision(3)} min`;
    return `${+(value / 3600).toPrecision(3)} h`;
  };
  const number = (value) => (value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 }));
  const short = (value) => value.toLocaleString("en", { notation: "compact" });
  const money = (value) => (value == null ? "–" : `$${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : 0 })}`);
  const FORMATS = { s: duration, "/s": (value) => (value == null ? "–" : `${number(value)}/s`), "": number, $: money };
  const clock = (value) => (value < 120 ? `${Math.round(value)} s` : duration(value));

  // Phase bands behind the curves.
  const bands = (spec) => (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    spec.bands.forEach((band, index) => {
      const from = u.valToPos(band.start, "x", true);
      const to = u.valToPos(band.end, "x", true);
      if ((spec.bands.length - index) % 2 === 1) {
        ctx.fillStyle = color("band");
        ctx.fillRect(from, top, to - from, height);
      }
      ctx.strokeStyle = color("band-line");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(to, top);
      ctx.lineTo(to, top + height);
      ctx.stroke();
      ctx.setLineDash([]);
    });
    ctx.restore();
  };

  // Their names, over the grid and on a ground of their own, so that no line crosses them.
  const names = (spec) => (u) => {
    const { ctx } = u;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * scale}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    for (const band of spec.bands) {
      const from = u.valToPos(band.start, "x", true);
      const width = ctx.measureText(band.name).width;
      if (u.valToPos(band.end, "x", true) - from <= width) continue;
      ctx.fillStyle = color("card");
      ctx.fillRect(from + 3 * scale, u.bbox.top + 2 * scale, width + 4 * scale, 14 * scale);
      ctx.fillStyle = color("soft");
      ctx.fillText(band.name, from + 5 * scale, u.bbox.top + 3 * scale);
    }
    ctx.restore();
  };

  const axis = (extra) => ({
    stroke: color("soft"),
    grid: { stroke: color("grid"), width: 1 },
    ticks: { show: false },
    font: "11.5px system-ui, sans-serif",
    ...extra,
  });

  const options = (spec, width) => {
    const format = FORMATS[spec.unit];
    const compact = spec.unit === "s" ? duration : spec.unit === "$" ? money : number;
    const x = spec.x_log ? { time: false, distr: 3, range: [spec.x[0], spec.x_max] } : { time: false, range: [0, spec.x_max] };
    return {
      width,
      height: HEIGHT,
      padding: [8, 18, 0, 0],
      scales: {
        x,
        y: spec.log
          ? { distr: 3, range: (_u, low, high) => [spec.y_min ?? 10 ** Math.floor(Math.log10(Math.max(low ?? 0.01, 1e-4))), (spec.y_max ?? high ?? 1) * 1.3] }
          : { range: (_u, _low, high) => [0, Math.max((spec.y_max ?? high ?? 1) * 1.12, 1e-9)] },
      },
      axes: [
        axis({ size: 26, gap: 4, space: 60, values: (_u, ticks) => ticks.map((tick) => (tick == null ? "" : spec.x_log ? short(tick) : clock(tick))), ...(spec.x_log ? {} : { incrs: STEPS }) }),
        axis({ size: 56, gap: 4, space: 34, ...(spec.unit === "" && !spec.log ? { incrs: WHOLE } : {}), ...(spec.unit === "s" && !spec.log ? { incrs: [0.05, 0.1, 0.2, 0.5, ...STEPS] } : {}), values: (_u, ticks) => ticks.map((tick) => (tick == null ? "" : compact(tick))) }),
      ],
      series: [
        { label: spec.x_label, value: (_u, value) => (value == null ? "–" : spec.x_log ? number(value) : clock(value)) },
        ...spec.lines.map((line) => ({
          label: line.label,
          stroke: color(line.color),
          width: line.width,
          dash: line.dash ? [5, 4] : undefined,
          fill: line.fill ? faded(color(line.color), 0.14) : undefined,
          points: { show: line.points || spec.x.length < 3, size: 10, fill: color(line.color) },
          paths: line.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          spanGaps: spec.log,
          value: (_u, value) => format(value),
        })),
      ],
      cursor: { sync: { key: spec.group, setSeries: false }, points: { size: 7 }, drag: { x: false, y: false } },
      legend: { live: true },
      hooks: { drawClear: [bands(spec)], drawAxes: [names(spec)] },
    };
  };

  const draw = (spec) => {
    const host = document.getElementById(`chart-${spec.id}`);
    if (!host) return;
    drawn.get(spec.id)?.destroy();
    host.textContent = "";
    const plot = new uPlot(options(spec, host.clientWidth || 320), [spec.x, ...spec.lines.map((line) => line.values)], host);
    // The plot is an image with a sentence; its legend stays readable text.
    const canvas = plot.root.querySelector(".u-wrap");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", spec.alt);
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
        if (plot && width && Math.abs(width - plot.width) > 1) plot.setSize({ width, height: HEIGHT });
      }
    });
  });

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.querySelector("button.theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
    drawAll();
  });
  dark.addEventListener("change", () => { label(); drawAll(); });

  // Paper is white, whatever the screen shows.
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    document.querySelectorAll("details").forEach((one) => (one.open = true));
    drawAll();
  });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    drawAll();
  });

  label();
  drawAll();
  document.querySelectorAll(".chart").forEach((host) => resized.observe(host));
  root.dataset.charts = String(drawn.size);
})();
