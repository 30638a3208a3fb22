import { bases } from './opcodes.js';
import { valueTypes } from './value-types.js';

/** An instruction that writes where its lowest operand says. */
export interface Store {
  readonly bytes: number;
  /** Types of what it takes besides the address, in their order on the stack. */
  readonly operands: readonly number[];
  readonly kind: 'plain' | 'simd' | 'atomic';
}

const { i32, i64, f32, f64, v128 } = valueTypes;

/** Stores by their number in the table of instructions. */
export const stores: ReadonlyMap<number, Store> = new Map([
  ...plainStores(),
  ...vectorStores(),
  ...atomicStores(),
]);

function* plainStores(): Generator<[number, Store]> {
  const rows = [
    [4, i32],
    [8, i64],
    [4, f32],
    [8, f64],
    [1, i32],
    [2, i32],
    [1, i64],
    [2, i64],
    [4, i64],
  ] as const;
  for (const [index, [bytes, type]] of rows.entries()) {
    yield [0x36 + index, { bytes, operands: [type], kind: 'plain' }];
  }
}

function* vectorStores(): Generator<[number, Store]> {
  yield [bases.vector + 11, { bytes: 16, operands: [v128], kind: 'simd' }];
  for (const [index, bytes] of [1, 2, 4, 8].entries()) {
    yield [bases.vector + 88 + index, { bytes, operands: [v128], kind: 'simd' }];
  }
}

/** Stores, six operations that read, modify and write, and compare and exchange: each in seven widths. */
function* atomicStores(): Generator<[number, Store]> {
  const widths = [
    [4, i32],
    [8, i64],
    [1, i32],
    [2, i32],
    [1, i64],
    [2, i64],
    [4, i64],
  ] as const;
  for (let first = 0x17; first < 0x4f; first += widths.length) {
    const isExchange = first === 0x48;
    for (const [index, [bytes, type]] of widths.entries()) {
      const operands = isExchange ? [type, type] : [type];
      yield [bases.atomic + first + index, { bytes, operands, kind: 'atomic' }];
    }
  }
}
