import { describe, expect, it } from 'vitest';
import { instrument, readLayout } from '../../src/instrument/index.js';
import { assemble, get, i32, limits, store8, text, types } from './assembler.js';

const end = 0x0b;
const memoryImport = [...text('env'), ...text('memory'), 2, ...limits(1, 4, true)];

describe('a module that gets no map', () => {
  it('has names for its state, and the code it had', () => {
    const bytes = assemble({
      imports: [memoryImport],
      memory: null,
      globals: [[types.i32, 1, ...i32(7), end]],
      functions: [
        { params: [types.i32], code: [...get(0), ...i32(1), ...store8(3)] },
        { params: [types.i32], code: [...get(0), ...get(0), ...get(0), 0xfc, 11, 0] },
      ],
    });
    const { wasm, report } = instrument(bytes, { place: 'none' });
    expect(WebAssembly.validate(wasm)).toBe(true);
    const layout = readLayout(wasm);
    expect(layout).toMatchObject({
      map: { place: 'none' },
      memory: { import: ['env', 'memory'], minPages: 1, maxPages: 4, shared: true },
      globals: [{ index: 0, type: 'i32' }],
    });
    expect(report).toMatchObject({ stores: 1, bulkOperations: 1, marks: 0, place: 'none' });
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    const module = new WebAssembly.Module(wasm);
    expect(WebAssembly.Module.exports(module).map(({ kind }) => kind)).toEqual([
      'memory',
      'global',
    ]);
    new WebAssembly.Instance(module, { env: { memory } });
    const code = Buffer.from(bytes.subarray(bytes.lastIndexOf(10)));
    expect(Buffer.from(wasm).includes(code)).toBe(true);
  });
});
