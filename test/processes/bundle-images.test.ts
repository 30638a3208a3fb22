import { execFileSync, spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import { expectSource, folderOf, mebibyte, receiveBundles } from './bundle-room.js';
import { inRoom, type Room } from './room.js';
import { until } from './until.js';

/** Several processes each, on machines that may be busy. */
const timeoutMs = 90_000;

const canConvert = spawnSync('qemu-img', ['--version']).status === 0;
const mustConvert = process.env['CI'] === 'true';
const skipped = canConvert ? '' : ' (skipped: there is no qemu-img here)';

function image(): Buffer {
  const disk = Buffer.alloc(4 * mebibyte);
  disk.set(new Random(1).bytes(mebibyte), mebibyte);
  return disk;
}

function qemuImg(...args: readonly string[]): void {
  execFileSync('qemu-img', args, { stdio: 'pipe' });
}

async function machineWith(room: Room, name: string, format: string): Promise<string> {
  const raw = await room.file('plain', image());
  const folder = await folderOf(room, 'web', { 'etc/conf': 'x' });
  qemuImg('convert', '-f', 'raw', '-O', format, raw, join(folder, name));
  return folder;
}

async function manifestOf(room: Room): Promise<{ files: Record<string, unknown>[] }> {
  return JSON.parse(await fs.readFile(join(room.inbox, 'web/bundle.json'), 'utf8'));
}

describe.skipIf(!canConvert && !mustConvert)(
  `receive --convert${skipped}`,
  { timeout: timeoutMs },
  () => {
    it(
      'makes raw images of qcow2 ones, and says so in the manifest',
      inRoom(async (room) => {
        const folder = await machineWith(room, 'disk.qcow2', 'qcow2');
        const receiver = await receiveBundles(room, '--once', '--convert', 'raw');
        const sent = await room.send(folder, receiver.port, '--bundle').ended();
        expect(sent).toMatchObject({ code: 0, last: { type: 'completed' } });
        expect((await fs.readdir(join(room.inbox, 'web'))).sort()).toEqual([
          '.pageferry-bundle.json',
          'bundle.json',
          'disk.raw',
          'etc',
        ]);
        const made = await fs.readFile(join(room.inbox, 'web/disk.raw'));
        expect(made.equals(image())).toBe(true);
        const { files } = await manifestOf(room);
        expect(files[0]).toMatchObject({ path: 'disk.raw', format: 'raw', bytes: 4 * mebibyte });
        const verified = await room.run(['bundles', room.inbox, '--verify', 'web']).ended();
        expect(verified).toMatchObject({ code: 0, last: { state: 'registered' } });
      }),
    );

    it(
      'makes qcow2 images of raw ones, and leaves what is no disk alone',
      inRoom(async (room) => {
        const folder = await machineWith(room, 'disk.img', 'raw');
        const receiver = await receiveBundles(room, '--once', '--convert', 'qcow2');
        await room.send(folder, receiver.port, '--bundle').ended();
        const { files } = await manifestOf(room);
        expect(files.map(({ path, format }) => [path, format])).toEqual([
          ['disk.qcow2', 'qcow2'],
          ['etc/conf', 'bytes'],
        ]);
        const back = room.path('back');
        qemuImg('convert', '-f', 'qcow2', '-O', 'raw', join(room.inbox, 'web/disk.qcow2'), back);
        expect((await fs.readFile(back)).equals(image())).toBe(true);
      }),
    );

    it(
      'reads no file that an image names: such an image is refused',
      inRoom(async (room) => {
        const secret = await room.file('secret', image());
        const folder = await folderOf(room, 'web', { conf: 'x' });
        const disk = join(folder, 'disk.qcow2');
        qemuImg('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', disk);
        const content = await fs.readFile(disk);
        const receiver = await receiveBundles(room, '--convert', 'raw');
        const sent = await room.send(folder, receiver.port, '--bundle').ended();
        expect(sent.last).toMatchObject({ code: 'ERR_UNSUPPORTED', side: 'destination' });
        await until('nothing is left', async () => (await fs.readdir(room.inbox)).length === 0);
        await expectSource(folder, { 'disk.qcow2': content });
      }),
    );

    it.each([
      { what: 'has its data in another file', at: 79, bytes: [4], code: 'ERR_UNSUPPORTED' },
      { what: 'is larger than images may be', at: 24, bytes: [1, 0], code: 'ERR_IMAGE_TOO_LARGE' },
      {
        what: 'is of a version nobody knows',
        at: 4,
        bytes: [0, 0, 0, 9],
        code: 'ERR_OUT_OF_RANGE',
      },
    ])('refuses an image that $what', ({ at, bytes, code }) =>
      inRoom(async (room) => {
        const folder = await machineWith(room, 'disk.qcow2', 'qcow2');
        const handle = await fs.open(join(folder, 'disk.qcow2'), 'r+');
        await handle.write(Buffer.from(bytes), 0, bytes.length, at);
        await handle.close();
        const receiver = await receiveBundles(room, '--convert', 'raw');
        const sent = await room.send(folder, receiver.port, '--bundle').ended();
        expect(sent.last).toMatchObject({ type: 'failed', code });
        await until('nothing is left', async () => (await fs.readdir(room.inbox)).length === 0);
      })(),
    );
  },
);

describe('receive --convert without qemu-img', { timeout: timeoutMs }, () => {
  it(
    'says what to install before anything is received',
    inRoom(async (room) => {
      const args = ['receive', '--listen', '127.0.0.1:0', '--out-dir', room.inbox];
      const receiver = room.run([...args, '--convert', 'raw'], ['env', 'PATH=/nonexistent']);
      const { code, last } = await receiver.ended();
      expect({ code, last }).toMatchObject({ code: 1, last: { code: 'ERR_UNSUPPORTED' } });
      expect(last?.['message']).toContain('qemu-utils');
    }),
  );
});
