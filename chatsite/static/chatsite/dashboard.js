/**
 * The dashboard's charts keep up by themselves, at a calm pace. Only what they show changes: opened tables, places in
 * them, the focus and hidden lines stay as the reader left them. A chart that has nothing to show any more says so in
 * words, as it would on a fresh page; when there is something again, it is drawn anew. Chart.js is the admin's own, a
 * global.
 */
const PERIOD_MS = 60_000;
const TIMEOUT_MS = 30_000;

async function refresh() {
  if (document.hidden) return;
  const address = new URL(location.href);
  address.searchParams.set("part", "charts");
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "error" });
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The page says of when its charts are; the next time may succeed.
  }
}

function show(fresh) {
  for (const section of fresh.querySelectorAll("[data-chart]")) {
    const shown = document.querySelector(`[data-chart="${section.dataset.chart}"]`);
    if (shown !== null) renew(shown, section);
  }
  document.getElementById("charts-age").textContent = fresh.getElementById("charts-age").textContent;
}

function renew(shown, fresh) {
  const [plot, newPlot] = parts(".ops-plot", shown, fresh);
  const [canvas, newCanvas] = parts("canvas", plot, newPlot);
  if (canvas !== null && newCanvas !== null) {
    redraw(Chart.getChart(canvas), JSON.parse(newCanvas.dataset.value));
  } else if (canvas !== null || newCanvas !== null) {
    if (canvas !== null) Chart.getChart(canvas).destroy();
    plot.replaceWith(newPlot);
    if (newCanvas !== null) draw(newCanvas);
  }
  const [note, newNote] = parts(".ops-note", shown, fresh);
  note.textContent = newNote.textContent;
  note.hidden = newNote.hidden;
  shown.querySelector("tbody").replaceWith(fresh.querySelector("tbody"));
}

function parts(selector, ...roots) {
  return roots.map((root) => root.querySelector(selector));
}

function draw(canvas) {
  const { type, value, options } = canvas.dataset;
  new Chart(canvas, { type, data: JSON.parse(value), options: JSON.parse(options) });
}

/** Lines that were hidden by a click on their names stay hidden: each keeps its own object. */
function redraw(chart, { labels, datasets }) {
  chart.data.labels = labels;
  if (chart.data.datasets.length === datasets.length) {
    chart.data.datasets.forEach((line, at) => Object.assign(line, datasets[at]));
  } else {
    chart.data.datasets = datasets;
  }
  chart.update("none");
}

setInterval(refresh, PERIOD_MS);
