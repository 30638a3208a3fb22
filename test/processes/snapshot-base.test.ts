import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  expectArrived,
  type Files,
  folderOf,
  mebibyte,
  receiveBundles,
  someFiles,
} from './bundle-room.js';
import type { Ended } from './command.js';
import { inRoom, type Room } from './room.js';

/** Several processes each, on machines that may be busy. */
const timeoutMs = 90_000;
const pageBytes = 4096;

/** The same with a byte of these pages of disk.img changed. */
function changed(files: Files, ...pages: readonly number[]): Files {
  const disk = Buffer.from(files['disk.img'] ?? '');
  for (const page of pages) disk[page * pageBytes + 100] = (disk[page * pageBytes + 100] ?? 0) ^ 1;
  return { ...files, 'disk.img': disk };
}

async function stored(room: Room, path: string, ...options: readonly string[]): Promise<string> {
  const store = room.path('store');
  expect(await room.run(['snapshot', path, store, ...options]).ended()).toMatchObject({ code: 0 });
  return store;
}

async function packOf(store: string): Promise<string> {
  const [pack = ''] = (await fs.readdir(join(store, 'packs'))).filter((name) =>
    name.endsWith('.pack'),
  );
  return join(store, 'packs', pack);
}

/** All bytes of a store. */
async function bytesOf(store: string): Promise<readonly string[]> {
  const entries = await fs.readdir(store, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      return `${name} ${(await fs.readFile(join(parentPath, name))).toString('base64')}`;
    }),
  );
}

function refused(room: Room, ...options: readonly string[]): Promise<Ended> {
  const where = ['--listen', '127.0.0.1:0', '--out-dir', room.inbox];
  return room.run(['receive', ...where, ...options]).ended();
}

describe.concurrent('a snapshot as the base of a bundle', { timeout: timeoutMs }, () => {
  it.each([
    { what: 'of its folder', of: 'web' },
    { what: 'of the folder that bundles are in', of: 'machines' },
  ])('$what has only what differs sent, and stays as it is', ({ of }) =>
    inRoom(async (room) => {
      const files = someFiles(1);
      const folder = await folderOf(room, 'machines/web', files);
      const store = await stored(room, of === 'web' ? folder : room.path(of));
      const before = await bytesOf(store);
      const now = changed(files, 3, 257, 500);
      await folderOf(room, 'machines/web', now);
      const receiver = await receiveBundles(room, '--once', '--base', join(store, of));
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent.last).toMatchObject({ type: 'completed', pagesSent: 3, repaired: 0 });
      await expectArrived(room, 'web', now);
      // Its zeros are holes still.
      const { blocks } = await fs.stat(join(room.inbox, 'web/data.raw'));
      expect(blocks * 512).toBeLessThan(mebibyte / 2);
      expect(await bytesOf(store)).toEqual(before);
    })(),
  );

  it(
    'may be encrypted and signed, and one that was stored as what changed',
    inRoom(async (room) => {
      const key = await room.file('key', randomBytes(32).toString('base64url'));
      const { publicKey, privateKey } = generateKeyPairSync('ed25519');
      const signing = privateKey.export({ format: 'pem', type: 'pkcs8' });
      const sign = await room.file('sign', signing);
      await fs.chmod(key, 0o600);
      await fs.chmod(sign, 0o600);
      const verify = await room.file('verify', publicKey.export({ format: 'pem', type: 'spki' }));
      const files = someFiles(2);
      const folder = await folderOf(room, 'web', files);
      const keys = ['--key-file', key, '--sign-key', sign];
      await stored(room, folder, ...keys);
      const second = changed(files, 7, 8, 9);
      await folderOf(room, 'web', second);
      const store = await stored(room, folder, ...keys);
      const base = ['--base', join(store, 'web'), '--verify-key', verify];
      const third = changed(second, 511);
      await folderOf(room, 'web', third);
      const receiver = await receiveBundles(room, '--once', ...base, '--key-file', key);
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent.last).toMatchObject({ type: 'completed', pagesSent: 1, repaired: 0 });
      await expectArrived(room, 'web', third);
    }),
  );

  it.each([
    { what: 'a byte of it flipped', most: 64 + 2 },
    { what: 'nothing left of its pages', most: 513 + 16 },
  ])('is as good as what is left of it: $what', ({ what, most }) =>
    inRoom(async (room) => {
      const files = someFiles(3);
      const folder = await folderOf(room, 'web', files);
      const store = await stored(room, folder);
      const pack = await packOf(store);
      if (what.startsWith('nothing')) await fs.rm(pack);
      else {
        const bytes = await fs.readFile(pack);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        await fs.writeFile(pack, bytes);
      }
      const now = changed(files, 3, 500);
      await folderOf(room, 'web', now);
      const receiver = await receiveBundles(room, '--once', '--base', join(store, 'web'));
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      expect(sent).toMatchObject({ code: 0, last: { type: 'completed', repaired: 0 } });
      const pages = Number(sent.last?.['pagesSent']);
      expect(pages).toBeGreaterThan(most - 40);
      expect(pages).toBeLessThanOrEqual(most);
      const ended = await receiver.process.ended();
      const said = ended.events.filter(({ type }) => type === 'base-damaged');
      expect(said[0]).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
      expect(said.map(({ file }) => file)).toEqual([...new Set(said.map(({ file }) => file))]);
      expect(said.map(({ file }) => file)).toContain('web/disk.img');
      expect(ended.stderr).toMatch(
        /web\/disk\.img: what the base has not any more is sent: .*pack/,
      );
      await expectArrived(room, 'web', now);
    })(),
  );
});

