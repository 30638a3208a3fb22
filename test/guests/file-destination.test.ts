import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiskRoom } from '../../src/guests/disk-room.js';
import { FileDestination, fileDestination } from '../../src/guests/file-destination.js';
import { pathInFolder } from '../../src/guests/file-name.js';
import { createPartial, letGo } from '../../src/guests/partial-file.js';
import type { Region } from '../../src/memory/region.js';

let folder = '';
beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'pageferry-'));
});
afterAll(async () => {
  await fs.rm(folder, { recursive: true });
});

let places = 0;
/** A folder of its own for each test. */
async function newPlace(): Promise<{ path: string; partial: string; names(): Promise<string[]> }> {
  places++;
  const own = join(folder, String(places));
  await fs.mkdir(own);
  return {
    path: join(own, 'copy.img'),
    partial: join(own, '.copy.img.pageferry-partial'),
    names: () => fs.readdir(own),
  };
}

/** On the disk that tests write to. */
async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await fs.statfs(folder);
  return bavail * bsize;
}

function regionOf(guest: FileDestination): Region {
  const [region] = guest.regions;
  if (region === undefined) throw new Error('a file has a region');
  return region;
}

describe('a file being received', () => {
  it('is a partial file that only its owner can read until it starts, and then in its place', async () => {
    const { path, names } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 5000, name: 'disk.img' });
    const region = regionOf(guest);
    expect([region.name, region.byteLength, region.fresh]).toEqual(['disk.img', 5000, true]);
    expect(await names()).toEqual(['.copy.img.pageferry-partial']);
    await region.write(4998, Uint8Array.of(1, 2));
    expect(region.fresh).toBe(false);
    await guest.resume();
    await guest.resume();
    await guest.discard();
    expect(await names()).toEqual(['copy.img']);
    const stats = await fs.stat(path);
    expect([stats.size, stats.mode & 0o777]).toEqual([5000, 0o600]);
    expect([...(await fs.readFile(path)).subarray(4996)]).toEqual([0, 0, 1, 2]);
  });

  it('replaces what was there before', async () => {
    const { path } = await newPlace();
    await fs.writeFile(path, 'old');
    const guest = await fileDestination(path, { byteLength: 3 });
    expect(await fs.readFile(path, 'utf8')).toBe('old');
    await regionOf(guest).write(0, Buffer.from('new'));
    await guest.resume();
    expect(await fs.readFile(path, 'utf8')).toBe('new');
  });

  it('may be empty', async () => {
    const { path } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 0 });
    await guest.resume();
    expect((await fs.stat(path)).size).toBe(0);
  });

  it('holds whatever was written last, wherever and however long, and reads it back', async () => {
    const { path } = await newPlace();
    const byteLength = 5 * 4096 + 17;
    const expected = Buffer.alloc(byteLength);
    const guest = await fileDestination(path, { byteLength });
    const region = regionOf(guest);
    const piece = fc.record({
      offset: fc.nat(byteLength - 1),
      length: fc.nat(3 * 4096),
      fill: fc.constantFrom(0, 0, 5, 9),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 5 }), async (pieces) => {
        for (const { offset, length, fill } of pieces) {
          const bytes = Buffer.alloc(Math.min(length, byteLength - offset), fill);
          await region.write(offset, bytes);
          bytes.copy(expected, offset);
        }
        const actual = Buffer.alloc(byteLength + 5, 1);
        expect(await region.read(0, actual)).toBe(byteLength);
        expect(actual.subarray(0, byteLength).equals(expected)).toBe(true);
      }),
    );
    await guest.resume();
    expect((await fs.readFile(path)).equals(expected)).toBe(true);
  });

  it('stays sparse where only zeros were written', async () => {
    const { path } = await newPlace();
    const byteLength = 2 ** 30;
    const guest = await fileDestination(path, { byteLength });
    const region = regionOf(guest);
    const window = new Uint8Array(2 ** 20);
    for (let at = 0; at < 64 * 2 ** 20; at += window.byteLength) await region.write(at, window);
    window[5000] = 1;
    await region.write(byteLength - window.byteLength, window);
    await guest.resume();
    const { size, blocks } = await fs.stat(path);
    expect(size).toBe(byteLength);
    expect(blocks * 512).toBeLessThan(65536);
  });

  it('overwrites by zeros what was not zero before', async () => {
    const { path } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 4096 });
    await regionOf(guest).write(0, Buffer.alloc(4096, 1));
    await regionOf(guest).write(0, Buffer.alloc(4096));
    await guest.resume();
    expect((await fs.readFile(path)).equals(Buffer.alloc(4096))).toBe(true);
  });

  it('grows to its maximum and no further, and refuses writes outside it', async () => {
    const { path } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 10, maxByteLength: 10_000 });
    const region = regionOf(guest);
    await region.grow(10_000);
    await region.write(9_999, Uint8Array.of(1));
    await expect(async () => region.write(10_000, Uint8Array.of(1))).rejects.toThrow(RangeError);
    await expect(async () => region.grow(10_001)).rejects.toMatchObject({
      code: 'ERR_REGION_TOO_LARGE',
    });
    await guest.resume();
    expect((await fs.stat(path)).size).toBe(10_000);
  });

  it('leaves nothing when it is discarded, and the old file as it was', async () => {
    const { path, names } = await newPlace();
    await fs.writeFile(path, 'old');
    const guest = await fileDestination(path, { byteLength: 10 });
    await guest.discard();
    await guest.discard();
    expect(await names()).toEqual(['copy.img']);
    await expect(guest.resume()).rejects.toMatchObject({ code: 'ERR_GUEST' });
    expect(await fs.readFile(path, 'utf8')).toBe('old');
  });

  it('leaves the partial file where it is to be kept', async () => {
    const { path, names } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 10, keepPartial: true });
    await guest.discard();
    expect(await names()).toEqual(['.copy.img.pageferry-partial']);
  });

  it('sweeps a partial file that nobody writes any more', async () => {
    const { path, partial, names } = await newPlace();
    await fs.writeFile(partial, 'left behind');
    const guest = await fileDestination(path, { byteLength: 1 });
    expect((await fs.stat(partial)).size).toBe(1);
    await guest.resume();
    expect(await names()).toEqual(['copy.img']);
  });

  it('goes on with a partial file that an ended process left, if that is wanted', async () => {
    const { path, partial, names } = await newPlace();
    await fs.writeFile(partial, 'left behind', { mode: 0o600 });
    const guest = await fileDestination(path, { byteLength: 4, reuseMs: 60_000 });
    const region = regionOf(guest);
    expect(region).toMatchObject({ held: true, fresh: false, byteLength: 4 });
    const bytes = new Uint8Array(4);
    await region.read(0, bytes);
    expect(Buffer.from(bytes).toString()).toBe('left');
    // Nobody knows which of its pages are zeros already.
    await region.write(0, new Uint8Array(4));
    await guest.resume();
    expect(await names()).toEqual(['copy.img']);
    expect(await fs.readFile(path)).toEqual(Buffer.alloc(4));
  });

  it.each<[string, (partial: string) => Promise<void>]>([
    ['is too old', (partial) => fs.utimes(partial, 1, 1)],
    ['others may read', (partial) => fs.chmod(partial, 0o644)],
    ['has another name too', (partial) => fs.link(partial, `${partial}.other`)],
    ['is empty', (partial) => fs.truncate(partial)],
    [
      'is a link',
      async (partial) => {
        await fs.rename(partial, `${partial}.other`);
        await fs.symlink(`${partial}.other`, partial);
      },
    ],
    [
      'is a pipe',
      async (partial) => {
        await fs.rm(partial);
        await once(spawn('mkfifo', [partial]), 'exit');
      },
    ],
  ])('does not go on with one that %s', async (_, spoil) => {
    const { path, partial } = await newPlace();
    await fs.writeFile(partial, 'left behind', { mode: 0o600 });
    await spoil(partial);
    const guest = await fileDestination(path, { byteLength: 4, reuseMs: 60_000 });
    expect(regionOf(guest)).toMatchObject({ held: false, fresh: true });
    expect((await fs.lstat(partial)).isFile()).toBe(true);
    await guest.discard();
  });

  it('begins with an older image, page by page as they are read, unless they were written before', async () => {
    const { path } = await newPlace();
    const base = `${path}.base`;
    await fs.writeFile(base, Buffer.alloc(4 * 4096, 0x61));
    const options = { byteLength: 3 * 4096 - 6, maxByteLength: 5 * 4096, base };
    const guest = await fileDestination(path, options);
    const region = regionOf(guest);
    expect(region).toMatchObject({ held: true, fresh: false });
    // A zero page is a hole, and not what the older image has there.
    await region.write(4096, new Uint8Array(4096));
    await region.grow(5 * 4096);
    const bytes = new Uint8Array(5 * 4096);
    expect(await region.read(0, bytes)).toBe(5 * 4096);
    const wanted = Buffer.alloc(5 * 4096);
    wanted.fill(0x61, 0, 4096);
    // What grew is zero, however long the older image is.
    wanted.fill(0x61, 2 * 4096, 3 * 4096 - 6);
    expect(Buffer.compare(bytes, wanted)).toBe(0);
    await guest.resume();
    expect(Buffer.compare(await fs.readFile(path), wanted)).toBe(0);
    expect((await fs.readFile(base)).every((byte) => byte === 0x61)).toBe(true);
  });

  it('begins with nothing where there is no older image, and says so where it cannot be read', async () => {
    const { path, names } = await newPlace();
    const none = await fileDestination(path, { byteLength: 9, base: `${path}.base` });
    expect(regionOf(none).fresh).toBe(true);
    await none.discard();
    await expect(
      fileDestination(path, { byteLength: 9, base: join(path, '..') }),
    ).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(await names()).toEqual([]);
  });

  it('does not follow a symbolic link in the place of the partial file', async () => {
    const { path, partial } = await newPlace();
    const victim = join(folder, 'victim');
    await fs.writeFile(victim, 'precious');
    await fs.symlink(victim, partial);
    const guest = await fileDestination(path, { byteLength: 3 });
    await regionOf(guest).write(0, Buffer.from('abc'));
    await guest.resume();
    expect(await fs.readFile(victim, 'utf8')).toBe('precious');
    expect((await fs.lstat(path)).isFile()).toBe(true);
  });

  it('is refused to a second receiver while the first is at it, by whatever path', async () => {
    const { path, partial } = await newPlace();
    const first = await fileDestination(path, { byteLength: 1 });
    const alias = join(folder, `alias-${places}`);
    await fs.symlink(join(path, '..'), alias);
    for (const again of [path, join(alias, 'copy.img')]) {
      await expect(fileDestination(again, { byteLength: 1 })).rejects.toMatchObject({
        code: 'ERR_BUSY',
      });
    }
    await fs.access(partial);
    await first.discard();
    const second = await fileDestination(path, { byteLength: 1 });
    await second.resume();
    const third = await fileDestination(path, { byteLength: 1 });
    await third.discard();
  });

  it('is no longer in use once its receiver was killed', async () => {
    const { path, partial } = await newPlace();
    // A stand-in for another receiver: it holds the lock that place-lock.ts describes.
    const { ino, dev } = await fs.stat(join(path, '..'), { bigint: true });
    const script = `
      const { createHash } = require('node:crypto');
      const place = createHash('sha256').update('${dev} ${ino} copy.img').digest('hex');
      require('node:fs').writeFileSync(${JSON.stringify(partial)}, 'half');
      require('node:net').createServer().listen('\\0pageferry-' + place.slice(0, 48), () => console.log('held'));`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await expect(fileDestination(path, { byteLength: 1 })).rejects.toMatchObject({
      code: 'ERR_BUSY',
    });
    expect(await fs.readFile(partial, 'utf8')).toBe('half');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const guest = await fileDestination(path, { byteLength: 1 });
    await guest.discard();
  });

  it('has started once it is in its place, though its folder cannot be synced nor anything be closed', async () => {
    const { path, names } = await newPlace();
    const partial = await createPartial(path);
    const close = partial.handle.close.bind(partial.handle);
    const failing = (): Promise<void> => Promise.reject(new Error('no such luck'));
    partial.folder.sync = failing;
    partial.handle.close = () => close().then(failing);
    const guest = new FileDestination(partial, { byteLength: 0 });
    await guest.resume();
    expect(guest.unsynced).toMatchObject({ code: 'ERR_IO' });
    await guest.discard();
    expect(await names()).toEqual(['copy.img']);
    await (await fileDestination(path, { byteLength: 1 })).discard();
  });

  it('gives its place free although it cannot be closed', async () => {
    const { path } = await newPlace();
    const partial = await createPartial(path);
    const close = partial.handle.close.bind(partial.handle);
    partial.handle.close = async () => {
      await close();
      throw new Error('no such luck');
    };
    await expect(letGo(partial)).rejects.toMatchObject({ code: 'ERR_IO' });
    await (await fileDestination(path, { byteLength: 1 })).discard();
  });

  it('does not put a foreign file in its place, nor remove one', async () => {
    const { path, partial, names } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 1 });
    await fs.unlink(partial);
    await fs.writeFile(partial, 'somebody else');
    await expect(guest.resume()).rejects.toMatchObject({ code: 'ERR_IO' });
    await guest.discard();
    expect(await names()).toEqual(['.copy.img.pageferry-partial']);
  });

  it.each([
    ['a folder that does not exist', () => join(folder, 'nowhere', 'copy.img')],
    ['the name of a folder', () => folder],
  ])('is refused at %s', async (_name, place) => {
    await expect(fileDestination(place(), { byteLength: 1 })).rejects.toMatchObject({
      code: 'ERR_IO',
    });
  });

  it('says that the disk is full when it is', async () => {
    const full = await fs.open('/dev/full', 'w').catch(() => undefined);
    if (full === undefined) return;
    const { writeAt, fileError } = await import('../../src/guests/file-io.js');
    const error = await writeAt(full, 0, Uint8Array.of(1)).catch((cause) => fileError(cause, 'x'));
    await full.close();
    expect(error).toMatchObject({ code: 'ERR_DISK_FULL' });
  });

  it('is not begun where it would not fit, unless it may be mostly holes', async () => {
    const { path, names } = await newPlace();
    const byteLength = (await freeBytes()) + 2 ** 30;
    const full = { code: 'ERR_DISK_FULL' };
    await expect(fileDestination(path, { byteLength })).rejects.toMatchObject(full);
    expect(await names()).toEqual([]);
    const sparse = await fileDestination(path, { byteLength, sparse: true });
    await sparse.discard();
    const grows = await fileDestination(path, { byteLength: 1, maxByteLength: byteLength });
    await expect(async () => regionOf(grows).grow(byteLength)).rejects.toMatchObject(full);
    await grows.discard();
  });

  it('is not promised what another was, until that is over', async () => {
    const [mine, other] = [await newPlace(), await newPlace()];
    const byteLength = Math.floor((await freeBytes()) * 0.6);
    const both = await Promise.allSettled(
      [mine, other].map(({ path }) => fileDestination(path, { byteLength })),
    );
    const begun = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refused = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toEqual([expect.objectContaining({ code: 'ERR_DISK_FULL' })]);
    for (const guest of begun) await guest.discard();
    await (await fileDestination(other.path, { byteLength })).discard();
  });

  it('counts as what is still missing of it', async () => {
    const { path } = await newPlace();
    await fs.writeFile(path, '');
    const { dev } = await fs.stat(path);
    const most = Math.floor((await freeBytes()) * 0.6);
    const first = await DiskRoom.take(path, dev, most);
    await expect(DiskRoom.take(path, dev, most)).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
    first.written(most);
    const second = await DiskRoom.take(path, dev, most);
    first.release();
    second.release();
  });

  it('counts what it wrote once', async () => {
    const { path } = await newPlace();
    const partial = await createPartial(path);
    await partial.handle.truncate(10_000);
    const room = await DiskRoom.take(partial.partialPath, 0, 10_000);
    const guest = new FileDestination(partial, { byteLength: 10_000 }, undefined, room);
    const region = regionOf(guest);
    await region.write(0, new Uint8Array(10_000));
    expect(room.left()).toBe(10_000);
    await region.write(100, Uint8Array.of(1));
    await region.write(200, Uint8Array.of(2));
    expect(room.left()).toBe(10_000 - 4096);
    await region.write(0, new Uint8Array(10_000).fill(3));
    expect(room.left()).toBe(0);
    await guest.discard();
  });

  it('takes no state', async () => {
    const { path } = await newPlace();
    const guest = await fileDestination(path, { byteLength: 1 });
    await guest.loadState(await guest.saveState());
    await expect(guest.loadState(Uint8Array.of(1))).rejects.toMatchObject({ code: 'ERR_GUEST' });
    await guest.discard();
  });
});

describe('the path of a received image', () => {
  it.each(['disk.img', 'Größe 1.img', '...', '-rf'])('may be called %j', (name) => {
    expect(pathInFolder('/in', name)).toBe(`/in/${name}`);
  });

  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    '/etc/passwd',
    'a\\b',
    'a\0b',
    'a\nb',
    '\u202egpj.exe',
  ];
  it.each([...bad, 'x'.repeat(240)])('may not be %j', (name) => {
    expect(() => pathInFolder('/in', name)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }),
    );
  });
});
