import type { ByteReader } from './byte-reader.js';
import { malformed, unsupported } from './refusals.js';

/** Types of values, as their byte in the binary (core specification, 5.3). */
export const valueTypes = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
  exnref: 0x69,
} as const;

export type ValueTypeName = keyof typeof valueTypes;

const names = new Map<number, ValueTypeName>(
  Object.entries(valueTypes).map(([name, byte]) => [byte, name as ValueTypeName]),
);
const stackSwitchingTypes = new Set([0x5d, 0x68, 0x75]);
/** Every byte that says a reference type of the GC and typed function reference proposals. */
const isGcType = (byte: number): boolean => byte >= 0x61 && byte <= 0x74;

/** The name of a type that `readValueType` gave. */
export function valueTypeName(byte: number): ValueTypeName {
  const name = names.get(byte);
  if (name === undefined) throw malformed(`no type of values is 0x${byte.toString(16)}`);
  return name;
}

/** One type of value. ERR_UNSUPPORTED for the types of garbage collected and typed references. */
export function readValueType(reader: ByteReader): number {
  const at = reader.at;
  const byte = reader.byte();
  if (names.has(byte)) return byte;
  throw strangeType(byte, at);
}

/** One type of reference. */
export function readReferenceType(reader: ByteReader): number {
  const at = reader.at;
  const byte = readValueType(reader);
  if (byte > valueTypes.funcref) throw malformed('a value where a reference belongs', at);
  return byte;
}

/** Why `byte` is no type of value here. */
export function strangeType(byte: number, at: number): Error {
  const hex = `0x${byte.toString(16)}`;
  if (stackSwitchingTypes.has(byte)) return unsupported(`it uses stack switching (type ${hex})`);
  if (isGcType(byte)) return unsupported(`it uses GC or typed references (type ${hex})`);
  return malformed(`no type of values is ${hex}`, at);
}
