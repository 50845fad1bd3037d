// UTF-8 where the browser has no classes for it, as in an AudioWorklet. The code in wasm/ takes the classes from here.

class Decoder {
  decode(bytes = new Uint8Array()) {
    let text = "";
    for (let at = 0; at < bytes.length; ) {
      const first = bytes[at++];
      const more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
      let point = more === 0 ? first : first & (0x3f >> more);
      for (let left = more; left > 0; left--) point = (point << 6) | (bytes[at++] & 0x3f);
      text += String.fromCodePoint(point);
    }
    return text;
  }
}

class Encoder {
  encode(text = "") {
    const bytes = [];
    for (const character of text) {
      const point = character.codePointAt(0);
      const more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      if (more === 0) {
        bytes.push(point);
        continue;
      }
      bytes.push(((0xff00 >> (more + 1)) & 0xff) | (point >> (6 * more)));
      for (let left = more - 1; left >= 0; left--) bytes.push(0x80 | ((point >> (6 * left)) & 0x3f));
    }
    return Uint8Array.from(bytes);
  }
}

const { TextDecoder = Decoder, TextEncoder = Encoder } = globalThis;
export { Decoder, Encoder, TextDecoder, TextEncoder };
