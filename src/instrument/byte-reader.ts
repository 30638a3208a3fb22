import { malformed } from './refusals.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the numbers and names of a WebAssembly binary between `at` and `end`. Whatever ends early, or is longer than its type may be, is
 * ERR_GUEST: nothing beyond `end` is ever read.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at === this.end;
  }

  byte(): number {
    if (this.at >= this.end) throw malformed('it ends too early', this.at);
    return this.bytes[this.at++] ?? 0;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.byte();
    if (last > 0x0f) throw malformed('a number of more than 32 bits', this.at - 1);
    return (value | (last << 28)) >>> 0;
  }

  /** Signed LEB128 of at most 32 bits. */
  s32(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value << (25 - shift)) >> (25 - shift);
    }
    const last = this.byte();
    if (last > 0x7f || (last > 0x07 && last < 0x78)) {
      throw malformed('a number of more than 32 bits', this.at - 1);
    }
    return value | (last << 28);
  }

  /** Signed LEB128 of at most 64 bits, whose value nobody needs. */
  skipS64(): void {
    for (let length = 1; this.byte() >= 0x80; length++) {
      if (length === 10) throw malformed('a number of more than 64 bits', this.at - 1);
    }
  }

  skip(byteLength: number): void {
    if (byteLength > this.end - this.at) throw malformed('it ends too early', this.end);
    this.at += byteLength;
  }

  /** How many entries follow, each of at least `entryBytes` bytes: never more than there is room for. */
  count(entryBytes: number): number {
    const count = this.u32();
    if (count * entryBytes > this.end - this.at) {
      throw malformed('more entries than there is room for', this.at);
    }
    return count;
  }

  /** A length and so many bytes of UTF-8. */
  name(): string {
    const byteLength = this.u32();
    const from = this.at;
    this.skip(byteLength);
    try {
      return utf8.decode(this.bytes.subarray(from, this.at));
    } catch {
      throw malformed('a name that is not UTF-8', from);
    }
  }

  /** What the next `byteLength` bytes say; this reader goes on behind them. */
  part(byteLength: number): ByteReader {
    const from = this.at;
    this.skip(byteLength);
    return new ByteReader(this.bytes, from, this.at);
  }
}
