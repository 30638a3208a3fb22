import { createHash } from 'node:crypto';
import { createReadStream, promises as fs } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import { inRoom } from './room.js';

const MiB = 2 ** 20;
const sizeMiB = 256;
const times = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 20 : 3;

/** 256 MiB, 60 % of it incompressible, the rest zero, filled or sparse; and an odd end. */
async function writeImage(path: string): Promise<void> {
  const handle = await fs.open(path, 'w');
  for (let at = 0; at < sizeMiB; at += 1) {
    const piece = at % 10 < 6 ? new Random(at + 1).bytes(MiB) : new Uint8Array(MiB);
    if (at % 10 === 6) piece.fill(at);
    if (at % 10 === 7) for (let page = 0; page < MiB; page += 4096) piece[page + 77] = at;
    await handle.write(piece, 0, MiB, at * MiB);
  }
  await handle.write('odd end', sizeMiB * MiB);
  await handle.close();
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

describe('a file of 256 MiB', () => {
  it(
    `arrives whole, ${times} times`,
    ({ task }) =>
      inRoom(async (room) => {
        const file = room.path('image');
        await writeImage(file);
        const expected = await sha256Of(file);
        for (let time = 0; time < times; time += 1) {
          const receiver = await room.receive('--once');
          const sent = await room.send(file, receiver.port).ended();
          const { code, last } = await receiver.process.gone();
          expect([sent.code, code]).toEqual([0, 0]);
          expect(sent.last).toMatchObject({ type: 'completed', verified: 'memory', rounds: 1 });
          expect(last).toMatchObject({ type: 'completed', digest: sent.last?.['digest'] });
          expect(await sha256Of(room.out)).toBe(expected);
          const counts = { transfers: time + 1 };
          record(task, { what: `a file of ${sizeMiB} MiB`, counts });
        }
      })(),
    120_000 * times,
  );
});
