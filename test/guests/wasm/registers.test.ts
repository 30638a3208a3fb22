import { describe, expect, it } from 'vitest';
import { joinParts, splitParts } from '../../../src/guests/state-parts.js';
import { unknownHostState } from '../../../src/guests/wasm/host-state.js';
import { type WasmGuest, wasmGuest } from '../../../src/guests/wasm/wasm-guest.js';
import { instrument, readLayout } from '../../../src/instrument/index.js';
import { assemble, i32, limits, text, types } from '../../instrument/assembler.js';

const mutable = 1;
const end = 0x0b;
const refNull = (type: number): number[] => [0xd0, type];

/** Every kind of global, a table of three functions that may grow to eight, two segments that are dropped. */
const bytes = assemble({
  globals: [
    [types.i32, mutable, ...i32(7), end],
    [types.i64, mutable, 0x42, 1, end],
    [types.f32, mutable, 0x43, 0, 0, 0, 0, end],
    [types.f64, mutable, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, end],
    [types.v128, mutable, 0xfd, 12, ...new Array<number>(16).fill(0), end],
    [types.funcref, mutable, ...refNull(types.funcref), end],
    [types.externref, mutable, ...refNull(types.externref), end],
  ],
  tables: [[types.funcref, ...limits(3, 8)]],
  elements: [
    [0, ...i32(0), end, 2, 0, 1],
    // Passive.
    [1, 0, 1, 0],
  ],
  data: [[1, ...text('passive')]],
  functions: [
    { results: [types.i32], code: i32(10), export: 'ten' },
    { results: [types.i32], code: i32(20) },
    { code: [0xfc, 9, 0], export: 'dropData' },
    { code: [0xfc, 13, 1], export: 'dropElements' },
  ],
});

/** Registers of a state on its way, and the entries of its only table. */
interface Spoilt {
  readonly all: Record<string, unknown>;
  readonly globals: unknown[];
  readonly table: unknown[];
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));
const lines = (...each: readonly unknown[]): Uint8Array =>
  new TextEncoder().encode(each.map((line) => `${JSON.stringify(line)}\n`).join(''));

interface Machine {
  readonly guest: WasmGuest;
  readonly exports: WebAssembly.Exports;
  global(index: number): WebAssembly.Global;
  readonly table: WebAssembly.Table;
}

async function boot(): Promise<Machine> {
  const { wasm } = instrument(bytes);
  const { instance } = await WebAssembly.instantiate(wasm);
  const { exports } = instance;
  const layout = readLayout(wasm);
  const named = (name: string | null | undefined): unknown => exports[name ?? ''];
  return {
    exports,
    guest: await wasmGuest({ module: wasm, instance }),
    global: (index) => named(layout?.globals[index]?.export) as WebAssembly.Global,
    table: named(layout?.tables[0]?.export) as WebAssembly.Table,
  };
}

function call(found: unknown, ...values: unknown[]): unknown {
  if (typeof found !== 'function') throw new Error('not a function');
  return found(...values);
}

async function carried(from: Machine, to: Machine): Promise<void> {
  await to.guest.loadState(await from.guest.saveState());
}

