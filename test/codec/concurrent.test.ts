import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import { MarksTracker } from '../../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../../src/memory/scan-trackers.js';
import { testRegion } from '../reference/regions.js';
import { MIB, newCapture, secret } from './ends.js';

const pages = 300;

test.each([
  ['marks', MIB * 4],
  ['marks', 0],
  ['hash', 0],
  ['compare', MIB * 4],
] as const)(
  'pages written by another thread all the time arrive untorn: %s, shadow of %i',
  async (tracker, shadowBytes) => {
    const memory = new WebAssembly.Memory({ initial: 20, maximum: 20, shared: true });
    const source = {
      ...testRegion(new Uint8Array(memory.buffer, 0, pages * 4096 - 100), { concurrent: true }),
      byteLength: pages * 4096 - 100,
      linearMemory: () => memory,
    };
    const marks = new MarksTracker([source], { shared: true });
    const scan = tracker === 'hash' ? new HashTracker() : new CompareTracker();
    const capture = newCapture([source], tracker === 'marks' ? marks : scan, { shadowBytes });
    const destination = testRegion(new Uint8Array(source.byteLength), { fresh: true });
    const apply = new ApplyEngine([destination], { secret });
    capture.setBase(0, 'zero');

    const control = new SharedArrayBuffer(8);
    const state = new Int32Array(control);
    const worker = new Worker(new URL('writer.mjs', import.meta.url), {
      workerData: {
        memory: memory.buffer,
        length: source.byteLength,
        marks: marks.layoutOf(0).buffer,
        control,
      },
    });
    await once(worker, 'message');

    const round = async () => {
      capture.takeDirty();
      for (let exhausted = false; !exhausted; ) {
        const result = await capture.capture({ maxPayloadBytes: MIB, maxPages: 10_000 });
        exhausted = result.exhausted;
        if (result.frame === undefined) continue;
        const { bytes, tableBytes } = result.frame;
        await apply.apply(bytes.subarray(40), tableBytes);
        result.frame.release();
      }
    };
    for (let rounds = 0; rounds < 30 || Atomics.load(state, 1) < 3000; rounds++) {
      await round();
      await capture.audit(64);
      await new Promise(setImmediate);
    }
    Atomics.store(state, 0, 1);
    await once(worker, 'message');
    await worker.terminate();
    await round();
    await capture.settleAudit();

    expect(Buffer.compare(destination.bytes, source.memory?.() ?? new Uint8Array())).toBe(0);
    expect(apply.roots()).toEqual(capture.roots());
    expect(await apply.reread(10_000)).toEqual([]);
  },
);
