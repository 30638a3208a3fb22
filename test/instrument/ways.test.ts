import { describe, expect, it } from 'vitest';
import { instrument } from '../../src/instrument/index.js';
import { assemble, get, i32, limits, set, tee, types } from './assembler.js';
import { Watched } from './written-pages.js';

const pages = 4;
describe('what is written', () => {
  it('is marked in a loop with a second way back, past what is put before it', () => {
    const params = [types.i32, types.i32, types.i32];
    const code = [
      0x03,
      0x40,
      ...get(0),
      ...i32(0x55),
      0x36,
      0,
      0,
      ...get(0),
      ...i32(4),
      0x6a,
      ...tee(0),
      ...get(1),
      0x49,
      0x0d,
      0,
      // far = 0x20000; next row, once
      ...get(2),
      ...set(0),
      ...get(2),
      ...i32(8),
      0x6a,
      ...set(1),
      ...get(2),
      ...i32(0),
      ...set(2),
      0x0d,
      0,
      0x0b,
    ];
    const wasm = assemble({
      memory: limits(pages, pages),
      functions: [{ params, code, export: 'f' }],
    });
    const watched = Watched.make(instrument(wasm).wasm);
    watched.call('f', 0, 16, 0x20000);
    watched.look();
    expect(watched.changed).toBeGreaterThan(1);
    expect(watched.missed).toBe(0);
  });

  it('is marked by a bulk operation behind which a call finds no stack', () => {
    // f(page): fill(page*4096, 7, len); f(page+1)
    const params = [types.i32, types.i32];
    const code = [
      ...get(0),
      ...i32(12),
      0x74,
      ...i32(7),
      ...get(1),
      0xfc,
      11,
      0,
      ...get(0),
      ...i32(1),
      0x6a,
      ...get(1),
      0x10,
      0,
    ];
    const wasm = assemble({
      memory: limits(8192, 8192),
      functions: [{ params, code, export: 'f' }],
    });
    const watched = Watched.make(instrument(wasm, { maxPages: 8192 }).wasm);
    expect(() => watched.call('f', 0, 200)).toThrow(RangeError);
    watched.look();
    expect(watched.changed).toBeGreaterThan(10);
    expect(watched.missed).toBe(0);
  });
});
