import type { ByteReader } from './byte-reader.js';
import type { FunctionType } from './module.js';
import { malformed } from './refusals.js';
import { readValueType } from './value-types.js';

const emptyByte = 0x40;
const empty: FunctionType = { params: [], results: [] };
const ofOne = new Map<number, FunctionType>();

/** What a block takes and gives: nothing, one value, or a type of the module. */
export function readBlockType(reader: ByteReader, types: readonly FunctionType[]): FunctionType {
  const at = reader.at;
  const byte = reader.bytes[at] ?? 0;
  if (byte === emptyByte) {
    reader.byte();
    return empty;
  }
  // A single byte with bit 6 set is a negative number, and none of those is an index.
  if (byte < 0x80 && byte >= 0x40) {
    const type = readValueType(reader);
    const found = ofOne.get(type) ?? { params: [], results: [type] };
    ofOne.set(type, found);
    return found;
  }
  const type = types[readIndex(reader)];
  if (type === undefined) throw malformed('a block of a type that is not there', at);
  return type;
}

/** A signed number of 33 bits that is not negative. */
function readIndex(reader: ByteReader): number {
  const at = reader.at;
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = reader.byte();
    value += (byte & 0x7f) * 2 ** shift;
    if (byte >= 0x80) continue;
    if (byte & 0x40) throw malformed('a block of no type', at);
    return value;
  }
  throw malformed('a number of more than 33 bits', at);
}
