// Beside each chart: back from a zoom, and the chart as a picture or as numbers.
const wholeView = (spec) => ({ min: spec.x_log ? spec.x[0] : 0, max: spec.x_max });
const isZoomed = (spec, plot) => plot.scales.x.min !== wholeView(spec).min || plot.scales.x.max !== wholeView(spec).max;

const showZoom = (spec, plot) => {
  const button = document.querySelector(`#tools-${spec.id} .whole`);
  if (button) button.hidden = !isZoomed(spec, plot);
};

const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};

const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const csv = (spec) => {
  const unit = spec.x_unit ? ` (${spec.x_unit})` : "";
  const head = [spec.x_label + unit, ...spec.lines.map((line) => line.label + (spec.unit ? ` (${spec.unit})` : ""))];
  const rows = spec.x.map((x, index) => [x, ...spec.lines.map((line) => line.values[index] ?? "")]);
  return [head, ...rows].map((row) => row.map((cell) => quoted(String(cell))).join(",")).join("\n") + "\n";
};

// The plot under its title, on the card's ground.
const picture = (spec, then) => {
  const plot = drawn.get(spec.id).ctx.canvas;
  const canvas = document.createElement("canvas");
  const scale = devicePixelRatio;
  const head = 34 * scale;
  canvas.width = plot.width;
  canvas.height = plot.height + head;
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = color("card");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.fillStyle = color("ink");
  ctx.font = scaledFont(600).replace(`${12 * scale}px`, `${14 * scale}px`);
  ctx.fillText(spec.title, 10 * scale, 22 * scale, canvas.width - 20 * scale);
  ctx.drawImage(plot, 0, head);
  canvas.toBlob(then);
};

const tool = (box, text, label, action) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", action);
  box.append(button);
  return button;
};

const addTools = (spec) => {
  const caption = document.getElementById(`chart-${spec.id}`)?.parentElement.querySelector("figcaption");
  if (!caption) return;
  const box = document.createElement("span");
  box.className = "tools";
  box.id = `tools-${spec.id}`;
  const whole = tool(box, "Show all", `Show all of: ${spec.title}`, () => drawn.get(spec.id).setScale("x", wholeView(spec)));
  whole.classList.add("whole");
  tool(box, "PNG", `Save as a picture: ${spec.title}`, () => picture(spec, (blob) => save(blob, `${spec.id}.png`)));
  tool(box, "CSV", `Save the numbers: ${spec.title}`, () => save(new Blob([csv(spec)], { type: "text/csv" }), `${spec.id}.csv`));
  caption.append(box);
  showZoom(spec, drawn.get(spec.id));
};
