// The order path, alive: a recorded run replayed, or, once a slider is moved, the sale that the model makes of it.
const ORDER_PATH = JSON.parse(document.getElementById("order-path-data")?.textContent ?? "null");
const REPLAY_SECONDS = 16; // so long a replay takes, however long the run was
const TRAVEL_SECONDS = 0.9;
const MOST_DOTS_PER_SECOND = 10;
const MOST_CELLS = 60;

const between = (values, index) => {
  const low = Math.min(values.length - 1, Math.floor(index));
  const high = Math.min(values.length - 1, low + 1);
  return values[low] + (values[high] - values[low]) * (index - Math.floor(index));
};

// What a recorded run looked like at a moment.
const recordedSale = (run) => ({
  seconds: (run.accepted.length - 1) * run.width,
  peak: run.measured.peak_backlog,
  workers: run.sale.workers,
  at(moment) {
    const index = moment / run.width;
    const bin = Math.min(run.offered.length - 1, Math.floor(index));
    const phase = run.bands.find((band) => moment >= band.start && moment < band.end)?.name ?? "drain";
    const accepted = between(run.accepted, index);
    const paid = between(run.completed, index);
    const backlog = accepted - paid;
    const paidRate = (run.completed[Math.min(bin + 1, run.completed.length - 1)] - run.completed[bin]) / run.width;
    const busy = Math.min(run.sale.workers, backlog);
    return { phase, offered: run.offered[bin], accepted, paid, backlog, busy, waiting: backlog - busy, paidRate, started: paidRate };
  },
});

// What the model makes of a sale at a moment.
const modelledSale = (sale, figures) => ({
  seconds: sale.burst + figures.drain,
  peak: figures.peak_backlog,
  workers: sale.workers,
  at(moment) {
    const accepted = sentBy(sale, moment);
    const paid = paidBy(sale, moment);
    const backlog = accepted - paid;
    const offered = moment < sale.burst ? sale.rate : 0;
    const busy = Math.min(sale.workers, backlog);
    const pace = busy / serviceSeconds(sale);
    const phase = moment < sale.burst ? "sale" : "drain";
    return { phase, offered, accepted, paid, backlog, busy, waiting: backlog - busy, paidRate: paid ? pace : 0, started: pace };
  },
});

// Orders on their way between two stations; a dot stands for as many orders as keep them countable.
const lane = (host) => {
  const dots = [];
  let due = 0;
  return (flow, elapsed) => {
    due = flow > 0 ? due + flow * elapsed : 0;
    for (const dot of dots) dot.age += elapsed;
    for (; due >= 1; due -= 1) {
      const free = dots.find((dot) => dot.age > TRAVEL_SECONDS) ?? { node: host.appendChild(document.createElement("i")) };
      if (!dots.includes(free)) dots.push(free);
      free.age = 0;
    }
    for (const dot of dots) {
      dot.node.hidden = dot.age > TRAVEL_SECONDS;
      dot.node.style.setProperty("--at", Math.min(1, dot.age / TRAVEL_SECONDS));
    }
  };
};

