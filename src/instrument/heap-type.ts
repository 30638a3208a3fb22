import type { ByteReader } from './byte-reader.js';
import { malformed, unsupported } from './refusals.js';
import { strangeType, valueTypes } from './value-types.js';

const known: ReadonlySet<number> = new Set([
  valueTypes.funcref,
  valueTypes.externref,
  valueTypes.exnref,
]);

/** The type of a ref.null. */
export function readHeapType(reader: ByteReader): void {
  const at = reader.at;
  const value = reader.s32();
  if (value >= 0) throw unsupported('it uses typed references (a type that it defines)');
  if (value < -64) throw malformed('no such type of references', at);
  const byte = value & 0x7f;
  if (!known.has(byte)) throw strangeType(byte, at);
}
