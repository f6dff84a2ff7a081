// One sale of evenly spaced orders that take equally long (D/D/c): what load/model/sale_figures.py says, for the sliders.
// A test holds both to the same figures.
const rounded = (value) => Math.round(value * 1e9) / 1e9;
const orderCount = (sale) => Math.ceil(rounded(sale.rate * sale.burst));
const serviceSeconds = (sale) => sale.payment + sale.overhead;
const isBehind = (sale) => serviceSeconds(sale) > sale.workers / sale.rate;

// Orders sent, and orders paid, up to a moment. While the slots keep up, each order begins when it comes; when they do
// not, every slot takes the next order as soon as it has finished one.
const sentBy = (sale, moment) => (moment < 0 ? 0 : Math.min(orderCount(sale), Math.floor(moment * sale.rate + 1e-9) + 1));

const paidBy = (sale, moment) => {
  const service = serviceSeconds(sale);
  const orders = orderCount(sale);
  if (!isBehind(sale)) return sentBy(sale, moment - service);
  let paid = 0;
  for (let first = 0; first < Math.min(sale.workers, orders); first += 1) {
    const done = Math.max(0, Math.floor((moment - first / sale.rate) / service + 1e-9));
    paid += Math.min(done, Math.floor((orders - 1 - first) / sale.workers) + 1);
  }
  return paid;
};

const saleFigures = (sale, rates) => {
  const service = serviceSeconds(sale);
  const orders = orderCount(sale);
  const last = (orders - 1) / sale.rate;
  const queued = Math.max(0, Math.floor((orders - 1) / sale.workers) * (service - sale.workers / sale.rate));
  const drain = Math.max(0, last + queued + service - sale.burst);
  const taskHours = (Math.ceil(sale.workers / rates.workers_per_task) * (sale.burst + drain)) / 3600;
  return {
    orders,
    settle_rate: sale.workers / service,
    peak_backlog: isBehind(sale) ? orders - paidBy(sale, last) : Math.min(orders, Math.ceil(rounded(service * sale.rate))),
    last_wait: queued + service,
    drain,
    processor_per_million: ((taskHours * rates.task_hour) / orders) * 1e6,
    function_per_million: (rates.function_second * service + rates.function_request) * 1e6,
  };
};
