import { ByteWriter } from './byte-writer.js';
import { type AddedIndices, constant, emptyBlock, op, withIndex } from './code-emitter.js';
import type { DroppedSegment } from './findings.js';
import type { AddedFunction } from './hidden-state.js';
import { markRange, markStride } from './mark-functions.js';
import type { FunctionType } from './module.js';
import type { MapPlan } from './place.js';
import { valueTypes } from './value-types.js';

const { i32, i64 } = valueTypes;

/** Types of the added functions, behind the module's own. */
export const addedTypes: readonly FunctionType[] = [
  { params: [i32, i32], results: [] },
  { params: [i32], results: [i32] },
  { params: [], results: [i64] },
  { params: [i64, i64], results: [] },
  { params: [], results: [] },
  { params: [i32, i32, i32, i32, i32], results: [] },
];

const typeOf: Readonly<Record<AddedFunction['does'], number>> = {
  markRange: 0,
  markBelow: 5,
  markUnequal: 5,
  grow: 1,
  getLow: 2,
  getHigh: 2,
  set: 3,
  drop: 4,
};

/** The index of an added function's type in `addedTypes`. */
export function addedTypeOf({ does }: AddedFunction): number {
  return typeOf[does];
}

/** The body of an added function, without its length. */
export function addedBody(
  added: AddedFunction,
  indices: AddedIndices,
  plan: MapPlan,
  drops: readonly DroppedSegment[],
): ByteWriter {
  const out = new ByteWriter();
  switch (added.does) {
    case 'markRange':
      markRange(out, indices);
      break;
    case 'markBelow':
    case 'markUnequal':
      markStride(out, added.does === 'markBelow' ? 'below' : 'unequal', indices, plan);
      break;
    case 'grow':
      grow(out, indices, plan);
      break;
    case 'getLow':
    case 'getHigh':
      out.u32(0);
      withIndex(out, op.globalGet, added.global);
      // i64x2.extract_lane
      out.code(0xfd, 0x1d, added.does === 'getLow' ? 0 : 1);
      break;
    case 'set':
      out.u32(0);
      withIndex(out, op.localGet, 0);
      // i64x2.splat
      out.code(0xfd, 0x12);
      withIndex(out, op.localGet, 1);
      // i64x2.replace_lane 1
      out.code(0xfd, 0x1e, 1);
      withIndex(out, op.globalSet, added.global);
      break;
    case 'drop':
      drop(out, indices, drops[added.number], added.number);
      break;
    default:
      added satisfies never;
  }
  out.byte(op.end);
  return out;
}

/** (pages): what memory.grow does, with a size of our own. */
function grow(out: ByteWriter, { size }: AddedIndices, { maxPages }: MapPlan): void {
  const old = 1;
  out.code(1, 1, i32);
  withIndex(out, op.localGet, 0);
  constant(out, maxPages);
  withIndex(out, op.globalGet, size);
  withIndex(out, op.localTee, old);
  out.code(op.i32Sub, op.i32GtU, op.if, emptyBlock);
  constant(out, -1);
  out.code(op.return, op.end);
  withIndex(out, op.localGet, old);
  withIndex(out, op.localGet, 0);
  out.byte(op.i32Add);
  withIndex(out, op.globalSet, size);
  withIndex(out, op.localGet, old);
}

function drop(
  out: ByteWriter,
  { firstDrop }: AddedIndices,
  segment: DroppedSegment | undefined,
  number: number,
): void {
  out.u32(0);
  // data.drop, elem.drop
  out.code(0xfc, segment?.kind === 'elem' ? 13 : 9);
  out.u32(segment?.index ?? 0);
  constant(out, 1);
  withIndex(out, op.globalSet, firstDrop + number);
}
