import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/migration/clock.js';
import { Link } from '../../src/migration/link.js';
import { encodeMessage, type Message } from '../../src/protocol/index.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { examples } from '../reference/examples.js';

/** What becomes of a link of that attempt whose peer says these messages, each in a round; it said `sends` itself before. */
async function outcome(
  attempt: number | undefined,
  said: readonly (readonly [Message, round: number])[],
  sends: readonly Message[] = [],
): Promise<{ heard: string[]; code: string | undefined }> {
  const { a, b } = memoryPair();
  const heard: string[] = [];
  return new Promise((resolve) => {
    const link = new Link(b, systemClock, attempt, {
      onMessage: ({ type }) => {
        heard.push(type);
        if (heard.length === said.length) {
          resolve({ heard, code: undefined });
          link.destroy();
        }
      },
      onClosed: ({ code }) => resolve({ heard, code }),
    });
    for (const message of sends) link.send(message);
    for (const [at, [message, round]] of said.entries()) {
      a.send(encodeMessage(message, { seq: at + 1, round, attempt: 1 }));
    }
  });
}

const ack = (seq: number): Message => ({ type: 'ACK', seq, appliedBytes: 0, rereadPages: 0 });

describe('a link', () => {
  it('takes rounds that go on, and frames outside of rounds between them', async () => {
    const { HELLO, ROUND_END, ABORT } = examples;
    expect(
      await outcome(undefined, [
        [HELLO, 0],
        [ROUND_END, 1],
        [ABORT, 0],
        [ROUND_END, 1],
        [ROUND_END, 3],
      ]),
    ).toMatchObject({ code: undefined });
  });

  it('refuses a round that was before', async () => {
    const { HELLO, ROUND_END } = examples;
    expect(
      await outcome(undefined, [
        [HELLO, 0],
        [ROUND_END, 3],
        [ROUND_END, 2],
      ]),
    ).toEqual({ heard: ['HELLO', 'ROUND_END'], code: 'ERR_UNEXPECTED_MESSAGE' });
  });

  it('takes acknowledgements of what was sent, and of nothing else', async () => {
    const sent = [examples.HELLO, examples.ROUND_END];
    expect(await outcome(1, [[ack(2), 0]], sent)).toMatchObject({ heard: ['ACK'] });
    expect(await outcome(1, [[ack(3), 0]], sent)).toEqual({
      heard: [],
      code: 'ERR_UNEXPECTED_MESSAGE',
    });
  });

  it('answers no PING of a source that has not said HELLO', async () => {
    const { PING } = examples;
    // The handler says what becomes of it.
    expect(await outcome(undefined, [[PING, 0]])).toMatchObject({ heard: ['PING'] });
  });
});
