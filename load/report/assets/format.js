// How figures read, in axes, readouts and results: the words of load/report/words.py where both show the same figure.
const root = document.documentElement;
const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const faded = (hex, alpha) => {
  const value = parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
};

const duration = (value) => {
  if (value == null) return "–";
  if (value === 0) return "0 s";
  if (value < 0.9995) return `${+(value * 1000).toPrecision(3)} ms`;
  if (value < 60) return `${+value.toPrecision(3)} s`;
  if (value < 3600) return `${+(value / 60).toPrecision(3)} min`;
  return `${+(value / 3600).toPrecision(3)} h`;
};
// A duration that is read and not measured along an axis: 8 min 46 s.
const spoken = (value) => {
  if (value == null || value < 60) return duration(value);
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
};
const number = (value) =>
  value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 });
const short = (value) => value.toLocaleString("en", { notation: "compact" });
const signed = (text, value) => (value < 0 ? `−${text}` : text);
const money = (value) =>
  value == null
    ? "–"
    : signed(`$${Math.abs(value).toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 })}`, value);
const rate = (value) => (value == null ? "–" : `${+value.toPrecision(3)}/s`);
const percent = (value) => (value == null ? "–" : `${number(value)} %`);
const FORMATS = { s: duration, "/s": rate, "": number, $: money, "%": percent };
const clock = (value) => (value < 120 ? `${+value.toFixed(1)} s` : duration(value));
