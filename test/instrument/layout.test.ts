import { describe, expect, it } from 'vitest';
import { instrument, readLayout } from '../../src/instrument/index.js';
import { assemble, get, i32, limits, text, types, u32 } from './assembler.js';
import { Watched } from './written-pages.js';

const { i32: i32Type, i64, v128, funcref, externref } = types;
const place = 'behind-maximum';

function globalOf(watched: Watched, name: string | null): WebAssembly.Global {
  const value = watched.exported(name ?? '');
  if (!(value instanceof WebAssembly.Global)) throw new Error(`${name} is no global`);
  return value;
}

function tableOf(watched: Watched, name: string | null | undefined): WebAssembly.Table {
  const value = watched.exported(name ?? '');
  if (!(value instanceof WebAssembly.Table)) throw new Error(`${name} is no table`);
  return value;
}

describe('the layout of an instrumented module', () => {
  it('gives every mutable global a name, and none to a constant', () => {
    const wasm = assemble({
      globals: [
        [i32Type, 1, ...i32(7), 0x0b],
        [i32Type, 0, ...i32(8), 0x0b],
        [i64, 1, 0x42, 9, 0x0b],
      ],
      exports: [[...text('mine'), 3, 2]],
      functions: [],
    });
    const watched = Watched.make(instrument(wasm, { place }).wasm);
    const [first, second, ...others] = watched.layout.globals;
    expect(others).toEqual([]);
    expect(first).toEqual({ index: 0, type: 'i32', export: '__pageferry_global_0', import: null });
    expect(second).toEqual({ index: 2, type: 'i64', export: 'mine', import: null });
    expect(globalOf(watched, first?.export ?? null).value).toBe(7);
    expect(globalOf(watched, second?.export ?? null).value).toBe(9n);
  });

  it('reads and writes a v128 global by its halves', () => {
    const wasm = assemble({
      globals: [[v128, 1, 0xfd, 12, ...Array.from({ length: 16 }, (_, index) => index), 0x0b]],
      functions: [],
    });
    const watched = Watched.make(instrument(wasm, { place }).wasm);
    const [global] = watched.layout.globals;
    expect(global?.export).toBeNull();
    const [low = '', high = ''] = global?.get ?? [];
    expect(watched.call(low)).toBe(0x0706050403020100n);
    expect(watched.call(high)).toBe(0x0f0e0d0c0b0a0908n);
    watched.call(global?.set ?? '', 1n, 2n);
    expect([watched.call(low), watched.call(high)]).toEqual([1n, 2n]);
  });

  it('names imported state by its import too', () => {
    const wasm = assemble({
      imports: [
        [...text('env'), ...text('g'), 3, i32Type, 1],
        [...text('env'), ...text('t'), 1, funcref, ...limits(2)],
      ],
      functions: [],
    });
    const { wasm: out, report } = instrument(wasm, { place });
    const layout = readLayout(out);
    expect(layout?.globals[0]?.import).toEqual(['env', 'g']);
    expect(layout?.tables[0]).toMatchObject({ import: ['env', 't'], min: 2, max: null });
    expect(report.willNotTravel.map(({ what }) => what)).toEqual([
      'imported-global',
      'imported-table',
    ]);
    const global = new WebAssembly.Global({ value: 'i32', mutable: true }, 3);
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 2 });
    const watched = Watched.make(out, { env: { g: global, t: table } });
    expect(globalOf(watched, layout?.globals[0]?.export ?? null)).toBe(global);
    expect(tableOf(watched, layout?.tables[0]?.export)).toBe(table);
  });

  it('numbers every function that a reference can be made to, in order', () => {
    const constant = (value: number, name?: string) => ({
      results: [i32Type],
      code: i32(value),
      ...(name === undefined ? {} : { export: name }),
    });
    const wasm = assemble({
      tables: [[funcref, ...limits(4)]],
      globals: [[funcref, 1, 0xd2, 2, 0x0b]],
      elements: [
        [0, ...i32(1), 0x0b, ...u32(1), 3],
        [3, 0, ...u32(1), 4],
      ],
      functions: [
        constant(0),
        constant(1, 'one'),
        constant(2),
        constant(3),
        // Declared in a segment, referenced in code only.
        { results: [funcref], code: [0xd2, 4], export: 'four' },
      ],
    });
    const watched = Watched.make(instrument(wasm, { place }).wasm);
    const { functions, tables } = watched.layout;
    expect(functions?.count).toBe(4);
    const table = tableOf(watched, functions?.export);
    expect(table.length).toBe(4);
    expect([0, 1, 2, 3].map((index) => table.get(index).name)).toEqual(['1', '2', '3', '4']);
    expect(tableOf(watched, tables[0]?.export).get(1)).toBe(table.get(2));
  });

  it('has no functions where no state can hold one', () => {
    const wasm = assemble({ functions: [{ code: [], export: 'f' }] });
    expect(readLayout(instrument(wasm, { place }).wasm)?.functions).toBeNull();
  });

  it('says of segments whether they were dropped, and drops them', () => {
    const wasm = assemble({
      tables: [[funcref, ...limits(4)]],
      elements: [[1, 0, ...u32(1), 0]],
      data: [
        [1, 1, 65],
        [1, 1, 66],
      ],
      functions: [
        { code: [0xfc, 9, 1, 0xfc, 9, 1, 0xfc, 13, 0], export: 'drop' },
        { code: [...i32(0), ...i32(0), ...i32(1), 0xfc, 8, 1, 0], export: 'init' },
      ],
    });
    const { wasm: out } = instrument(wasm, { place });
    const watched = Watched.make(out);
    const { drops } = watched.layout;
    expect(drops.map(({ kind, index }) => [kind, index])).toEqual([
      ['data', 1],
      ['elem', 0],
    ]);
    const dropped = (one: Watched): unknown[] =>
      drops.map(({ global }) => globalOf(one, global).value);
    expect(dropped(watched)).toEqual([0, 0]);
    watched.call('init');
    watched.call('drop');
    expect(dropped(watched)).toEqual([1, 1]);
    expect(() => watched.call('init')).toThrow(WebAssembly.RuntimeError);
    const restored = Watched.make(out);
    for (const { drop } of drops) restored.call(drop);
    expect(dropped(restored)).toEqual([1, 1]);
    expect(() => restored.call('init')).toThrow(WebAssembly.RuntimeError);
  });

  it('keeps or strips the start function', () => {
    const code = [...i32(5), ...i32(1), 0x3a, 0, 0];
    const wasm = assemble({ functions: [{ code }], start: 0 });
    const kept = Watched.make(instrument(wasm, { place }).wasm);
    expect(kept.layout.start).toEqual({ function: 0, kept: true });
    expect(kept.memory[5]).toBe(1);
    const stripped = Watched.make(instrument(wasm, { place, start: 'strip' }).wasm);
    expect(stripped.layout.start).toEqual({ function: 0, kept: false });
    expect(stripped.memory[5]).toBe(0);
  });

  it('exports a memory that nothing exports', () => {
    const wasm = assemble({
      memory: null,
      imports: [[...text('e'), ...text('m'), 2, ...limits(1)]],
      functions: [],
    });
    expect(() => instrument(wasm, { place })).toThrow(/scanning tracker/);
    const layout = readLayout(instrument(wasm, { place: 'second-memory' }).wasm);
    expect(layout?.memory).toEqual({
      export: '__pageferry_memory',
      import: ['e', 'm'],
      minPages: 1,
      maxPages: 65_536,
      shared: false,
    });
    expect(layout?.map).toEqual({ place: 'second-memory', export: '__pageferry_map' });
  });

  it('is not there in other modules, and refused where it is none', () => {
    const wasm = assemble({ functions: [] });
    expect(readLayout(wasm)).toBeUndefined();
    const encode = (value: unknown): number[] => [
      ...new TextEncoder().encode(JSON.stringify(value)),
    ];
    const layout = readLayout(instrument(wasm, { place }).wasm);
    const withLayout = (value: unknown): Uint8Array =>
      assemble({ functions: [], customs: [['pageferry.write-log', encode(value)]] });
    expect(readLayout(withLayout(layout))).toEqual(layout);
    for (const wrong of [
      null,
      [],
      {},
      { ...layout, version: 2 },
      { ...layout, headBytes: -1 },
      { ...layout, more: 1 },
      { ...layout, globals: [{}] },
      { ...layout, map: { place: 'elsewhere' } },
    ]) {
      expect(() => readLayout(withLayout(wrong))).toThrow(
        expect.objectContaining({ code: 'ERR_GUEST' }),
      );
    }
  });

  it('keeps dylink.0 first and names, and leaves out what speaks of bytes of the code', () => {
    const wasm = assemble({
      firstCustoms: [['dylink.0', [1, 4, 0, 0, 0, 0]]],
      functions: [{ code: [], export: 'f' }],
      customs: [
        ['name', [0, 2, 1, 65]],
        ['.debug_info', [1, 2, 3]],
        ['sourceMappingURL', text('here')],
        ['metadata.code.branch_hint', [0]],
        ['producers', [0]],
      ],
    });
    const { wasm: out, report } = instrument(wasm, { place });
    expect(report.leftOut).toEqual([
      '.debug_info',
      'sourceMappingURL',
      'metadata.code.branch_hint',
    ]);
    expect([...out.subarray(8, 19)]).toEqual([0, 15, ...text('dylink.0')]);
    const module = new WebAssembly.Module(out);
    const customs = (name: string): number[][] =>
      WebAssembly.Module.customSections(module, name).map((bytes) => [...new Uint8Array(bytes)]);
    expect(customs('dylink.0')).toEqual([[1, 4, 0, 0, 0, 0]]);
    expect(customs('name')).toEqual([[0, 2, 1, 65]]);
    expect(customs('producers')).toEqual([[0]]);
    expect(customs('.debug_info')).toEqual([]);
  });

  it('lists externref, which stays in JavaScript', () => {
    const wasm = assemble({
      tables: [[externref, ...limits(1)]],
      globals: [[externref, 1, 0xd0, externref, 0x0b]],
      functions: [],
    });
    const { report } = instrument(wasm, { place });
    expect(report.willNotTravel).toEqual([
      { what: 'externref-global', index: 0, import: null },
      { what: 'externref-table', index: 0, import: null },
    ]);
  });
});

