import { FerryError } from '../errors.js';
import { maxTextBytes } from './limits.js';
import { decodeUtf8 } from './utf8.js';
import type { WireEnum } from './wire-enum.js';

/**
 * Reads the fields of a body written by somebody who may be hostile. Whatever does not follow the
 * format is ERR_FRAME_CORRUPT; nothing is allocated for more than the bytes that are really there.
 */
export class BodyReader {
  readonly #body: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  get remaining(): number {
    return this.#body.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A u64 that must be a safe integer. */
  size(): number {
    return this.sizeOr(undefined, 0);
  }

  /** As `size`, but the one number `mark` means `special`. */
  sizeOr(mark: bigint | undefined, special: number): number {
    const value = this.u64();
    if (value === mark) return special;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail(`size ${value} is out of range`);
    return Number(value);
  }

  milliseconds(): number {
    const value = this.#view.getFloat64(this.#take(8), true);
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY) || Object.is(value, -0)) {
      fail(`duration ${value} is out of range`);
    }
    return value;
  }

  boolean(): boolean {
    const value = this.u8();
    if (value > 1) fail(`${value} is not a boolean`);
    return value === 1;
  }

  /** Bytes that must be zero in this version. */
  reserved(count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.u8() !== 0) fail('a reserved byte is set');
    }
  }

  /** A copy of the next `length` bytes, in memory of its own. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    // Not slice: of a Buffer that would be a view.
    return new Uint8Array(this.#body.subarray(at, at + length));
  }

  enumU8<Name extends string>(names: WireEnum<Name>): Name {
    return named(names, this.u8());
  }

  enumU16<Name extends string>(names: WireEnum<Name>): Name {
    return named(names, this.u16());
  }

  /** u8 length and UTF-8. */
  name(): string {
    return this.#utf8(this.u8());
  }

  /** u16 length and UTF-8. */
  text(): string {
    const length = this.u16();
    if (length > maxTextBytes) fail(`a text of ${length} bytes exceeds ${maxTextBytes}`);
    return this.#utf8(length);
  }

  /** Checks a count of entries, each of at least `entryBytes`, before anything is made for them. */
  count(count: number, max: number, entryBytes: number): number {
    if (count > max) fail(`${count} entries exceed ${max}`);
    if (count * entryBytes > this.remaining) fail(`${count} entries do not fit the body`);
    return count;
  }

  /** Trailing bytes are refused: what nobody reads, nobody has checked. */
  end(): void {
    if (this.remaining !== 0) fail(`${this.remaining} bytes too many`);
  }

  #utf8(length: number): string {
    const at = this.#take(length);
    return decodeUtf8(this.#body.subarray(at, at + length)) ?? fail('a string is not UTF-8');
  }

  #take(length: number): number {
    const at = this.#offset;
    if (length > this.remaining) fail('the body ends inside a field');
    this.#offset += length;
    return at;
  }
}

/** Refuses what a body says. */
export function fail(what: string): never {
  throw new FerryError('ERR_FRAME_CORRUPT', `malformed message: ${what}`);
}

function named<Name extends string>(names: WireEnum<Name>, number: number): Name {
  return names.nameOf(number) ?? fail(`unknown number ${number}`);
}
