import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileReader } from '../../src/guests/file-reader.js';
import { ReadAhead } from '../../src/guests/read-ahead.js';
import { Random } from '../reference/random.js';

const MiB = 2 ** 20;
const content = new Random(5).bytes(5 * MiB + 777);
let folder = '';
let path = '';

beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'pageferry-'));
  path = join(folder, 'file');
  await fs.writeFile(path, content);
});
afterAll(() => fs.rm(folder, { recursive: true }));

/** `use` gets a reader of the file, and how often the system was asked so far. */
async function reading(
  use: (ahead: ReadAhead, asked: () => number) => Promise<void>,
  before: (handle: FileHandle) => void = () => {},
): Promise<void> {
  const handle = await fs.open(path);
  const read = handle.read.bind(handle);
  let asked = 0;
  handle.read = ((...args: Parameters<typeof read>) => {
    asked += 1;
    return read(...args);
  }) as typeof handle.read;
  before(handle);
  const ahead = new ReadAhead(await FileReader.of(handle, false));
  try {
    await use(ahead, () => asked);
  } finally {
    await ahead.close();
    await handle.close();
  }
}

async function bytesAt(ahead: ReadAhead, position: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  return into.subarray(0, await ahead.read(position, into));
}

describe('reading ahead', () => {
  it('gives the file, wherever it is read and in whatever order', async () => {
    const stretch = fc.record({
      // Now and then on from where the last one ended.
      position: fc.option(fc.nat(content.length + 5000)),
      length: fc.nat(2 * MiB),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(stretch, { maxLength: 12 }), (stretches) =>
        reading(async (ahead) => {
          let end = 0;
          for (const { position, length } of stretches) {
            const from = position ?? end;
            const got = await bytesAt(ahead, from, length);
            expect(Buffer.compare(got, content.subarray(from, from + length))).toBe(0);
            end = from + got.length;
          }
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('gives the file to several who read different parts of it at the same time', async () => {
    // As the channels of a migration do: each from front to back, a little before or behind the others, and waited for in any order.
    const place = fc.nat(80).map((number) => number * 50_000);
    const readers = fc.array(place, { minLength: 2, maxLength: 4 });
    const turns = fc.array(fc.record({ reader: fc.nat(3), waits: fc.boolean() }), {
      maxLength: 120,
    });
    const stretch = 100_000;
    await fc.assert(
      fc.asyncProperty(readers, turns, (places, order) =>
        reading(async (ahead) => {
          const at = [...places];
          const reads: Promise<void>[] = [];
          for (const { reader, waits } of order) {
            const which = reader % at.length;
            const from = at[which] ?? 0;
            at[which] = from + stretch;
            const read = bytesAt(ahead, from, stretch).then((got) => {
              expect(Buffer.compare(got, content.subarray(from, from + stretch))).toBe(0);
            });
            if (waits) await read;
            else reads.push(read);
          }
          await Promise.all(reads);
        }),
      ),
      { numRuns: 100 },
    );
  });

  it('gives the file to who asks in the moment a piece has come, while another wants its place', async () => {
    for (let turns = 0; turns < 16; turns++) {
      // A file system that answers when it is told to, and whose bytes are there from the question on.
      const answers: (() => void)[] = [];
      const later = async (position: number, length: number, ahead: ReadAhead) => {
        for (let turn = 0; turn < turns; turn++) await undefined;
        return bytesAt(ahead, position, length);
      };
      await reading(
        async (ahead) => {
          const first = bytesAt(ahead, 0, 100);
          const second = later(100, MiB - 100, ahead);
          answers.shift()?.();
          const third = later(MiB, 100, ahead);
          const answering = setInterval(() => answers.shift()?.());
          const got = Buffer.concat(await Promise.all([first, second, third]));
          expect(Buffer.compare(got, content.subarray(0, MiB + 100))).toBe(0);
          while (answers.length > 0) await nextTurn();
          clearInterval(answering);
        },
        (handle) => {
          const read = (into: Uint8Array, at: number, length: number, position: number) => {
            const bytes = content.subarray(position, position + length);
            into.set(bytes, at);
            const answer = { bytesRead: bytes.length, buffer: into };
            return new Promise((resolve) => answers.push(() => resolve(answer)));
          };
          Object.assign(handle, { read });
        },
      );
    }
  });

  it('asks the system a piece at a time where small stretches follow each other', async () => {
    await reading(async (ahead, asked) => {
      const stretch = 40_000;
      let isHere = 0;
      for (let at = 0; at < content.length; at += stretch) {
        const into = new Uint8Array(Math.min(stretch, content.length - at));
        const got = ahead.read(at, into);
        if (typeof got === 'number') isHere += 1;
        expect(await got).toBe(into.length);
        expect(Buffer.compare(into, content.subarray(at, at + into.length))).toBe(0);
      }
      // Pieces that the file fills, its end, and what lies behind it; the end is asked for twice, as it is short.
      expect(asked()).toBeLessThanOrEqual(5 + 2 + 1);
      expect(isHere).toBeGreaterThan(100);
    });
  });

  it('reads no more than is asked for here and there', async () => {
    await reading(async (ahead, asked) => {
      for (const at of [3 * MiB, MiB, 4 * MiB]) await bytesAt(ahead, at, 4096);
      expect(asked()).toBe(3);
    });
  });

  it('says what went wrong to whoever wanted the bytes, and is asked again', async () => {
    let left = 0;
    await reading(
      async (ahead) => {
        left = 1;
        await expect(bytesAt(ahead, 0, 4096)).rejects.toThrow('the disk is tired');
        expect(await bytesAt(ahead, 0, 4096)).toEqual(content.subarray(0, 4096));
      },
      (handle) => {
        const read = handle.read;
        handle.read = ((...args: Parameters<typeof read>) =>
          left-- === 1
            ? Promise.reject(new Error('the disk is tired'))
            : read(...args)) as typeof read;
      },
    );
  });

  it('ends what it began before the file is closed', async () => {
    await reading(async (ahead) => {
      let isRead = false;
      const read = Promise.resolve(ahead.read(0, new Uint8Array(4096))).then(() => {
        isRead = true;
      });
      await ahead.close();
      expect(isRead).toBe(true);
      await read;
    });
  });
});