describe('a map behind the maximum', () => {
  const grows = {
    params: [i32Type],
    results: [i32Type],
    code: [...get(0), 0x40, 0],
    export: 'grow',
  };
  const size = { results: [i32Type], code: [0x3f, 0], export: 'size' };

  it('leaves the program its own size, and lets it grow to its maximum', () => {
    const watched = Watched.make(
      instrument(assemble({ functions: [grows, size] }), { place }).wasm,
    );
    expect(watched.call('size')).toBe(1);
    expect(watched.call('grow', 1)).toBe(1);
    expect(watched.call('grow', 2)).toBe(-1);
    expect(watched.call('grow', -1)).toBe(-1);
    expect(watched.call('size')).toBe(2);
    expect(watched.memory).toHaveLength(2 * 65_536);
    expect(watched.call('grow', 1)).toBe(2);
    expect(watched.call('grow', 0)).toBe(3);
    expect(watched.call('grow', 1)).toBe(-1);
  });

  it('gives a program that cannot grow by itself all there is', () => {
    const watched = Watched.make(instrument(assemble({ functions: [size] }), { place }).wasm);
    expect(watched.call('size')).toBe(3);
    expect(watched.layout.memory).toMatchObject({ minPages: 3, maxPages: 3 });
  });

  it.each([
    { memory: limits(1), functions: [grows], to: [1, 32_768] },
    { memory: limits(1), functions: [], to: [8192, 8192] },
    { memory: limits(1, 40_000), functions: [], to: [8192, 8192] },
    { memory: limits(9000), functions: [], to: [9000, 9000] },
    { memory: limits(1, 40_000), functions: [grows], to: [1, 40_000] },
    { memory: limits(1, 65_536), functions: [grows], to: [1, 65_520] },
    { memory: limits(2), functions: [grows], maxPages: 5, to: [2, 5] },
    { memory: limits(2, 4), functions: [grows], maxPages: 5, to: [2, 4] },
    { memory: limits(2), functions: [grows], maxPages: 1, to: [2, 2] },
    { memory: limits(2), functions: [], maxPages: 10_000, to: [10_000, 10_000] },
  ])('leaves $memory from and to $to pages', ({ memory, functions, maxPages, to }) => {
    const options = { place, ...(maxPages === undefined ? {} : { maxPages }) } as const;
    const { wasm } = instrument(assemble({ memory, functions }), options);
    const layout = readLayout(wasm)?.memory;
    expect([layout?.minPages, layout?.maxPages]).toEqual(to);
    expect(WebAssembly.validate(wasm)).toBe(true);
  });
});
