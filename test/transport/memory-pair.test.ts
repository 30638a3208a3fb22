import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src/protocol/index.js';
import { memoryPair } from '../../src/transport/index.js';
import { channelConformance } from '../conformance/channel.js';

const dispose = () => Promise.resolve();

channelConformance('a memory pair', async () => ({ ...memoryPair(), dispose }));
channelConformance('a memory pair that delivers odd fragments', async () => {
  let turn = 0;
  return { ...memoryPair({ fragment: () => 1 + ((turn++ * 7919) % 60_000) }), dispose };
});

describe('a memory pair', () => {
  const frame = encodeMessage({ type: 'PING', token: 1 }, { seq: 1, round: 0, attempt: 1 });

  it('can be cut after any number of bytes: only whole frames arrived, both ends learn', async () => {
    for (let cutAfterBytes = 1; cutAfterBytes <= 3 * frame.length; cutAfterBytes++) {
      const pair = memoryPair({ cutAfterBytes, fragment: () => 5 });
      let arrived = 0;
      let released = 0;
      pair.b.onFrame = () => void arrived++;
      const closed = [pair.a, pair.b].map(
        (channel) =>
          new Promise((resolve) => {
            channel.onClose = (reason) => resolve(reason?.code);
          }),
      );
      for (let index = 0; index < 3; index++) pair.a.send(frame, () => released++);
      expect(await Promise.all(closed)).toEqual(['ERR_CONNECTION_LOST', 'ERR_CONNECTION_LOST']);
      expect(pair.deliveredBytes).toBe(cutAfterBytes);
      expect(arrived).toBe(Math.floor(cutAfterBytes / frame.length));
      expect(released).toBe(3);
    }
  });

  it('runs in the turns its caller gives it', () => {
    const tasks: (() => void)[] = [];
    const pair = memoryPair({ schedule: (task) => tasks.push(task) });
    let arrived = 0;
    pair.b.onFrame = () => void arrived++;
    pair.a.send(frame);
    expect(arrived).toBe(0);
    for (const task of tasks) task();
    expect(arrived).toBe(1);
  });

  it('copies a frame when it arrives, so that bytes changed before release are seen', () => {
    const tasks: (() => void)[] = [];
    const pair = memoryPair({ schedule: (task) => tasks.push(task) });
    const arrived: Uint8Array[] = [];
    pair.b.onFrame = (bytes) => void arrived.push(bytes.slice());
    const bytes = frame.slice();
    pair.a.send(bytes, () => bytes.fill(0));
    for (const task of tasks) task();
    expect(arrived).toEqual([frame]);
    expect(bytes[0]).toBe(0);
  });
});
