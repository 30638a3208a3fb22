import { constants, promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileGuest } from '../../src/guests/file.js';
import { FileReader } from '../../src/guests/file-reader.js';
import { PAGE_BYTES } from '../../src/memory/pages.js';
import { Random } from '../reference/random.js';

const holePages = 600;
const tailBytes = 100;
let folder = '';
let sparsePath = '';
let content = new Uint8Array();
let canReadDirect = false;

beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'pageferry-'));
  sparsePath = join(folder, 'sparse');
  const data = new Random(3).bytes(5 * PAGE_BYTES + tailBytes);
  content = new Uint8Array(holePages * PAGE_BYTES + data.length);
  content.set(data, holePages * PAGE_BYTES);
  const handle = await fs.open(sparsePath, 'w');
  await handle.write(data, 0, data.length, holePages * PAGE_BYTES);
  await handle.close();
  canReadDirect = await canReadPastCache(sparsePath);
});
afterAll(async () => {
  await fs.rm(folder, { recursive: true });
});

async function canReadPastCache(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECT).catch(() => null);
  await handle?.close();
  return handle !== null;
}

/** How many descriptors of this process read `path` past the cache. */
async function directReaders(path: string): Promise<number> {
  const { O_DIRECT } = constants;
  let count = 0;
  for (const fd of await fs.readdir('/proc/self/fd')) {
    const target = await fs.readlink(`/proc/self/fd/${fd}`).catch(() => '');
    if (target !== path) continue;
    const info = await fs.readFile(`/proc/self/fdinfo/${fd}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '0', 8);
    if ((flags & O_DIRECT) !== 0) count++;
  }
  return count;
}

/** Memory as kernels have it: its pages lie as a disk wants them. */
function kernelMemory(bytes: number): Uint8Array {
  const pages = Math.ceil(bytes / 65536);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

describe('a file that is mostly holes', () => {
  it('is read past the cache, as long as it is open', async ({ skip }) => {
    if (!canReadDirect) skip();
    const guest = await fileGuest(sparsePath);
    expect(await directReaders(sparsePath)).toBe(1);
    await guest.close();
    expect(await directReaders(sparsePath)).toBe(0);
  });

  it('gives the same bytes wherever they are read from, and to', async () => {
    const handle = await fs.open(sparsePath);
    const reader = await FileReader.of(handle, false);
    const memory = kernelMemory(32 * PAGE_BYTES);
    const plain = new Uint8Array(32 * PAGE_BYTES);
    const place = fc.record({
      into: fc.constantFrom(memory, plain),
      position: fc.nat(30 * PAGE_BYTES).map((back) => Math.max(0, content.length - back)),
      offset: fc.nat(PAGE_BYTES),
      length: fc.nat(24 * PAGE_BYTES),
      isAligned: fc.boolean(),
    });
    const align = (value: number) => value - (value % PAGE_BYTES);
    await fc.assert(
      fc.asyncProperty(place, async ({ into, position, offset, length, isAligned }) => {
        const [from, at, bytes] = isAligned
          ? [align(position), align(offset), align(length)]
          : [position, offset, length];
        into.fill(7);
        const got = await reader.read(from, into.subarray(at, at + bytes));
        const expected = content.subarray(from, from + bytes);
        expect(got).toBe(expected.length);
        expect(Buffer.compare(into.subarray(at, at + got), expected)).toBe(0);
      }),
    );
    await reader.close();
    await handle.close();
  });

  it('is read through the cache where something writes it', async () => {
    const guest = await fileGuest(sparsePath, { live: true });
    expect(await directReaders(sparsePath)).toBe(0);
    await guest.close();
  });
});

it('a file without holes is read through the cache', async () => {
  const path = join(folder, 'dense');
  await fs.writeFile(path, new Random(4).bytes(64 * PAGE_BYTES));
  const guest = await fileGuest(path);
  expect(await directReaders(path)).toBe(0);
  await guest.close();
});
