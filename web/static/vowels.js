// A sound like speech, so that the page needs no recording: vowels from a source of pulses through resonators, in syllables
// with pauses, and a tone and noise, which are no speech.

const RATE = 16_000;
/** The lowest three formants of vowels of a man's voice, in Hz (Peterson and Barney, 1952). */
const FORMANTS = { i: [270, 2290, 3010], e: [530, 1840, 2480], a: [730, 1090, 2440], o: [570, 840, 2410], u: [300, 870, 2240] };
const WIDTHS = [60, 90, 150];

/** A repeatable source of noise from -1 to 1. */
function noise() {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** Two poles at a frequency. */
class Resonator {
  #past = [0, 0];

  next(sample, frequency, width) {
    const radius = Math.exp((-Math.PI * width) / RATE);
    const [a, b] = [2 * radius * Math.cos((2 * Math.PI * frequency) / RATE), -radius * radius];
    const value = (1 - a - b) * sample + a * this.#past[0] + b * this.#past[1];
    this.#past = [value, this.#past[0]];
    return value;
  }
}

/** A word: a syllable for each vowel, gliding from one to the next. */
function word(vowels, seconds, hiss) {
  const samples = new Float32Array(Math.round(seconds * RATE));
  const resonators = WIDTHS.map(() => new Resonator());
  const each = samples.length / vowels.length;
  let phase = 0;
  for (let at = 0; at < samples.length; at++) {
    const index = Math.min(vowels.length - 1, Math.floor(at / each));
    const within = at / each - index;
    const next = FORMANTS[vowels[Math.min(vowels.length - 1, index + 1)]];
    const pitch = 125 * (1 - 0.2 * (at / samples.length)) * (1 + 0.02 * Math.sin((at / RATE) * 30));
    phase += pitch / RATE;
    const pulse = phase >= 1 ? 1 : 0;
    phase -= pulse;
    let sample = pulse * 8 + 0.02 * hiss();
    for (const [number, resonator] of resonators.entries()) {
      const glide = Math.max(0, (within - 0.6) / 0.4);
      const frequency = FORMANTS[vowels[index]][number] * (1 - glide) + next[number] * glide;
      sample = resonator.next(sample, frequency, WIDTHS[number]);
    }
    const syllable = Math.min(1, within * 6, (1 - within) * 4 + 0.15);
    samples[at] = sample * syllable;
  }
  return samples;
}

/** The sound, 16 kHz: speech from 1 s to about 4 s, then a tone, then noise. */
export function sound() {
  const hiss = noise();
  const parts = [
    new Float32Array(RATE).map(() => 0.001 * hiss()),
    ...["aeio", "ua", "oiea", "eau"].flatMap((vowels) => [
      word([...vowels], 0.19 * vowels.length, hiss),
      new Float32Array(0.12 * RATE).map(() => 0.001 * hiss()),
    ]),
    new Float32Array(RATE).map(() => 0.001 * hiss()),
    Float32Array.from({ length: 1.5 * RATE }, (_, at) => 0.2 * Math.sin((2 * Math.PI * 440 * at) / RATE)),
    new Float32Array(1.5 * RATE).map(() => 0.05 * hiss()),
  ];
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    const top = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = top > 0.3 ? 0.5 / top : 1;
    all.set(part.map((value) => value * scale), at);
    at += part.length;
  }
  return all;
}
