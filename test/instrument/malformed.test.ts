import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { instrument, readLayout } from '../../src/instrument/index.js';
import { mutate } from '../fuzz/mutate.js';
import { Random } from '../reference/random.js';
import { assemble, i32, limits, store8, text, types } from './assembler.js';
import { storeModule } from './store-module.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const seed = Number(process.env['PAGEFERRY_SEED'] ?? 1);
const place = 'behind-maximum';
const read = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(createRequire(import.meta.url).resolve(name)));

/** A module that has something of everything. */
const everySection = assemble({
  firstCustoms: [['dylink.0', [1, 4, 0, 0, 0, 0]]],
  blockTypes: [{ params: [], results: [types.i32] }],
  imports: [[...text('e'), ...text('g'), 3, types.i32, 1]],
  tables: [[types.funcref, ...limits(3)]],
  globals: [[types.v128, 1, 0xfd, 12, ...new Array<number>(16).fill(1), 0x0b]],
  exports: [[...text('mine'), 3, 0]],
  start: 0,
  elements: [[1, 0, 1, 0]],
  data: [[1, 3, 1, 2, 3]],
  functions: [
    {
      code: [0x02, 0, ...i32(8), 0x0b, ...i32(1), ...store8(4), 0xfc, 9, 0, 0xfc, 13, 0],
      export: 'f',
    },
  ],
  customs: [['name', [0, 2, 1, 65]]],
});

/** 'taken', or the code of the refusal; anything else is thrown on. */
function outcomeOf(work: () => unknown): string {
  try {
    work();
    return 'taken';
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    return error.code;
  }
}

describe('bytes that are nearly a module', () => {
  const real = read('lz4-wasm/lz4_wasm_bg.wasm');
  const large = read('sql.js/dist/sql-wasm.wasm');

  it('are refused with a code, wherever they end', () => {
    const { wasm } = storeModule(1, false);
    const whole = instrument(everySection, { place }).wasm;
    for (const module of [everySection, whole, real, wasm]) {
      // At every byte where it is short.
      const stride = module.length < 2000 ? 1 : Math.ceil(module.length / (nightly ? 5000 : 150));
      for (let end = 0; end < module.length; end += stride) {
        const part = module.subarray(0, end);
        const outcome = outcomeOf(() => instrument(part, { place }));
        expect(['ERR_GUEST', 'ERR_UNSUPPORTED', 'taken']).toContain(outcome);
        if (outcome === 'taken') expect(WebAssembly.validate(module.slice(0, end))).toBe(true);
        expect(['ERR_GUEST', 'taken']).toContain(outcomeOf(() => readLayout(part)));
      }
    }
  });

  it.each([
    ['lz4-wasm', real, nightly ? 20_000 : 150],
    ['sql.js', large, nightly ? 2000 : 10],
  ] as const)('are refused or become what is as valid: %s', (_, module, times) => {
    const random = new Random(seed);
    const outcomes = new Map<string, number>();
    for (let time = 0; time < times; time++) {
      const input = mutate(random, module, 1 + random.below(3)).slice();
      const outcome = outcomeOf(() => {
        const { wasm } = instrument(input, { place, maxPages: 64 });
        const wasValid = WebAssembly.validate(input);
        if (wasValid) expect(WebAssembly.validate(wasm)).toBe(true);
      });
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    const codes = [...outcomes.keys()].filter((outcome) => outcome !== 'taken');
    expect(codes.filter((code) => code !== 'ERR_GUEST' && code !== 'ERR_UNSUPPORTED')).toEqual([]);
    expect(outcomes.get('taken')).toBeGreaterThan(0);
  });

  it('are refused where they are noise behind a header', () => {
    const random = new Random(seed);
    for (let time = 0; time < 2000; time++) {
      const input = random.bytes(8 + random.below(300));
      input.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
      const outcome = outcomeOf(() => instrument(input, { place }));
      expect(['ERR_GUEST', 'ERR_UNSUPPORTED']).toContain(outcome);
    }
  });

  it('cost no more than their length allows, however deep or wide', () => {
    const { wasm } = storeModule(1, false);
    expect(wasm.length).toBeLessThan(200_000);
    const deep = (bytes: readonly number[], times: number): Uint8Array => {
      const code = Array.from({ length: times }, () => bytes).flat();
      const body = [0, ...code, 0x0b];
      const size = (count: number): number[] => [
        (count & 127) | 128,
        ((count >> 7) & 127) | 128,
        ((count >> 14) & 127) | 128,
        (count >> 21) & 127,
      ];
      const content = [1, ...size(body.length), ...body];
      const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
      const rest = [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1];
      return Uint8Array.from([...header, ...rest, 10, ...size(content.length), ...content]);
    };
    // Blocks in blocks, values on values, addresses that all wait for their stores.
    for (const bytes of [
      [0x02, 0x40],
      [0x41, 0],
      [0x03, 0x40, 0x41, 0],
    ]) {
      expect(outcomeOf(() => instrument(deep(bytes, 200_000), { place }))).toBe('ERR_GUEST');
    }
    const waiting = Array.from({ length: 100_000 }, () => [0x41, 0, 0x45]).flat();
    const writing = Array.from({ length: 100_000 }, () => [0x41, 0, 0x36, 0, 0]).flat();
    const nested = deep([...waiting, ...writing], 1);
    expect(outcomeOf(() => instrument(nested, { place }))).toBe('taken');
  });
});
