// Curves on logarithmic axes, as SVG.

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 320;
const MARGIN = { left: 70, right: 76, top: 20, bottom: 46 };

function svg(tag, attributes, text) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** From values to places, logarithmically. */
function scale([low, high], [from, to]) {
  const [a, b] = [Math.log(low), Math.log(high)];
  return (value) => (a === b ? (from + to) / 2 : from + ((Math.log(value) - a) / (b - a)) * (to - from));
}

/** Powers of ten, and where there are few their 2 and 5, that lie between two numbers and around them. */
function ticks(low, high) {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const steps = last - first > 3 ? [1] : [1, 2, 5];
  const all = [];
  for (let power = first; power <= last; power++) {
    for (const step of steps) all.push(Number((step * 10 ** power).toPrecision(1)));
  }
  const below = all.filter((tick) => tick <= low).at(-1) ?? all[0];
  const above = all.find((tick) => tick >= high) ?? all.at(-1);
  return all.filter((tick) => tick >= below && tick <= above);
}

/** Places of the curves' names, one below the other where they would lie on each other. */
function apart(labels) {
  labels.sort((a, b) => a.y - b.y);
  for (let index = 1; index < labels.length; index++) {
    labels[index].y = Math.max(labels[index].y, labels[index - 1].y + 16);
  }
  return labels;
}

/** A plot, so many pixels wide, of `{ name, kind, points: [{ batch, time }] }` each; kinds are style.css's. */
export function draw(series, width) {
  const points = series.flatMap(({ points }) => points);
  const batches = [...new Set(points.map(({ batch }) => batch))].sort((a, b) => a - b);
  const times = points.map(({ time }) => Math.max(time, 1e-3));
  const marks = ticks(Math.min(...times), Math.max(...times));
  const x = scale([batches[0], batches.at(-1)], [MARGIN.left, width - MARGIN.right]);
  const y = scale([marks[0], marks.at(-1)], [HEIGHT - MARGIN.bottom, MARGIN.top]);
  const plot = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  plot.append(svg("title", {}, `Time against batch size: ${series.map(({ name }) => name).join(" and ")}`));
  for (const mark of marks) {
    plot.append(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(mark), y2: y(mark) }));
    plot.append(svg("text", { x: MARGIN.left - 8, y: y(mark) + 4, "text-anchor": "end" }, `${mark} ms`));
  }
  for (const batch of batches) {
    const place = { x: x(batch), y: HEIGHT - MARGIN.bottom + 20, "text-anchor": "middle" };
    plot.append(svg("text", place, `${batch}`));
  }
  plot.append(svg("text", { x: MARGIN.left, y: HEIGHT - 6 }, "N, words in a batch"));
  const curves = series.filter(({ points }) => points.length > 0);
  for (const { kind, points } of curves) plot.append(...curve(kind, points, x, y));
  const ends = curves.map(({ name, kind, points }) => ({ name, kind, x: x(points.at(-1).batch), y: y(points.at(-1).time) }));
  for (const { name, kind, ...end } of apart(ends)) {
    plot.append(svg("text", { class: kind, x: end.x + 10, y: end.y + 4 }, name));
  }
  return plot;
}

function curve(kind, points, x, y) {
  const places = points.map(({ batch, time }) => [x(batch), y(Math.max(time, 1e-3))]);
  const line = svg("polyline", { class: `curve ${kind}`, points: places.map((place) => place.join(",")).join(" ") });
  const dots = places.map(([cx, cy]) =>
    kind === "gpu"
      ? svg("circle", { class: `point ${kind}`, cx, cy, r: 4.5 })
      : svg("rect", { class: `point ${kind}`, x: cx - 4, y: cy - 4, width: 8, height: 8 }),
  );
  return [line, ...dots];
}
