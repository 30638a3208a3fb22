import { describe, expect, it } from 'vitest';
import { instrument } from '../../src/instrument/index.js';
import { Random } from '../reference/random.js';
import {
  assemble,
  type Bytes,
  type FunctionSource,
  get,
  i32,
  limits,
  set,
  store8,
  tee,
  types,
  u32,
} from './assembler.js';
import { Watched } from './written-pages.js';

const hasSecondMemory = Number(process.versions.node.split('.')[0]) >= 22;
const place = hasSecondMemory ? 'second-memory' : 'behind-maximum';
const pages = 4;
const bytes = pages * 65_536;
const params = [types.i32, types.i32];
/** Instructions on (number, until) and (until, number) after which a loop goes on. */
const goesOn = { below: 0x49, above: 0x4b, unequal: 0x47 } as const;

/** Stores at each of `offsets` from the first parameter before it grows by `step`, and at each of `later` after it. */
function loop(
  name: string,
  step: number,
  offsets: readonly number[],
  later: readonly number[],
  condition: Bytes,
): FunctionSource {
  const stores = (all: readonly number[]): number[] =>
    all.flatMap((offset) => [...get(0), ...i32(0x55), 0x36, 0, ...u32(offset)]);
  const grow =
    later.length === 0
      ? [...get(0), ...i32(step), 0x6a, ...tee(0)]
      : [...get(0), ...i32(step), 0x6a, ...set(0), ...stores(later), ...get(0)];
  const code = [0x03, 0x40, ...stores(offsets), ...grow, ...condition, 0x0d, 0, 0x0b];
  return { params, code, export: name };
}

const below = [...get(1), goesOn.below];
const loops: readonly FunctionSource[] = [
  loop('1 below', 1, [0], [], below),
  loop('4 below', 4, [0], [], below),
  loop('7 below, at 3 offsets', 7, [0, 12, 300], [], below),
  loop('16 below, before and after', 16, [8], [0, 4], below),
  loop('4 unequal', 4, [0], [], [...get(1), goesOn.unequal]),
  loop('12 unequal', 12, [0, 4], [], [...get(1), goesOn.unequal]),
  loop('4 below a constant', 4, [0], [], [...i32(70_000), goesOn.below]),
  loop('9 unequal to a constant', 9, [0], [], [...i32(90_000), goesOn.unequal]),
  { ...loop('until above', 4, [0], [], []), code: reversed(goesOn.above) },
  { ...loop('until unequal', 4, [0], [], []), code: reversed(goesOn.unequal) },
];

/** The number is the second operand. */
function reversed(opcode: number): Bytes {
  const grow = [...get(0), ...i32(4), 0x6a, ...set(0)];
  const store = [...get(0), ...i32(0x66), 0x36, 0, 0];
  return [0x03, 0x40, ...store, ...grow, ...get(1), ...get(0), opcode, 0x0d, 0, 0x0b];
}

function watch(functions: readonly FunctionSource[]): Watched {
  const wasm = assemble({ memory: limits(pages, pages), functions });
  return Watched.make(instrument(wasm, { place }).wasm);
}

/** Marks that were put into a module of this one function. */
function marksOf(source: FunctionSource): number {
  const wasm = assemble({ memory: limits(pages, pages), functions: [source] });
  return instrument(wasm, { place }).report.marks;
}

function callAnyway(watched: Watched, name: string, from: number, until: number): void {
  try {
    watched.call(name, from, until);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  }
}

