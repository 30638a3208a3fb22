import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ferryErrorCodes } from '../../src/errors.js';
import { headerBytes } from '../../src/protocol/index.js';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import { FrameProxy, type PassingFrame, type Tamper } from './proxy.js';
import { inRoom, type Receiver, type Room } from './room.js';
import { until } from './until.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
/** Positions tried, evenly spread over all that each side says. */
const sample = 10;
const atATime = 2;

/** A page of zeros, a filled one, one that is nearly empty, and a bit of another: everything small that pages are sent as. */
const imageSeed = 3;
function smallImage(): Uint8Array {
  const image = new Uint8Array(3 * 4096 + 100);
  image.fill(7, 4096, 2 * 4096);
  image.set([1, 2, 3], 2 * 4096 + 500);
  image.set(new Random(imageSeed).bytes(100), 3 * 4096);
  return image;
}

/** Changes what the frame at byte `at` of the first connection does. */
function atByte(
  from: PassingFrame['from'],
  at: number,
  change: (frame: PassingFrame, offset: number) => ReturnType<Tamper>,
): Tamper {
  return (frame) => {
    const offset = at - frame.at;
    const hit = frame.connection === 1 && frame.from === from;
    return hit && offset >= 0 && offset < frame.bytes.length ? change(frame, offset) : 'pass';
  };
}

function flip({ bytes }: PassingFrame, offset: number): { send: Uint8Array } {
  const send = bytes.slice();
  send[offset] = (send[offset] ?? 0) ^ (1 << (offset % 8));
  return { send };
}

/** How many bytes an end says in an undisturbed conversation about `file`. */
async function lengthOf(room: Room, file: string, from: PassingFrame['from']): Promise<number> {
  const receiver = await room.receive('--once');
  const proxy = room.keep(await FrameProxy.open(receiver.port, () => 'pass'));
  await room.send(file, proxy.port).gone();
  await receiver.process.gone();
  await fs.rm(room.out);
  const ends = proxy.frames
    .filter((frame) => frame.from === from)
    .map(({ at, header }) => at + headerBytes + header.bodyBytes);
  return Math.max(...ends);
}

/** Whatever was done to the conversation: either both have the image, or the source says why not and nothing is left. */
async function expectOneTruth(
  room: Room,
  { process, port }: Receiver,
  image: Uint8Array,
  name: string,
  tamper: Tamper,
): Promise<void> {
  const proxy = room.keep(await FrameProxy.open(port, tamper));
  const path = `${room.inbox}/${name}`;
  const sent = await room.send(await room.file(name, image), proxy.port).gone();
  if (sent.code === 0) {
    await process.event('received', (event) => event['path'] === path);
    expect((await fs.readFile(path)).equals(image)).toBe(true);
    await fs.rm(path);
  } else {
    const code = String(sent.last?.['code']);
    expect(sent.last).toMatchObject({ type: 'failed' });
    expect(ferryErrorCodes, name).toContain(code);
    expect(sent.stderr, name).toContain(`pageferry: ${code}: `);
    await until(`nothing is left of ${name}`, async () => {
      return !(await fs.readdir(room.inbox)).some((entry) => entry.includes(name));
    });
  }
  proxy.close();
}

describe.concurrent('a conversation between two processes', () => {
  const changes = [
    { what: 'a flipped bit in', counted: 'flips', change: flip },
    {
      what: 'an end in the middle of',
      counted: 'cutPositions',
      change: ({ bytes }: PassingFrame, offset: number) => ({
        send: bytes.slice(0, offset),
        end: true,
      }),
    },
  ] as const;
  const rows = changes.flatMap((row) =>
    (['source', 'destination'] as const).map((from) => ({ ...row, from })),
  );

  it.for(rows)(
    'ends the same for both, and once, after $what any frame of the $from',
    { timeout: nightly ? 3_600_000 : 120_000 },
    ({ what, counted, change, from }, { task }) =>
      inRoom(async (room) => {
        const image = smallImage();
        const bytes = await lengthOf(room, await room.file('image', image), from);
        const step = nightly ? 1 : bytes / sample;
        const receiver = await room.receive('--out-dir', room.inbox);
        const positions = Array.from({ length: Math.floor(bytes / step) }, (_, index) =>
          Math.floor((index + 0.5) * step),
        );
        let tried = 0;
        const next = async (): Promise<void> => {
          for (let at = positions.shift(); at !== undefined; at = positions.shift()) {
            const name = `at-${at}.`;
            tried += 1;
            await expectOneTruth(room, receiver, image, name, atByte(from, at, change));
          }
        };
        await Promise.all(Array.from({ length: atATime }, next)).finally(() => {
          const frames = `${what} any frame of the ${from}, between two processes`;
          record(task, { what: frames, seeds: [imageSeed], counts: { [counted]: tried } });
        });
        await room.expectEmptyInbox();
        receiver.process.signal('SIGTERM');
        expect(await receiver.process.gone()).toMatchObject({ code: 143 });
      })(),
  );
});
