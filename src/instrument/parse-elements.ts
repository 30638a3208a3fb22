import type { ByteReader } from './byte-reader.js';
import { readConstantExpression } from './constant-expression.js';
import { malformed } from './refusals.js';
import { readReferenceType } from './value-types.js';

const mostFlags = 7;

/** Reads one element segment (core specification, 5.5.12), and adds the functions it references to `referenced`. */
export function readElementSegment(reader: ByteReader, referenced: Set<number>): void {
  const at = reader.at;
  const flags = reader.u32();
  if (flags > mostFlags) throw malformed(`an element segment with flags ${flags}`, at);
  const isActive = (flags & 1) === 0;
  const saysMore = (flags & 2) !== 0;
  const hasExpressions = (flags & 4) !== 0;
  if (isActive && saysMore) reader.u32();
  if (isActive) addAll(referenced, readConstantExpression(reader));
  if (!isActive || saysMore) {
    if (hasExpressions) readReferenceType(reader);
    else if (reader.byte() !== 0) throw malformed('an element segment of no kind', at);
  }
  const count = reader.count(1);
  for (let index = 0; index < count; index++) {
    if (hasExpressions) addAll(referenced, readConstantExpression(reader));
    else referenced.add(reader.u32());
  }
}

function addAll(set: Set<number>, values: readonly number[]): void {
  for (const value of values) set.add(value);
}
