// What is written into a chart: phases behind the curves, each line's name at its end, and the marks of the story.
const LABEL = 15;

const pen = (u, paint) => {
  const { ctx } = u;
  ctx.save();
  paint(ctx, devicePixelRatio);
  ctx.restore();
};

// Text on a ground of the card's own colour, so that no curve crosses it.
const write = (ctx, text, x, y, ink) => {
  ctx.textAlign = "left";
  ctx.lineJoin = "round";
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = color("card");
  ctx.strokeText(text, x, y);
  ctx.fillStyle = ink;
  ctx.fillText(text, x, y);
};

// The names of the phases that are wide enough for theirs, in pixels of the page.
const phaseNames = (spec, u) =>
  spec.bands.map((band) => {
    const from = u.valToPos(band.start, "x");
    return { text: band.name, x: from + 5, width: textWidth(band.name), room: u.valToPos(band.end, "x") - from };
  }).filter((name) => name.x >= 0 && name.width + 8 <= name.room);

const phases = (spec) => (u) => pen(u, (ctx, scale) => {
  const { left, top, width, height } = u.bbox;
  ctx.font = scaledFont(400);
  ctx.textBaseline = "top";
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
    ctx.lineWidth = scale;
    ctx.setLineDash([3 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(to, top);
    ctx.lineTo(to, top + height);
    ctx.stroke();
    ctx.setLineDash([]);
  });
  ctx.textAlign = "left";
  ctx.fillStyle = color("soft");
  phaseNames(spec, u).forEach((name) => ctx.fillText(name.text, left + name.x * scale, top + 3 * scale));
});

// Where a line ends within what is shown; a line that ends on the axis is known by its peak instead.
const anchor = (line, x, most) => {
  let last = -1;
  let peak = -1;
  line.values.forEach((value, index) => {
    if (value == null || x[index] > most) return;
    last = index;
    if (peak < 0 || value > line.values[peak]) peak = index;
  });
  if (last < 0) return null;
  const atEnd = line.values[last] > 0.08 * line.values[peak] || line.values[peak] <= 0;
  return { index: atEnd ? last : peak, atEnd };
};

const nameOf = (line) => line.at_end || line.label;

let measuring;
const textWidth = (text) => {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = `600 ${FONT}`;
  return measuring.measureText(text).width;
};

// What the longest name needs to the right of the plot, when its line ends in it that far to the right.
const labelSpace = (spec, width) => {
  const [least, most] = spec.x_view ?? [spec.x_log ? spec.x[0] : 0, spec.x_max];
  const place = (value) => (spec.x_log ? Math.log(value / least) / Math.log(most / least) : (value - least) / (most - least));
  const space = spec.lines.filter((line) => !line.unnamed).map((line) => {
    const found = anchor(line, spec.x, most);
    if (!found?.atEnd) return 0;
    const end = Math.max(0.05, place(spec.x[found.index]));
    return (textWidth(nameOf(line)) + 12 - (1 - end) * (width - AXIS)) / end;
  });
  return Math.min(Math.max(16, ...space), width * 0.42);
};

const overlap = (one, other) =>
  one.x < other.x + other.width && other.x < one.x + one.width && Math.abs(one.y - other.y) < LABEL;

// Where curves and reference lines run, in pixels of the page.
const curves = (spec, u, box) => {
  const drawnLines = spec.lines.map((line) => line.values.flatMap((value, index) =>
    value == null ? [] : [{ x: box.left + u.valToPos(spec.x[index], "x"), y: box.top + u.valToPos(value, "y") }]));
  const heights = spec.marks.filter((mark) => mark.x == null && mark.y != null).map((mark) => box.top + u.valToPos(mark.y, "y"));
  return [...drawnLines, ...heights.map((y) => [{ x: box.left, y }, { x: box.left + box.width, y }])];
};

const height = (curve, x) => {
  const next = curve.findIndex((point) => point.x >= x);
  if (next < 1) return next === 0 && curve[0].x === x ? curve[0].y : null;
  const [from, to] = [curve[next - 1], curve[next]];
  return from.y + ((to.y - from.y) * (x - from.x)) / Math.max(1e-9, to.x - from.x);
};

