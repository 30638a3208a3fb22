import { describe, expect, it, type TestContext } from 'vitest';
import { ferryErrorCodes } from '../../src/errors.js';
import { newToken } from '../../src/index.js';
import type { MessageName } from '../../src/protocol/index.js';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import type { RelayFault } from './relay-messages.js';
import { Voyage, type VoyageOptions } from './voyage.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const seed = 24;
const timeoutMs = 60_000;
/** How often each fault is done to each frame, somewhere in it, and how many of all these every run tries. */
const places = nightly ? 3 : 1;
const sampleEvery = nightly ? 1 : 5;
const plan = { seed, sizeBytes: 256 * 4096, bytesPerSecond: 2e6 };
const source = { bytesPerSecond: 2e6, maxDowntimeMs: 10_000 };

interface Frame {
  readonly name: MessageName;
  readonly from: RelayFault['from'];
  /** Frames of this kind that pass before. */
  readonly skip?: number;
  /** Before the destination made room there is nothing to go on with. */
  readonly opens?: true;
}

const frames: readonly Frame[] = [
  { name: 'HELLO', from: 'source', opens: true },
  { name: 'HELLO_ACK', from: 'destination', opens: true },
  { name: 'OFFER', from: 'source', opens: true },
  { name: 'ACCEPT', from: 'destination', opens: true },
  { name: 'PAGES', from: 'source', skip: 3 },
  { name: 'ACK', from: 'destination', skip: 1 },
  { name: 'ROUND_END', from: 'source' },
  { name: 'PREPARE', from: 'source' },
  { name: 'READY', from: 'destination' },
  { name: 'COMMIT', from: 'source' },
  { name: 'RUNNING', from: 'destination' },
];
const faults: readonly RelayFault['what'][] = ['cut', 'half-close', 'flip', 'truncate', 'swallow'];

const random = new Random(seed);
const rows = faults.flatMap((what) =>
  frames.flatMap(({ skip = 0, ...frame }) =>
    Array.from({ length: places }, () => {
      const at = random.u32() / 2 ** 32;
      return { opens: false, ...frame, what, skip, at };
    }),
  ),
);

/** However the weather was: the guest is in one place, and whole. Returns what the source says of it. */
async function expectOneTruth(
  { task, onTestFailed }: TestContext,
  what: string,
  options: Omit<VoyageOptions, 'plan' | 'source'>,
): Promise<string> {
  record(task, { what: 'three processes in bad weather', seeds: [seed], counts: { [what]: 1 } });
  await using voyage = await Voyage.begin({ plan, source, ...options });
  onTestFailed(() => console.error(voyage.story()));
  const { type, code } = await voyage.source.event('the end', (event) =>
    ['completed', 'failed'].includes(event.type),
  );
  if (type === 'failed') expect(ferryErrorCodes).toContain(code);
  await voyage.expectOneOwner(type === 'failed' ? voyage.source : voyage.destination);
  return type;
}

describe.concurrent('a relay that does once to a frame', () => {
  for (const [index, { opens, ...fault }] of rows.entries()) {
    if (index % sampleEvery !== 0) continue;
    const { what, name, from, at } = fault;
    it(
      `this: ${what} ${name} of the ${from} at ${at.toFixed(3)}`,
      async (context) => {
        const type = await expectOneTruth(context, what, { faults: [fault] });
        // What links do costs time; a frame that is missing in an unbroken stream is no link's doing.
        if (!opens && what !== 'swallow') expect(type).toBe('completed');
      },
      timeoutMs,
    );
  }

  it(
    'nothing, but is slow and far away, carries it all the same, under TLS',
    async (context) => {
      const type = await expectOneTruth(context, 'throttle', {
        trust: { token: newToken() },
        relay: { bytesPerSecond: 1_000_000, delayMs: 20 },
      });
      expect(type).toBe('completed');
    },
    timeoutMs,
  );
});
