// Golden cases: layers with PyTorch's results in float64. Runs in Node and in a page.

/** Every cell with what it can have. Small, since the adapter of the browser test is a CPU. */
export const SMALL = [
  "rnn_two_layers", "rnn_relu", "rnn_no_bias", "rnn_bidirectional", "rnn_lengths", "rnn_one_of_everything",
  "lstm_two_layers", "lstm_projection", "lstm_no_bias", "lstm_one_of_everything", "lstm_lengths",
  "gru_two_layers", "gru_no_bias", "gru_one_of_everything", "gru_lengths",
];

const TYPES = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array };

/** The tensors of a safetensors file. */
function tensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 8 + Number(view.getBigUint64(0, true));
  let text = "";
  for (const byte of bytes.subarray(8, start)) text += String.fromCharCode(byte);
  const { __metadata__, ...entries } = JSON.parse(text);
  return Object.fromEntries(
    Object.entries(entries).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      const values = new TYPES[dtype](bytes.slice(start + from, start + to).buffer);
      return [name, { shape, values }];
    }),
  );
}

/** A case: the layer's input, and what must come out. */
export function readCase(bytes) {
  const found = tensors(bytes);
  const values = (name) => found[name]?.values;
  const [batch, steps] = found.input.shape;
  const lengths = values("lengths") && Array.from(values("lengths"), Number);
  const names = ["output", "h_n", "c_n"].filter((name) => found[name]);
  return {
    input: values("input"),
    options: { batch, steps, lengths, state: { h_0: values("h_0"), c_0: values("c_0") } },
    expected: Object.fromEntries(names.map((name) => [name, values(`${name}_f64`)])),
    torch: Object.fromEntries(names.map((name) => [name, values(name)])),
  };
}

/** The largest difference between arrays by name. */
function largest(found, expected) {
  let worst = 0;
  for (const [name, values] of Object.entries(expected)) {
    if (found[name].length !== values.length) return Infinity;
    values.forEach((value, at) => {
      const difference = Math.abs(found[name][at] - value);
      // A NaN is the largest difference.
      if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
    });
  }
  return worst;
}

/**
 * The error of a result as a share of what is allowed: four times the largest error of PyTorch's own float32 result of
 * the same case, and 2^-20 in addition, for the cases in which PyTorch is right to the last bit.
 */
export function share(found, { expected, torch }) {
  return largest(found, expected) / (4 * largest(torch, expected) + 2 ** -20);
}
