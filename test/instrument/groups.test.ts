import { describe, expect, it } from 'vitest';
import { instrument } from '../../src/instrument/index.js';
import { assemble, type Bytes, get, i32, limits, set, store8, text, types } from './assembler.js';

const place = 'second-memory';
const at = (offset: number): Bytes => [...get(0), ...i32(1), ...store8(offset)];

/** Marks that were put in for a function of one parameter, and an import to call. */
function marksOf(code: Bytes, shared = false): number {
  const wasm = assemble({
    blockTypes: [{ params: [], results: [] }],
    imports: [[...text('e'), ...text('f'), 0, 0]],
    importedFunctions: 1,
    memory: limits(1, 3, shared),
    functions: [{ params: [types.i32, types.i32], code }],
  });
  expect(WebAssembly.validate(wasm)).toBe(true);
  return instrument(wasm, { place }).report.marks;
}

describe('stores that are near each other', () => {
  it.each<[what: string, marks: number, code: Bytes]>([
    ['share a mark', 1, [...at(8), ...at(0), ...at(127)]],
    ['do not where they are too far apart', 2, [...at(0), ...at(128)]],
    ['do not with a call between them', 2, [...at(0), 0x10, 0, ...at(4)]],
    ['do not where their base has changed', 2, [...at(0), ...i32(9), ...set(0), ...at(0)]],
    [
      'do with a block that leaves their base alone',
      1,
      [...at(0), 0x02, 0x40, ...at(1), 0x0b, ...at(4)],
    ],
    [
      'do not where a block may not have been gone through',
      2,
      [0x02, 0x40, ...get(1), 0x0d, 0, ...at(0), 0x0b, ...at(0)],
    ],
    [
      'do not where a call in a block was between them',
      3,
      [...at(0), 0x02, 0x40, 0x10, 0, ...at(0), 0x0b, ...at(4)],
    ],
    ['do not in two halves of an if', 2, [...get(1), 0x04, 0x40, ...at(0), 0x05, ...at(0), 0x0b]],
    [
      'do after a mark before the if',
      1,
      [...at(0), ...get(1), 0x04, 0x40, ...at(4), 0x05, ...at(8), 0x0b, ...at(12)],
    ],
    [
      'do not where a loop may come back to the second',
      2,
      [...at(0), 0x03, 0x40, ...at(0), ...get(1), 0x0d, 0, 0x0b],
    ],
    [
      'do on a page that a constant says',
      1,
      [...i32(4096), ...i32(1), ...store8(0), ...i32(0), ...i32(1), ...store8(8100)],
    ],
    [
      'do not on two of those',
      2,
      [...i32(4096), ...i32(1), ...store8(0), ...i32(8192), ...i32(1), ...store8(200)],
    ],
    ['need none where nothing comes to them', 0, [0x00, ...at(0)]],
  ])('%s', (_, marks, code) => {
    expect(marksOf(code)).toBe(marks);
  });

  it('each have their own in memory that another thread sees', () => {
    expect(marksOf([...at(8), ...at(0), ...at(127)], true)).toBe(3);
  });
});
