// Elements and numbers.

/** An element with attributes and children; text is taken as text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A row of a table, headed by its first cell; the others are text, or cells. */
export function row(head, ...cells) {
  const made = element("tr", {}, element("th", { scope: "row" }, head));
  for (const cell of cells) made.append(cell instanceof Node ? cell : element("td", {}, cell));
  return made;
}

/** A cell with a number. */
export function number(text) {
  return element("td", { class: "number" }, text);
}

export function message(error) {
  return error?.message ?? String(error);
}

export function milliseconds(value) {
  return `${value < 100 ? value.toPrecision(3) : Math.round(value)} ms`;
}

export function bytes(value) {
  const [unit, size] = value < 2 ** 20 ? ["KiB", 2 ** 10] : ["MiB", 2 ** 20];
  return `${(value / size).toFixed(value < 10 * size ? 1 : 0)} ${unit}`;
}

/** Lets the browser draw and take input before what follows. */
export function breathe() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
