import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Random } from '../reference/random.js';
import { dropped, type Receiver, type Room } from './room.js';
import { until } from './until.js';

export const mebibyte: number = 2 ** 20;

/** Content by path. */
export type Files = Readonly<Record<string, Uint8Array | string>>;

/** Two disks, one mostly holes, and a file in a folder. */
export function someFiles(seed = 1, mebibytes = 2): Record<string, Uint8Array | string> {
  const sparse = Buffer.alloc(3 * mebibyte);
  sparse.set(new Random(seed + 1000).bytes(9000), mebibyte + 5);
  return {
    'disk.img': new Random(seed).bytes(mebibytes * mebibyte + 777),
    'data.raw': sparse,
    'etc/machine.conf': 'memory = 512M\n',
    'etc/empty': '',
  };
}

/** A folder with these files; returns its path. */
export async function folderOf(room: Room, name: string, files: Files): Promise<string> {
  const folder = room.path(name);
  for (const [path, content] of Object.entries(files)) {
    const at = join(folder, path);
    await fs.mkdir(join(at, '..'), { recursive: true });
    await fs.writeFile(at, content);
  }
  return folder;
}

/** `receive --out-dir` into the inbox. */
export function receiveBundles(room: Room, ...options: readonly string[]): Promise<Receiver> {
  return room.receive('--out-dir', room.inbox, ...options);
}

/** A command that keeps what it is told in a file of the room, a line each time, and then does `more`. */
export function notes(room: Room, file: string, more = 'true'): string {
  return `cat >> '${room.path(file)}' && ${more}`;
}

/** What such a command was told. */
export async function noted(room: Room, file: string): Promise<Record<string, unknown>[]> {
  const text = await fs.readFile(room.path(file), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** The bundle in the inbox has these files and no others, besides what says what it is. */
export async function expectArrived(room: Room, name: string, files: Files): Promise<void> {
  const folder = join(room.inbox, name);
  const entries = await fs.readdir(folder, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const own = ['.pageferry-bundle.json', 'bundle.json'];
  expect(paths.sort()).toEqual([...own, ...Object.keys(files)].sort());
  for (const [path, content] of Object.entries(files)) {
    const there = await fs.readFile(join(folder, path));
    expect(there.equals(Buffer.from(content)), path).toBe(true);
  }
}

/** Nothing arrived, nothing of it is left, and the source is as it was: under its name, with its content. */
export async function expectRolledBack(room: Room, folder: string, files: Files): Promise<void> {
  await until('nothing is left', async () => (await fs.readdir(room.inbox)).length === 0);
  await expectSource(folder, files);
}

/** The folder is there under its name, with this content. */
export async function expectSource(folder: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    expect((await fs.readFile(join(folder, path))).equals(Buffer.from(content)), path).toBe(true);
  }
}

export { dropped };