const orderPath = (run) => {
  const host = document.querySelector(".order-path");
  const find = (selector) => host.querySelector(selector);
  const sliders = [...host.querySelectorAll(".sliders input")];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const lanes = [...host.querySelectorAll(".lane")].map((one) => ({ flow: one.dataset.flow, move: lane(one) }));
  const own = { ...run.sale };
  let sale;
  let show;
  let moment = 0;
  let playing = false;
  let before = 0;

  const rows = (figures) => [
    ["the slots can pay", rate(figures.settle_rate)],
    ["largest backlog", number(figures.peak_backlog)],
    ["the last customer waits", spoken(figures.last_wait)],
    ["empty after the rush", spoken(figures.drain)],
    ["a million such orders: tasks", `$${figures.processor_per_million.toFixed(2)}`],
    ["a million such orders: functions", `$${figures.function_per_million.toFixed(2)}`],
  ];
  const fill = (selector, text) => { find(selector).textContent = text; };

  const outcome = (said, figures) => {
    fill(".said", said);
    find(".outcome").replaceChildren(...rows(figures).map(([name, value]) => {
      const pair = document.createElement("div");
      for (const [tag, text] of [["dt", name], ["dd", value]]) pair.appendChild(document.createElement(tag)).textContent = text;
      return pair;
    }));
  };

  const cells = () => {
    const count = Math.min(MOST_CELLS, show.workers);
    find(".cells").replaceChildren(...Array.from({ length: count }, () => document.createElement("i")));
  };

  const render = () => {
    const now = show.at(moment);
    fill("[data-show=offered]", `${rate(now.offered)} come`);
    fill("[data-show=accepted]", `${number(Math.round(now.accepted))} accepted`);
    fill("[data-show=waiting]", `${number(Math.round(now.waiting))} waiting`);
    fill("[data-show=busy]", `${Math.round(now.busy)} of ${show.workers} busy`);
    fill("[data-show=paid]", `${number(Math.round(now.paid))} paid`);
    find(".level i").style.width = `${(100 * now.waiting) / Math.max(1, show.peak)}%`;
    const boxes = [...find(".cells").children];
    const lit = Math.round((now.busy / show.workers) * boxes.length);
    boxes.forEach((box, index) => box.classList.toggle("on", index < lit));
    fill(".clock", `${clock(moment)} of ${spoken(show.seconds)}, ${now.phase}`);
    find(".moment").value = String(Math.round((1000 * moment) / show.seconds));
    find(".moment").setAttribute("aria-valuetext", `${clock(moment)}, ${Math.round(now.waiting)} waiting`);
    return now;
  };

  const move = (now, elapsed) => {
    const speed = show.seconds / REPLAY_SECONDS;
    const flows = { offered: now.offered, accepted: now.offered, started: now.started, completed: now.paidRate };
    const most = Math.max(1, ...Object.values(flows), sale.rate) * speed;
    const scale = Math.max(1, most / MOST_DOTS_PER_SECOND);
    lanes.forEach((one) => one.move((flows[one.flow] * speed) / scale, elapsed));
  };

  const frame = (time) => {
    if (!playing) return;
    const elapsed = Math.min(0.1, (time - before) / 1000);
    before = time;
    moment += (elapsed * show.seconds) / REPLAY_SECONDS;
    if (moment > show.seconds) moment = 0;
    const now = render();
    if (!still.matches) move(now, elapsed);
    requestAnimationFrame(frame);
  };

  const play = (on) => {
    if (on && !playing) requestAnimationFrame((time) => { before = time; frame(time); });
    playing = on;
    fill(".play", on ? "Pause" : "Play");
  };

  const label = () => {
    fill("[data-of=workers]", String(sale.workers));
    fill("[data-of=rate]", rate(sale.rate));
    fill("[data-of=payment]", duration(sale.payment));
  };

  const start = (shown, isModel) => {
    show = shown;
    moment = Math.min(moment, show.seconds);
    host.classList.toggle("is-model", isModel);
    label();
    cells();
    render();
  };

  const record = () => {
    sale = { ...own };
    sliders.forEach((slider) => (slider.value = String(sale[slider.name])));
    start(recordedSale(run), false);
    outcome(`Measured in the run ${run.name}; the costs are the model's`, { ...saleFigures(sale, run.rates), ...run.measured });
  };

  const model = () => {
    sliders.forEach((slider) => (sale[slider.name] = Number(slider.value)));
    const figures = saleFigures(sale, run.rates);
    start(modelledSale(sale, figures), true);
    const need = Math.ceil(rounded(sale.rate * serviceSeconds(sale)));
    const verdict = isBehind(sale) ? `${number(need)} workers would keep up` : "they keep up";
    outcome(`The model, for a rush of ${clock(sale.burst)}: ${verdict}`, figures);
  };

  sliders.forEach((slider) => slider.addEventListener("input", model));
  find(".recording").addEventListener("click", record);
  find(".play").addEventListener("click", () => play(!playing));
  find(".moment").addEventListener("input", (event) => {
    play(false);
    moment = (Number(event.target.value) * show.seconds) / 1000;
    render();
  });
  record();
  // Paper shows the moment that the sale is about.
  const ofMostWaiting = () => {
    const moments = Array.from({ length: 201 }, (_, step) => (step * show.seconds) / 200);
    return moments.reduce((most, one) => (show.at(one).backlog > show.at(most).backlog ? one : most));
  };
  let onScreen = 0;
  addEventListener("beforeprint", () => {
    play(false);
    onScreen = moment;
    moment = ofMostWaiting();
    render();
  });
  addEventListener("afterprint", () => {
    moment = onScreen;
    render();
  });
  // It moves by itself only while it is seen, and never for those who want no motion.
  let touched = false;
  ["pointerdown", "keydown", "input"].forEach((kind) => host.addEventListener(kind, () => (touched = true)));
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) play(false);
    else if (!touched && !still.matches) play(true);
  }, { threshold: 0.4 }).observe(host);
};

if (ORDER_PATH) orderPath(ORDER_PATH);