describe.concurrent('a snapshot of one file as the base', { timeout: timeoutMs }, () => {
  it.each([
    { what: 'longer', length: 3 * mebibyte, pages: 2 },
    { what: 'shorter', length: mebibyte, pages: 513 - 256 + 1 },
  ])('is that of a file that arrives, whatever its name; it may be $what', ({ length, pages }) =>
    inRoom(async (room) => {
      const [disk] = Object.values(changed(someFiles(4), 5));
      const older = Buffer.alloc(length);
      older.set(Buffer.from(someFiles(4)['disk.img'] ?? '').subarray(0, length));
      const store = await stored(room, await room.file('older', older));
      const file = await room.file('image', disk ?? '');
      const receiver = await room.receive('--once', '--base', join(store, 'older'));
      const sent = await room.send(file, receiver.port).gone();
      // The last page of the shorter one is none of what arrives; of the longer one it is zeros there.
      expect(sent.last).toMatchObject({ type: 'completed', repaired: 0 });
      expect(Math.abs(Number(sent.last?.['pagesSent']) - pages)).toBeLessThanOrEqual(1);
      await room.expectReceived(file);
    })(),
  );

  it(
    'is that of the file of its name in a bundle',
    inRoom(async (room) => {
      const files = someFiles(5);
      const folder = await folderOf(room, 'web', files);
      const store = await stored(room, join(folder, 'disk.img'));
      const receiver = await receiveBundles(room, '--once', '--base', join(store, 'disk.img'));
      const sent = await room.send(folder, receiver.port, '--bundle').ended();
      // The other disk's three or four pages, and the configuration.
      expect(Number(sent.last?.['pagesSent'])).toBeLessThan(8);
      await expectArrived(room, 'web', files);
    }),
  );
});

describe.concurrent('before anything is received it is said', { timeout: timeoutMs }, () => {
  it(
    'that the key is another, or missing',
    inRoom(async (room) => {
      const key = await room.file('key', randomBytes(32).toString('base64url'));
      const other = await room.file('other', randomBytes(32).toString('base64url'));
      await Promise.all([fs.chmod(key, 0o600), fs.chmod(other, 0o600)]);
      const file = await room.file('image', randomBytes(pageBytes));
      const base = ['--base', join(await stored(room, file, '--key-file', key), 'image')];
      for (const keys of [[], ['--key-file', other]]) {
        const ended = await refused(room, ...base, ...keys);
        expect(ended).toMatchObject({ code: 3, last: { type: 'failed', code: 'ERR_AUTH' } });
        expect(ended.events).toHaveLength(1);
      }
    }),
  );

  it(
    'that the store has no such snapshot, that none is named, and that keys are for nothing',
    inRoom(async (room) => {
      const file = await room.file('image', randomBytes(pageBytes));
      const key = await room.file('key', randomBytes(32).toString('base64url'));
      await fs.chmod(key, 0o600);
      const store = await stored(room, file);
      for (const [options, said] of [
        [['--base', join(store, 'other')], 'has no snapshot "other": there are 1 image'],
        [['--base', store], 'name a snapshot'],
        [['--base', file, '--key-file', key], '--key-file'],
      ] as const) {
        const ended = await refused(room, ...options);
        expect(ended).toMatchObject({ code: 2, events: [] });
        expect(ended.stderr).toContain(said);
      }
    }),
  );

  it(
    'that its page table is damaged',
    inRoom(async (room) => {
      const store = await stored(room, await room.file('image', randomBytes(5 * pageBytes)));
      const [table = ''] = await fs.readdir(join(store, 'tables'));
      await fs.truncate(join(store, 'tables', table), 100);
      expect(await refused(room, '--base', join(store, 'image'))).toMatchObject({
        code: 1,
        last: { type: 'failed', code: 'ERR_STORE_CORRUPT' },
      });
    }),
  );
});