const crossings = (place, all) => {
  const across = [0, 0.25, 0.5, 0.75, 1].map((share) => place.x + share * place.width);
  const crosses = (curve) => across.some((x) => { const y = height(curve, x); return y != null && Math.abs(y - place.y) < 8; });
  return all.filter(crosses).length;
};

// The nearest place above or below that no name has taken, and that few curves cross.
const settle = (wish, taken, all, box) => {
  let best = { ...wish, score: Infinity };
  for (let step = 0; step < 24; step += 1) {
    const y = wish.y + (step % 2 ? -1 : 1) * Math.ceil(step / 2) * LABEL * 0.5;
    const place = { ...wish, y };
    const inside = y >= box.top + LABEL / 2 && y <= box.top + box.height - LABEL / 2;
    if (!inside || taken.some((one) => overlap(place, one))) continue;
    const score = step + 6 * crossings(place, all);
    if (score < best.score) best = { ...place, score };
  }
  return best;
};

const wishes = (spec, u, box) => {
  const named = spec.lines.filter((line) => !line.unnamed).map((line) => {
    const found = anchor(line, spec.x, u.scales.x.max);
    if (!found || spec.x[found.index] < u.scales.x.min) return null;
    const width = textWidth(nameOf(line));
    const at = { x: u.valToPos(spec.x[found.index], "x"), y: u.valToPos(line.values[found.index], "y") };
    return { text: nameOf(line), ink: color(line.color), width, x: box.left + at.x + 6, y: box.top + at.y - (found.atEnd ? 0 : 4) };
  });
  return named.filter(Boolean);
};

const markWish = (mark, u, box) => {
  const width = textWidth(mark.label);
  const x = box.left + (mark.x == null ? box.width : u.valToPos(mark.x, "x"));
  const isDistance = mark.y_to != null;
  const at = isDistance ? (mark.y + mark.y_to) / 2 : mark.y;
  const y = box.top + (at == null ? 12 : u.valToPos(at, "y") - (isDistance ? 0 : 13));
  const onRight = (isDistance || at == null) && x + width + 12 < box.left + box.width;
  return { text: mark.label, ink: color(mark.color), width, x: onRight ? x + 9 : x - width + (at == null ? -9 : 4), y };
};

const paintMark = (mark, u, ctx, scale) => {
  const { left, top, width, height } = u.bbox;
  const x = mark.x == null ? null : u.valToPos(mark.x, "x", true);
  const y = mark.y == null ? null : u.valToPos(mark.y, "y", true);
  ctx.strokeStyle = ctx.fillStyle = color(mark.color);
  ctx.lineWidth = 1.5 * scale;
  ctx.beginPath();
  if (x == null || y == null) {
    ctx.setLineDash([2 * scale, 3 * scale]);
    ctx.moveTo(x ?? left, y ?? top);
    ctx.lineTo(x ?? left + width, y ?? top + height);
    ctx.stroke();
    ctx.setLineDash([]);
  } else if (mark.y_to == null) {
    ctx.arc(x, y, 4 * scale, 0, 7);
    ctx.fill();
  } else {
    ctx.moveTo(x, y);
    ctx.lineTo(x, u.valToPos(mark.y_to, "y", true));
    ctx.stroke();
  }
};

const annotations = (spec) => (u) => pen(u, (ctx, scale) => {
  const box = { left: u.bbox.left / scale, top: u.bbox.top / scale, width: u.bbox.width / scale, height: u.bbox.height / scale };
  const { min, max } = u.scales.x;
  const shown = spec.marks.filter((mark) => mark.x == null || (mark.x >= min && mark.x <= max));
  shown.forEach((mark) => paintMark(mark, u, ctx, scale));
  ctx.font = scaledFont(600);
  ctx.textBaseline = "middle";
  const taken = phaseNames(spec, u).map((name) => ({ ...name, x: box.left + name.x, y: box.top + 9 }));
  const all = curves(spec, u, box);
  const right = u.width - 2;
  const named = shown.filter((mark) => mark.label).map((mark) => markWish(mark, u, box));
  for (const wish of [...named, ...wishes(spec, u, box)]) {
    wish.x = Math.max(box.left + 2, Math.min(wish.x, right - wish.width));
    const place = settle(wish, taken, all, box);
    taken.push(place);
    write(ctx, place.text, place.x * scale, place.y * scale, place.ink);
  }
});
