/** Reads an input piece by piece. Any bytes will do: behind their end stand zeros. */
export class InputReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  u16(): number {
    return this.u8() + this.u8() * 2 ** 8;
  }

  u24(): number {
    return this.u16() + this.u8() * 2 ** 16;
  }

  u32(): number {
    return this.u16() + this.u16() * 2 ** 16;
  }

  /** The next `length` bytes, or as many as there are. */
  bytes(length: number): Uint8Array {
    const at = Math.min(this.#at, this.#bytes.length);
    this.#at += length;
    return this.#bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.#bytes.length);
  }
}

/** Puts an input together, at most 4 MiB. */
export class InputWriter {
  readonly #area = new Uint8Array(4 << 20);
  #end = 0;

  u8(value: number): this {
    this.#area[this.#end++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value & 0xff).u8(value >>> 8);
  }

  u24(value: number): this {
    return this.u16(value & 0xffff).u8(value >>> 16);
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  bytes(bytes: Uint8Array): this {
    this.#area.set(bytes, this.#end);
    this.#end += bytes.length;
    return this;
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const input = this.#area.slice(0, this.#end);
    this.#end = 0;
    return input;
  }
}
