// An ONNX model of one recurrent layer and one step, as bytes.

const text = new TextEncoder();

function varint(value) {
  const bytes = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) | 128);
  }
}

const number = (field, value) => [...varint(field * 8), ...varint(value)];

function message(field, parts) {
  const bytes = parts instanceof Uint8Array ? parts : Uint8Array.from(typeof parts === "string" ? text.encode(parts) : parts.flat());
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

const tensor = (name, dims, values) =>
  message(5, [dims.flatMap((dim) => number(1, dim)), number(2, 1), message(8, name), message(9, new Uint8Array(values.buffer))]);

const value = (field, name, dims) =>
  message(field, [message(1, name), message(2, [message(1, [number(1, 1), message(2, dims.map((dim) => message(1, [number(1, dim)])).flat())])])]);

/** A layer with small random weights. GRU with `linear_before_reset`, as in PyTorch. */
export function model(cell, inputs, hidden) {
  const gates = cell === "LSTM" ? 4 : 3;
  let state = 1;
  const random = (length) =>
    Float32Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state / 2 ** 31 - 1) / Math.sqrt(hidden);
    });
  const states = cell === "LSTM" ? ["h", "c"] : ["h"];
  const attributes = [message(5, [message(1, "hidden_size"), number(3, hidden), number(20, 2)])];
  if (cell === "GRU") attributes.push(message(5, [message(1, "linear_before_reset"), number(3, 1), number(20, 2)]));
  const node = [
    ["X", "W", "R", "B", "", ...states.map((name) => `${name}_0`)].map((name) => message(1, name)),
    ["", ...states.map((name) => `${name}_n`)].map((name) => message(2, name)),
    message(4, cell),
    attributes,
  ].flat(2);
  const graph = [
    message(1, node),
    message(2, "one layer"),
    tensor("W", [1, gates * hidden, inputs], random(gates * hidden * inputs)),
    tensor("R", [1, gates * hidden, hidden], random(gates * hidden * hidden)),
    tensor("B", [1, 2 * gates * hidden], random(2 * gates * hidden)),
    value(11, "X", [1, 1, inputs]),
    ...states.map((name) => value(11, `${name}_0`, [1, 1, hidden])),
    ...states.map((name) => value(12, `${name}_n`, [1, 1, hidden])),
  ].flat();
  return Uint8Array.from([number(1, 8), message(7, graph), message(8, [message(1, ""), number(2, 14)])].flat());
}
