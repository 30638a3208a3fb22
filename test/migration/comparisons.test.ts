import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { systemClock } from '../../src/migration/clock.js';
import type { StartThread } from '../../src/migration/crew-orders.js';
import { resolveOptions } from '../../src/migration/options.js';
import { SourceDriver } from '../../src/migration/source.js';
import { decodeMessage, encodeMessage, type Message } from '../../src/protocol/index.js';
import type { Channel } from '../../src/transport/channel.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { crewThreads } from '../reference/crew-threads.js';

/** A destination that says `count` times what a page of either leaf holds, and acknowledges nothing. */
function talk(channel: Channel, count: number): void {
  let seq = 0;
  const say = (message: Message): void => {
    seq += 1;
    channel.send(encodeMessage(message, { seq, round: 0, attempt: 1 }));
  };
  channel.onFrame = (frame) => {
    const { message } = decodeMessage(frame);
    if (message.type === 'HELLO') {
      const { minVersion: version } = message;
      const standing = 'new';
      say({ type: 'HELLO_ACK', version, standing, capabilities: 0, lastAppliedSeq: 0 });
    }
    if (message.type !== 'OFFER') return;
    say({ type: 'ACCEPT', bases: ['zero'] });
    for (let index = 0; index < count; index++) {
      const entries = [{ index: (index % 2) * 512, hash: 1n }];
      say({ type: 'HASHES', region: 0, level: 'page', entries, last: true });
    }
  };
}

it('a source whose threads are slow to compare hashes reads few of them ahead, and all in the end', async () => {
  const held: (() => void)[] = [];
  let asked = 0;
  let isHolding = true;
  const threads = crewThreads(() => undefined);
  const start: StartThread = (...args) => {
    const thread = threads(...args);
    return {
      ...thread,
      tell(order) {
        if (order.do === 'page-hashes') asked += 1;
        if (isHolding && asked > 0) held.push(() => thread.tell(order));
        else thread.tell(order);
      },
    };
  };
  let read = 0;
  const { a, b } = memoryPair();
  talk(b, 1000);
  const driver = new SourceDriver({
    guest: bufferGuest(new SharedArrayBuffer(1024 * 4096)),
    connect: async () => a,
    clock: systemClock,
    options: resolveOptions({ workers: 2 }),
    startThread: start,
    emit: () => {},
    onStep: (event) => {
      if (event.type === 'message' && event.message.type === 'HASHES') read += 1;
    },
  });
  const ended = expect(driver.done).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  driver.start();
  for (let turn = 0; turn < 3000; turn++) await nextTurn();
  expect(read).toBe(64);
  expect(asked).toBe(64);
  isHolding = false;
  for (const tell of held) tell();
  while (read < 1000) await nextTurn();
  expect(asked).toBe(1000);
  driver.cancel(new FerryError('ERR_ABORTED', 'seen enough'));
  b.destroy();
  await ended;
});
