import { expect, test, vi } from 'vitest';
import { instantiateKernels } from '../../src/core/kernels.js';

test('two instances over one shared memory see the same bitmap', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const here = instantiateKernels(memory);
  const there = instantiateKernels(memory);
  expect(here.bitmapSet(64, 5)).toBe(0);
  expect(there.bitmapSet(64, 5)).toBe(1);
});

test('what is not a WebAssembly memory is refused', () => {
  expect(() => instantiateKernels({ buffer: new ArrayBuffer(8) })).toThrow(TypeError);
});

test('a big-endian machine is refused', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const swapped = { of: () => new Uint8Array([0, 0, 0, 1]) };
  vi.stubGlobal('Uint32Array', swapped);
  try {
    expect(() => instantiateKernels(memory)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  } finally {
    vi.unstubAllGlobals();
  }
  instantiateKernels(memory);
});
