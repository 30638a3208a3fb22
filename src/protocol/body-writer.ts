import { maxNameBytes, maxTextBytes } from './limits.js';
import { encodeName, encodeText } from './utf8.js';

/**
 * Writes the fields of a body one after the other, little-endian. Without a target it only counts, so
 * that one description of a message gives its size first and its bytes then.
 * A value that does not fit its field is the caller's mistake: RangeError.
 */
export class BodyWriter {
  readonly #target: Uint8Array | undefined;
  readonly #view: DataView | undefined;
  #offset = 0;

  constructor(target?: Uint8Array) {
    this.#target = target;
    if (target !== undefined) {
      this.#view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
  }

  /** Bytes written or counted so far. */
  get byteLength(): number {
    return this.#offset;
  }

  u8(value: number): void {
    const at = this.#take(1, value, 0xff);
    this.#view?.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2, value, 0xffff);
    this.#view?.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#take(4, value, 0xffff_ffff);
    this.#view?.setUint32(at, value, true);
  }

  u64(value: bigint): void {
    if (value !== BigInt.asUintN(64, value)) throw new RangeError(`${value} does not fit a u64`);
    this.#view?.setBigUint64(this.#offset, value, true);
    this.#offset += 8;
  }

  /** A number of bytes, pages or frames as u64: a safe integer. */
  size(value: number): void {
    const at = this.#take(8, value, Number.MAX_SAFE_INTEGER);
    this.#view?.setBigUint64(at, BigInt(value), true);
  }

  /** A duration as f64: finite, not negative. */
  milliseconds(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`a duration of ${value} ms cannot be sent`);
    }
    // + 0 turns the negative zero, whose sign bit would be refused, into zero.
    this.#view?.setFloat64(this.#offset, value + 0, true);
    this.#offset += 8;
  }

  boolean(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** Bytes whose number the format fixes. */
  fixed(bytes: Uint8Array, length: number): void {
    if (bytes.length !== length) {
      throw new RangeError(`expected ${length} bytes, got ${bytes.length}`);
    }
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    this.#target?.set(bytes, this.#offset);
    this.#offset += bytes.length;
  }

  /** u8 length and UTF-8. */
  name(name: string): void {
    const bytes = encodeName(name, maxNameBytes);
    this.u8(bytes.length);
    this.bytes(bytes);
  }

  /** u16 length and UTF-8; a text that is too long is cut. */
  text(text: string): void {
    const bytes = encodeText(text, maxTextBytes);
    this.u16(bytes.length);
    this.bytes(bytes);
  }

  #take(bytes: number, value: number, max: number): number {
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw new RangeError(`${value} is not an integer from 0 to ${max}`);
    }
    const at = this.#offset;
    this.#offset += bytes;
    return at;
  }
}
