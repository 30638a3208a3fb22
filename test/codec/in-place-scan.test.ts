import { describe, expect, test } from 'vitest';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { Random } from '../reference/random.js';
import { testRegion } from '../reference/regions.js';
import { captureAll, newCapture, sent } from './ends.js';

/** A region that is the start of a WebAssembly memory, and counts how often its bytes are handed out. */
function wasmRegion(byteLength: number) {
  const memory = new WebAssembly.Memory({ initial: 40, maximum: 60 });
  const region = {
    ...testRegion(new Uint8Array(0)),
    byteLength,
    maxByteLength: 60 * 65_536,
    copies: 0,
    memory() {
      region.copies++;
      return new Uint8Array(memory.buffer, 0, region.byteLength);
    },
    linearMemory: () => memory,
  };
  new Uint8Array(memory.buffer).set(new Random(8).bytes(40 * 65_536));
  return { memory, region };
}

const change = (memory: WebAssembly.Memory, at: number) => {
  const bytes = new Uint8Array(memory.buffer);
  bytes[at] = (bytes[at] ?? 0) + 1;
};

describe.each([0, 64 << 20])('a WebAssembly memory found by hashes (shadow %i)', (shadowBytes) => {
  test('is looked at in place: only pages that changed are copied', async () => {
    const { memory, region } = wasmRegion(600 * 4096);
    const capture = newCapture([region], new HashTracker(), { shadowBytes });
    expect(sent(await captureAll(capture))).toHaveLength(600);
    region.copies = 0;
    capture.takeDirty();
    expect(capture.dirtyPages).toBe(600);
    expect(await captureAll(capture)).toEqual([]);
    expect(region.copies).toBe(0);
    for (const page of [3, 4, 255, 256, 599]) change(memory, page * 4096);
    capture.takeDirty();
    const kind = shadowBytes === 0 ? 'raw' : 'delta';
    const pages = [3, 4, 255, 256, 599].map((page) => `0:${page} ${kind}`);
    expect(sent(await captureAll(capture))).toEqual(pages);
    expect(region.copies).toBe(4);
  });

  test('is looked at in place in each of its pieces', async () => {
    const { memory, region } = wasmRegion(0);
    const from = 512 * 4096;
    const piece = Object.assign(region, {
      byteLength: 100 * 4096,
      partOf: { region: 5, firstPage: 512 },
      memory() {
        region.copies++;
        return new Uint8Array(memory.buffer, from, region.byteLength);
      },
    });
    const capture = newCapture([piece], new HashTracker(), { shadowBytes });
    expect(sent(await captureAll(capture))).toHaveLength(100);
    region.copies = 0;
    change(memory, 4096);
    change(memory, from + 7 * 4096);
    capture.takeDirty();
    const kind = shadowBytes === 0 ? 'raw' : 'delta';
    expect(sent(await captureAll(capture))).toEqual([`5:519 ${kind}`]);
    expect(region.copies).toBe(1);
  });

  test('is sent whole where the base is not known, and unchanged pages after a repair', async () => {
    const { region } = wasmRegion(300 * 4096);
    const capture = newCapture([region], new HashTracker(), { shadowBytes });
    await captureAll(capture);
    capture.takeDirty();
    capture.repair(0, [17, 290]);
    expect(sent(await captureAll(capture))).toEqual(['0:17 raw', '0:290 raw']);
  });

  test('does not mistake what lies behind a partial last page for a change, and sees its own', async () => {
    const { memory, region } = wasmRegion(299 * 4096 + 10);
    const capture = newCapture([region], new HashTracker(), { shadowBytes });
    await captureAll(capture);
    change(memory, 299 * 4096 + 10);
    capture.takeDirty();
    expect(await captureAll(capture)).toEqual([]);
    change(memory, 299 * 4096 + 9);
    capture.takeDirty();
    expect(sent(await captureAll(capture))).toHaveLength(1);
  });

  test('may grow', async () => {
    const { memory, region } = wasmRegion(640 * 4096);
    const capture = newCapture([region], new HashTracker(), { shadowBytes });
    await captureAll(capture);
    memory.grow(20);
    region.byteLength = 960 * 4096;
    change(memory, 900 * 4096);
    capture.takeDirty();
    capture.syncRegions([region]);
    expect(sent(await captureAll(capture))).toEqual(['0:900 delta']);
  });
});