describe('a loop that stores along a line', () => {
  it.each(loops)('is marked once, before it begins, and never too little: $export', (source) => {
    const watched = watch([source]);
    const name = source.export ?? '';
    const random = new Random(5);
    const near = (): number => random.below(bytes / 4096) * 4096 - 8 + random.below(16);
    for (let call = 0; call < 300; call++) {
      const from = Math.max(0, call % 2 === 0 ? near() : random.below(bytes));
      const length = [random.below(40), random.below(20_000), random.below(bytes)][call % 3] ?? 0;
      // Mostly ahead and mostly met.
      let until = from + length - (length % 36);
      if (hasSecondMemory && call % 7 === 0) until = from - length;
      if (hasSecondMemory && call % 5 === 0) until = from + length;
      // Beyond the memory, behind, or never met: such a loop ends by a trap. Behind the maximum it would go on over the map.
      const traps = until <= from || until > bytes - 400 || name.includes('constant');
      if (traps && !hasSecondMemory) continue;
      callAnyway(watched, name, from, until);
      watched.look();
    }
    expect(watched.missed).toBe(0);
    expect(watched.changed).toBeGreaterThan(name.includes('constant') ? -1 : 50);
  });

  it('marks no page that it does not reach', () => {
    const watched = watch([loop('fill', 4, [0], [], below)]);
    watched.call('fill', 4096, 3 * 4096);
    expect(watched.markedPages).toEqual([1, 2]);
    watched.look();
    watched.call('fill', 5000, 5000);
    expect(watched.markedPages).toEqual([1]);
  });

  it.runIf(hasSecondMemory)('marks all there is where the number passes 2^32', () => {
    const around: FunctionSource = {
      params,
      // Its first store is at 8, whatever the number says.
      code: [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(16),
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...below,
        0x0d,
        0,
        0x0b,
      ],
      export: 'around',
    };
    const wasm = assemble({ memory: limits(pages, pages), functions: [around] });
    const watched = Watched.make(instrument(wasm, { place }).wasm);
    callAnyway(watched, 'around', bytes - 40, -1);
    expect(watched.markedPages).toHaveLength(bytes / 4096);
  });

  const counted = loop('counted', 4, [0], [], below);
  const twice = loop('twice', 4, [0, 200], [], below);
  it.each<[what: string, marks: number, code: Bytes]>([
    ['is one mark', 1, counted.code],
    ['is one mark for stores far apart', 1, twice.code],
    // Whatever else may end it, or suspend it, or change what it goes by: marks stay behind their stores.
    [
      'is none where it grows memory',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...i32(0),
        0x40,
        0,
        0x1a,
        ...counted.code.slice(9),
      ],
    ],
    [
      'is none with a branch out',
      2,
      [
        0x02,
        0x40,
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...get(1),
        0x0d,
        1,
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...below,
        0x0d,
        0,
        0x0b,
        0x0b,
      ],
    ],
    [
      'is none where its end moves',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...get(1),
        ...get(1),
        ...i32(8),
        0x6a,
        ...set(1),
        goesOn.below,
        0x0d,
        0,
        0x0b,
      ],
    ],
    [
      'is none where the number grows twice',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...get(0),
        ...i32(4),
        0x6a,
        ...set(0),
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...below,
        0x0d,
        0,
        0x0b,
      ],
    ],
    [
      'is none where the number shrinks',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...get(0),
        ...i32(-4),
        0x6a,
        ...tee(0),
        ...below,
        0x0d,
        0,
        0x0b,
      ],
    ],
    [
      'is none where something else decides',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...below,
        0x45,
        0x0d,
        0,
        0x0b,
      ],
    ],
    [
      'is none with a call in it',
      2,
      [
        0x03,
        0x40,
        ...get(0),
        ...i32(1),
        ...store8(200),
        ...get(0),
        ...i32(1),
        ...store8(0),
        ...i32(0),
        ...i32(0),
        0x10,
        0,
        ...get(0),
        ...i32(4),
        0x6a,
        ...tee(0),
        ...below,
        0x0d,
        0,
        0x0b,
      ],
    ],
  ])('%s', (_, marks, code) => {
    expect(marksOf({ params, code, export: 'f' })).toBe(marks);
  });

  it('is none in memory that another thread sees', () => {
    const wasm = assemble({ memory: limits(pages, pages, true), functions: [twice] });
    expect(instrument(wasm, { place: 'second-memory' }).report.marks).toBe(2);
  });
});
