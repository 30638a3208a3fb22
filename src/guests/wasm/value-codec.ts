import { MalformedState } from '../json-state.js';
/**
 * Values of globals as text, exact to the bit: i32 and i64 in decimal, f32 and f64 as the 16 hex digits of the f64, v128 as 32 hex digits, the
 * high half first.
 */

/** What `WebAssembly.Global.value` gives for the numeric types. */
export type NumericType = 'i32' | 'i64' | 'f32' | 'f64';

const bits = new DataView(new ArrayBuffer(8));
const hex64 = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');

export function writeValue(type: NumericType, value: unknown): string {
  if (type === 'i32' || type === 'i64') return String(value);
  bits.setFloat64(0, Number(value));
  return hex64(bits.getBigUint64(0));
}

/** What `writeValue` wrote. MalformedState for anything else. */
export function readValue(type: NumericType, text: string): number | bigint {
  if (type === 'i32' || type === 'i64') {
    const width = type === 'i32' ? 32 : 64;
    if (!/^-?\d{1,20}$/.test(text))
      throw new MalformedState(`not an ${type}: ${text.slice(0, 40)}`);
    const value = BigInt(text);
    if (BigInt.asIntN(width, value) !== value) throw new MalformedState(`${text} is no ${type}`);
    return type === 'i32' ? Number(value) : value;
  }
  if (!/^[0-9a-f]{16}$/.test(text))
    throw new MalformedState(`not an ${type}: ${text.slice(0, 40)}`);
  bits.setBigUint64(0, BigInt(`0x${text}`));
  return bits.getFloat64(0);
}

export function writeVector(low: bigint, high: bigint): string {
  return hex64(high) + hex64(low);
}

/** Both halves, the low one first. */
export function readVector(text: string): readonly [low: bigint, high: bigint] {
  if (!/^[0-9a-f]{32}$/.test(text)) throw new MalformedState(`not a v128: ${text.slice(0, 40)}`);
  const half = (from: number): bigint => BigInt(`0x${text.slice(from, from + 16)}`);
  return [half(16), half(0)];
}
