import type { ByteWriter } from './byte-writer.js';
import {
  type AddedIndices,
  constant,
  emptyBlock,
  memoryArgument,
  op,
  pageShift,
  withIndex,
} from './code-emitter.js';
import type { MapPlan } from './place.js';
import type { Stride } from './strides.js';
import { valueTypes } from './value-types.js';

const { localGet: get, localSet: set, localTee: tee } = op;
const more = {
  loop: 0x03,
  brIf: 0x0d,
  select: 0x1b,
  memorySize: 0x3f,
  i32Eqz: 0x45,
  i32LeU: 0x4d,
  i64Eqz: 0x50,
  i64LtU: 0x54,
  i64GtU: 0x56,
  i32Mul: 0x6c,
  i32DivU: 0x6e,
  i32RemU: 0x70,
  i32And: 0x71,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Shl: 0x86,
  i64ShrU: 0x88,
  i32WrapI64: 0xa7,
  i64ExtendI32U: 0xad,
  i64Const: 0x42,
} as const;

/** (address, length): from the first to the last page of what was written; none where nothing was. */
export function markRange(out: ByteWriter, { mapMemory, mapOffset }: AddedIndices): void {
  const [page, last] = [0, 1];
  out.u32(0);
  withIndex(out, get, 1);
  out.code(op.if, emptyBlock);
  withIndex(out, get, 0);
  withIndex(out, get, 1);
  out.byte(op.i32Add);
  constant(out, 1);
  out.byte(op.i32Sub);
  constant(out, pageShift);
  out.byte(op.i32ShrU);
  withIndex(out, set, last);
  withIndex(out, get, 0);
  constant(out, pageShift);
  out.byte(op.i32ShrU);
  withIndex(out, set, page);
  // Most ranges are short: memory.fill would cost more than they do.
  out.code(more.loop, emptyBlock);
  withIndex(out, get, page);
  constant(out, 1);
  out.byte(op.store8);
  memoryArgument(out, mapMemory, mapOffset);
  withIndex(out, get, page);
  constant(out, 1);
  out.byte(op.i32Add);
  withIndex(out, tee, page);
  withIndex(out, get, last);
  out.byte(more.i32LeU);
  withIndex(out, more.brIf, 0);
  out.code(op.end, op.end);
}

/**
 * (from, until, step, low, high): what a loop will write that stores `low` to before `high` bytes ahead of a number that begins as `from` and
 * grows by `step` while it is below `until`, or unequal. Never less; where the number would pass 2^32, or never meet `until`, all memory.
 */
export function markStride(
  out: ByteWriter,
  goesOn: Stride['while'],
  { markRange: range, size }: AddedIndices,
  { place }: MapPlan,
): void {
  const [from, until, step, low, high, last, first, end, limit] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const extended = (local: number): void => {
    withIndex(out, get, local);
    out.byte(more.i64ExtendI32U);
  };
  const isAhead = (): void => {
    withIndex(out, get, until);
    withIndex(out, get, from);
    out.byte(op.i32GtU);
  };
  out.code(2, 1, valueTypes.i32, 3, valueTypes.i64);
  // last: the largest number there is a turn for.
  if (goesOn === 'below') {
    withIndex(out, get, from);
    withIndex(out, get, until);
    constant(out, 1);
    out.byte(op.i32Sub);
    withIndex(out, get, from);
    out.byte(op.i32Sub);
    withIndex(out, get, step);
    out.byte(more.i32DivU);
    withIndex(out, get, step);
    out.code(more.i32Mul, op.i32Add);
    withIndex(out, get, from);
    isAhead();
  } else {
    withIndex(out, get, until);
    withIndex(out, get, step);
    out.byte(op.i32Sub);
    constant(out, -1);
    isAhead();
    withIndex(out, get, until);
    withIndex(out, get, from);
    out.byte(op.i32Sub);
    withIndex(out, get, step);
    out.code(more.i32RemU, more.i32Eqz, more.i32And);
  }
  out.byte(more.select);
  withIndex(out, set, last);
  // limit: the size of the memory, in bytes.
  if (place === 'behind-maximum') withIndex(out, op.globalGet, size);
  else out.code(more.memorySize, 0);
  out.code(more.i64ExtendI32U, more.i64Const, 16, more.i64Shl);
  withIndex(out, set, limit);
  // first, end: the bytes that are written.
  extended(from);
  extended(low);
  out.byte(more.i64Add);
  withIndex(out, set, first);
  extended(last);
  extended(high);
  out.byte(more.i64Add);
  withIndex(out, set, end);
  extended(last);
  extended(step);
  out.code(more.i64Add, more.i64Const, 32, more.i64ShrU, more.i64Eqz, more.i32Eqz);
  out.code(op.if, emptyBlock, more.i64Const, 0);
  withIndex(out, set, first);
  withIndex(out, get, limit);
  withIndex(out, set, end);
  out.byte(op.end);
  withIndex(out, get, limit);
  withIndex(out, get, end);
  withIndex(out, get, end);
  withIndex(out, get, limit);
  out.code(more.i64GtU, more.select);
  withIndex(out, set, end);
  withIndex(out, get, first);
  withIndex(out, get, end);
  out.code(more.i64LtU, op.if, emptyBlock);
  withIndex(out, get, first);
  out.byte(more.i32WrapI64);
  // All 4 GiB are one more than a length can say, and one byte less is on the same pages.
  withIndex(out, get, end);
  withIndex(out, get, first);
  out.byte(more.i64Sub);
  withIndex(out, tee, limit);
  withIndex(out, get, limit);
  out.code(more.i64Const, 32, more.i64ShrU, more.i64Sub, more.i32WrapI64);
  withIndex(out, op.call, range);
  out.byte(op.end);
}
