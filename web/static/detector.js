// Silero's voice detector for sound of 16 kHz. What is in front of the LSTM and behind it is here; the LSTM is a session of
// the package. Runs in an AudioWorklet, too.

/** New samples of a step, and older ones before them. */
export const SAMPLES = 512;
const CONTEXT = 64;
/** Samples that are reflected at the end. */
const PADDING = 64;
/** Of the Fourier transform. */
const WINDOW = 256;
const STRIDE = 128;
const FRAMES = 4;
const BINS = 129;

/** The tensors of a safetensors file. */
function tensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 8 + Number(view.getBigUint64(0, true));
  let text = "";
  for (const byte of bytes.subarray(8, start)) text += String.fromCharCode(byte);
  const { __metadata__, ...entries } = JSON.parse(text);
  return (name) => {
    const [from, to] = entries[name].data_offsets;
    return new Float32Array(bytes.slice(start + from, start + to).buffer);
  };
}

/** A convolution of width 3 with a ReLU, over frames `[time, channels]`, padded with a zero frame at each end. */
class Convolution {
  constructor(tensor, name, inputs, stride, times) {
    this.bias = tensor(`${name}.bias`);
    [this.inputs, this.stride, this.times] = [inputs, stride, times];
    this.outputs = this.bias.length;
    this.weight = new Float32Array(this.outputs * 3 * inputs);
    // `[units, channels, taps]` in the file; the sum runs over neighbours here.
    tensor(`${name}.weight`).forEach((value, at) => {
      const [channel, tap] = [Math.floor(at / 3) % inputs, at % 3];
      this.weight[(Math.floor(at / (3 * inputs)) * 3 + tap) * inputs + channel] = value;
    });
    this.output = new Float32Array(Math.ceil(times / stride) * this.outputs);
  }

  run(input) {
    const { weight, bias, inputs, outputs, stride, times, output } = this;
    for (let to = 0, time = 0; time < times; to++, time += stride) {
      for (let unit = 0; unit < outputs; unit++) {
        let sum = bias[unit];
        for (let tap = 0; tap < 3; tap++) {
          const from = time + tap - 1;
          if (from < 0 || from >= times) continue;
          const a = (unit * 3 + tap) * inputs;
          const b = from * inputs;
          for (let channel = 0; channel < inputs; channel++) sum += weight[a + channel] * input[b + channel];
        }
        output[to * outputs + unit] = Math.max(sum, 0);
      }
    }
    return output;
  }
}

export class Detector {
  /** `bytes` is silero_vad_16k.safetensors, `Layer` the package's class for the CPU. */
  constructor(bytes, Layer) {
    const tensor = tensors(bytes);
    this.session = Layer.load(bytes, { prefix: "lstm_cell." }).session();
    this.basis = tensor("stft_conv.weight");
    this.encoder = [
      new Convolution(tensor, "conv1", BINS, 1, 4),
      new Convolution(tensor, "conv2", 128, 2, 4),
      new Convolution(tensor, "conv3", 64, 2, 2),
      new Convolution(tensor, "conv4", 64, 1, 1),
    ];
    [this.weight, this.bias] = [tensor("final_conv.weight"), tensor("final_conv.bias")[0]];
    this.sound = new Float32Array(CONTEXT + SAMPLES + PADDING);
    this.spectrum = new Float32Array(FRAMES * BINS);
    this.hidden = new Float32Array(128);
  }

  /** Takes the next 512 samples, and returns the probability that they have speech. */
  step(samples) {
    const { sound } = this;
    const end = CONTEXT + SAMPLES;
    sound.copyWithin(0, SAMPLES, end);
    sound.set(samples, CONTEXT);
    for (let at = 0; at < PADDING; at++) sound[end + at] = sound[end - 2 - at];
    this.#transform();
    let frames = this.spectrum;
    for (const convolution of this.encoder) frames = convolution.run(frames);
    this.session.pushInto(frames, this.hidden);
    let sum = this.bias;
    for (let unit = 0; unit < 128; unit++) sum += this.weight[unit] * Math.max(this.hidden[unit], 0);
    return 1 / (1 + Math.exp(-sum));
  }

  /** Forgets what was heard. */
  reset() {
    this.sound.fill(0);
    this.session.reset();
  }

  /** The magnitude of each frequency in each frame. */
  #transform() {
    const { sound, basis, spectrum } = this;
    for (let frame = 0; frame < FRAMES; frame++) {
      for (let bin = 0; bin < BINS; bin++) {
        let real = 0;
        let imaginary = 0;
        const a = bin * WINDOW;
        const b = (BINS + bin) * WINDOW;
        const start = frame * STRIDE;
        for (let at = 0; at < WINDOW; at++) {
          const sample = sound[start + at];
          real += basis[a + at] * sample;
          imaginary += basis[b + at] * sample;
        }
        spectrum[frame * BINS + bin] = Math.sqrt(real * real + imaginary * imaginary);
      }
    }
  }
}
