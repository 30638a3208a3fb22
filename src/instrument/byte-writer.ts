const utf8 = new TextEncoder();
/** Shorter copies are faster byte by byte. */
const shortBytes = 48;

/** Writes a WebAssembly binary into memory that grows as needed. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** `byteLength`: how much it may become without growing. */
  constructor(byteLength = 256) {
    this.#bytes = new Uint8Array(byteLength);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written. Valid until the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  /** Each of `values`, a byte each. */
  code(...values: readonly number[]): void {
    for (const value of values) this.byte(value);
  }

  u32(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  s32(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  name(text: string): void {
    const bytes = utf8.encode(text);
    this.u32(bytes.length);
    this.copy(bytes, 0, bytes.length);
  }

  /** The bytes of `source` from `from` to before `to`. */
  copy(source: Uint8Array, from: number, to: number): void {
    const byteLength = to - from;
    if (this.#length + byteLength > this.#bytes.length) this.#grow(byteLength);
    if (byteLength < shortBytes) {
      const target = this.#bytes;
      let at = this.#length;
      for (let index = from; index < to; index++) target[at++] = source[index] ?? 0;
    } else {
      this.#bytes.set(source.subarray(from, to), this.#length);
    }
    this.#length += byteLength;
  }

  append(other: ByteWriter): void {
    this.copy(other.#bytes, 0, other.#length);
  }

  #grow(byteLength: number): void {
    const wanted = Math.max(2 * this.#bytes.length, this.#length + byteLength);
    const bytes = new Uint8Array(wanted);
    bytes.set(this.written);
    this.#bytes = bytes;
  }
}
