// Zooming without a mouse: the keys +, − and 0 where the readout is, two fingers on a screen.
const LEAST_SHOWN = 3;
const ZOOM_KEYS = { "+": 2, "=": 2, "-": 0.5 };

// What is at this place, in pixels of the plot, stays there.
const zoomAround = (spec, plot, factor, at) => {
  const whole = wholeView(spec);
  const min = Math.max(whole.min, plot.posToVal(at - at / factor, "x"));
  const max = Math.min(whole.max, plot.posToVal(at + (plot.over.clientWidth - at) / factor, "x"));
  if (spec.x.filter((x) => x >= min && x <= max).length >= LEAST_SHOWN) plot.setScale("x", { min, max });
};

const zoomByKey = (spec, plot, event) => {
  const factor = ZOOM_KEYS[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || (!factor && event.key !== "0")) return;
  event.preventDefault();
  const read = plot.root.classList.contains("live");
  if (factor) zoomAround(spec, plot, factor, read ? plot.cursor.left : plot.over.clientWidth / 2);
  else plot.setScale("x", wholeView(spec));
};

// One finger reads along, two zoom; up and down the page scrolls as ever.
const followFingers = (spec, plot) => {
  const fingers = new Map();
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return { at: (one + other) / 2, width: Math.max(20, Math.abs(one - other)) };
  };
  const place = (event) => event.clientX - plot.over.getBoundingClientRect().left;
  plot.over.addEventListener("pointerdown", (event) => event.pointerType === "touch" && fingers.set(event.pointerId, place(event)));
  plot.over.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size === 2 && spread();
    fingers.set(event.pointerId, place(event));
    if (before) zoomAround(spec, plot, spread().width / before.width, spread().at);
    else plot.setCursor({ left: place(event), top: 10 });
  });
  for (const ended of ["pointerup", "pointercancel"]) plot.over.addEventListener(ended, (event) => fingers.delete(event.pointerId));
};