describe('the registers of a program', () => {
  it('are taken over: globals of every type, to the bit', async () => {
    const [here, there] = [await boot(), await boot()];
    here.global(0).value = -5;
    here.global(1).value = -(2n ** 63n);
    here.global(2).value = 0.1;
    here.global(3).value = -0;
    const vector = readLayout(instrument(bytes).wasm)?.globals[4];
    call(here.exports[vector?.set ?? ''], 1n, -2n);
    here.global(5).value = here.table.get(1);
    await carried(here, there);
    expect([0, 1, 2, 3].map((index) => there.global(index).value)).toEqual([
      -5,
      -(2n ** 63n),
      Math.fround(0.1),
      -0,
    ]);
    expect(vector?.get?.map((half) => call(there.exports[half]))).toEqual([1n, -2n]);
    expect(call(there.global(5).value)).toBe(20);
    expect(there.global(5).value).toBe(there.table.get(1));
  });

  it('are taken over: tables, grown ones too, and which segments were dropped', async () => {
    const [here, there] = [await boot(), await boot()];
    here.table.set(2, here.table.get(1));
    here.table.set(0, null);
    here.table.grow(3, here.exports['ten']);
    call(here.exports['dropElements']);
    await carried(here, there);
    const results = Array.from({ length: there.table.length }, (_, index) => {
      const entry: unknown = there.table.get(index);
      return entry === null ? null : call(entry);
    });
    expect(results).toEqual([null, 20, 20, 10, 10, 10]);
    expect(await there.guest.saveState()).toEqual(await here.guest.saveState());
  });

  it('travel only where every reference can be named', async () => {
    const { guest, table, global } = await boot();
    const other = await boot();
    expect(guest.check()).toEqual([]);
    table.set(2, other.table.get(0));
    expect(guest.check()).toEqual([expect.stringContaining('entry 2 of table 0')]);
    expect(() => guest.describe()).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }) as Error,
    );
    await expect(guest.saveState()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    table.set(2, null);
    global(6).value = { anything: true };
    expect(guest.check()).toEqual([expect.stringContaining('global 6')]);
    global(6).value = null;
    expect(guest.check()).toEqual([]);
  });

  it('travel only where what the host keeps has glue', async () => {
    const wasi = (name: string) => [...text('wasi_snapshot_preview1'), ...text(name), 0, 0];
    const asking = (name: string) =>
      instrument(
        assemble({ imports: [wasi(name)], importedFunctions: 1, functions: [{ code: [] }] }),
      );
    const checked = async (name: string): Promise<readonly string[]> => {
      const imports = { wasi_snapshot_preview1: { [name]: () => 0 } };
      return (await wasmGuest({ module: asking(name).wasm, imports })).check();
    };
    expect(await checked('fd_read')).toEqual([expect.stringContaining('fd_read')]);
    expect(await checked('random_get')).toEqual([]);
    // With the map in a memory of its own, whether this engine could run it or not.
    const module = assemble({
      imports: [wasi('fd_read')],
      importedFunctions: 1,
      functions: [{ code: [] }],
    });
    const { wasm } = instrument(module, { place: 'second-memory' });
    expect(unknownHostState(wasm)).toEqual([expect.stringContaining('fd_read')]);
  });

  it.each<[string, (registers: Spoilt) => void]>([
    ['a function that is not here', ({ table }) => table.splice(1, 1, 99)],
    ['a host function nobody has', ({ table }) => table.splice(1, 1, 'alert')],
    ['a shorter table', ({ table }) => table.pop()],
    ['a table beyond its maximum', ({ table }) => table.push(...new Array(9).fill(null))],
    ['one global less', ({ globals }) => globals.pop()],
    ['a number as an i64', ({ globals }) => globals.splice(1, 1, 3)],
    ['text as a drop', ({ all }) => Object.assign(all, { drops: ['yes', false] })],
    ['no tables', ({ all }) => Object.assign(all, { tables: [] })],
    ['tables that are none', ({ all }) => Object.assign(all, { tables: {} })],
    ['a table that has more than there is', ({ all }) => Object.assign(all, { tables: [8] })],
    ['an object as an entry', ({ table }) => table.splice(1, 1, {})],
    ['an object as globals', ({ all }) => Object.assign(all, { globals: {} })],
  ])('are refused, and nothing has changed, with %s', async (_, spoil) => {
    const [here, there] = [await boot(), await boot()];
    here.global(0).value = 99;
    const state = await here.guest.saveState();
    const [head = state, entries = state, rest = state] = splitParts(state, 3);
    const said = decode(head) as { registers: { globals: unknown[] } };
    const table = decode(entries) as unknown[];
    const { length } = table;
    const { registers } = said;
    const spoilt = { all: registers as Spoilt['all'], globals: registers.globals, table };
    spoil(spoilt);
    if (table.length !== length) spoilt.all['tables'] = [table.length];
    const before = await there.guest.saveState();
    const bad = joinParts([encode(said), lines(table), rest]);
    await expect(there.guest.loadState(bad)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    expect(await there.guest.saveState()).toEqual(before);
  });

  it('have entries in lines of any length, and nothing else', async () => {
    const [here, there] = [await boot(), await boot()];
    here.table.set(2, here.table.get(0));
    const state = await here.guest.saveState();
    const [head = state, entries = state, rest = state] = splitParts(state, 3);
    const [first, ...others] = decode(entries) as unknown[];
    const load = (names: Uint8Array): Promise<void> =>
      there.guest.loadState(joinParts([head, names, rest]));
    const text = new TextEncoder();
    for (const bad of [entries.subarray(0, -1), text.encode('[0],\n'), text.encode('0\n')]) {
      await expect(load(bad)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    }
    expect(await there.guest.saveState()).not.toEqual(state);
    await load(lines([first], [], others));
    expect(await there.guest.saveState()).toEqual(state);
  });

  it('are found by what they are called at the time, though they were the same before', async () => {
    const [here, there] = [await boot(), await boot()];
    await carried(here, there);
    there.table.set(1, null);
    await carried(here, there);
    expect(call(there.table.get(1))).toBe(20);
    here.table.set(1, here.table.get(0));
    await carried(here, there);
    expect(call(there.table.get(1))).toBe(10);
  });

  it('are refused where a segment is gone here that is not gone there', async () => {
    const [here, there] = [await boot(), await boot()];
    call(there.exports['dropData']);
    await expect(carried(here, there)).rejects.toMatchObject({ code: 'ERR_GUEST' });
  });
});
