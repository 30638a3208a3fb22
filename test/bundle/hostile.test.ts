import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleGuest } from '../../src/bundle/bundle-guest.js';
import { sweepStaging } from '../../src/bundle/staging.js';
import { lockPlace } from '../../src/guests/place-lock.js';
import type { Listener } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { until } from '../processes/until.js';
import { Random } from '../reference/random.js';
import { honest, type LiarFile, liar } from './liar.js';
import { receiveBundles } from './receiver.js';

let room = '';
let inbox = '';
let listener: Listener;
const noise = new Random(1).bytes(9000);

beforeAll(async () => {
  listener = await receiveBundles(() => inbox);
});
afterAll(() => listener.close());
beforeEach(async () => {
  room = await fs.mkdtemp(join(tmpdir(), 'pageferry-bundle-'));
  inbox = join(room, 'inbox');
  await fs.mkdir(inbox);
  await fs.writeFile(join(room, 'secret'), noise);
});
afterEach(() => fs.rm(room, { recursive: true }));

function send(guest: Parameters<typeof migrate>[0]): Promise<unknown> {
  return migrate(guest, { host: listener.host, port: listener.port }).done;
}

/** Nothing was written, in the inbox or beside it. */
async function expectUntouched(): Promise<void> {
  expect((await fs.readdir(room)).sort()).toEqual(['inbox', 'secret']);
  // The source is told before all is cleared away.
  await until('nothing is left', async () => (await fs.readdir(inbox)).length === 0);
  expect((await fs.readFile(join(room, 'secret'))).equals(noise)).toBe(true);
}

function files(...names: readonly string[]): LiarFile[] {
  return names.map((name) => ({ name, content: noise }));
}

function bytesOf(manifest: unknown): Uint8Array {
  return Buffer.from(typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
}

describe('an offer of a bundle', () => {
  const offers: readonly (readonly [what: string, names: readonly string[]])[] = [
    ['a bundle that is called ..', ['../secret']],
    ['a bundle without a name', ['/secret']],
    ['a bundle that is called .', ['./secret']],
    ['a bundle that is called as what arrives', ['.web.pageferry-bundle/secret']],
    ['a path that leads out', ['web/../../secret']],
    ['a path that leads out by a folder', ['web/etc/../../../secret']],
    ['an absolute path', ['web//secret']],
    ['a folder for a file', ['web/etc/']],
    ['no path', ['web']],
    ['the same path twice', ['web/a', 'web/a']],
    ['a file that is a folder of another', ['web/a', 'web/a/b']],
    ['two bundles', ['web/a', 'other/b']],
    ['a name with a NUL', ['web/a\u0001b']],
    ['a name that reads backwards', ['web/a\u202eb']],
    ['a backslash', ['web/..\\secret']],
    ['the manifest as a file', ['web/bundle.json']],
    ['the record of the registry as a file', ['web/.pageferry-bundle.json']],
    ['what is under construction', ['web/.a.pageferry-partial']],
    ['a folder too deep', [`web/${'a/'.repeat(9)}b`]],
    ['a path too long', [`web/${'a'.repeat(210)}`]],
    ['too many files', Array.from({ length: 1025 }, (_, index) => `web/${index}`)],
  ];

  it.each(offers)('with %s is refused, and nothing is written', async (_what, names) => {
    const offered =
      names.length > 100
        ? names.map((name) => ({ name, content: noise.subarray(0, 1) }))
        : files(...names);
    await expect(send(liar(offered, bytesOf({})))).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    await expectUntouched();
  });

  it.each([
    { what: 'of another version', features: [], version: '2' },
    { what: 'that wants what is not there', features: ['teleport'], version: '1' },
  ])('$what is refused', async ({ features, version }) => {
    const guest = liar(files('web/a'), bytesOf({}), features, version);
    await expect(send(guest)).rejects.toMatchObject({ code: 'ERR_INCOMPATIBLE' });
    await expectUntouched();
  });
});

describe('a manifest that lies', () => {
  const two = files('web/a', 'web/b');
  const base = honest(two);
  const [a = {}, b = {}] = base.files;
  const deep = JSON.parse(`${'{"x":'.repeat(9)}1${'}'.repeat(9)}`);
  const lies: readonly (readonly [what: string, manifest: unknown])[] = [
    ['is no JSON', '{"name"'],
    ['is no object', '[]'],
    ['is empty', ''],
    ['is of nothing', {}],
    ['is of another thing', { ...base, pageferry: 'parcel' }],
    ['has another name', { ...base, name: 'other' }],
    ['has a name that leads out', { ...base, name: '..' }],
    ['has a size that is another', { ...base, files: [a, { ...b, bytes: 9001 }] }],
    ['has a size below 0', { ...base, files: [a, { ...b, bytes: -1 }] }],
    ['has a size that is none', { ...base, files: [a, { ...b, bytes: 1e300 }] }],
    ['has a path that leads out', { ...base, files: [a, { ...b, path: '../../secret' }] }],
    ['has an absolute path', { ...base, files: [a, { ...b, path: '/etc/passwd' }] }],
    ['has one file twice', { ...base, files: [a, a] }],
    ['has the files in another order', { ...base, files: [b, a] }],
    ['lacks a file', { ...base, files: [a] }],
    ['has a file more', { ...base, files: [a, b, { ...b, path: 'c' }] }],
    ['has very many files', { ...base, files: Array.from({ length: 300_000 }, () => ({})) }],
    ['has a file that is none', { ...base, files: [a, null] }],
    ['has a hash that is none', { ...base, files: [a, { ...b, sha256: 'x'.repeat(64) }] }],
    ['sets more than permissions', { ...base, files: [a, { ...b, mode: 0o4755 }] }],
    ['has members nobody knows', { ...base, run: 'rm -r /' }],
    ['has members nobody knows in a file', { ...base, files: [a, { ...b, link: '/secret' }] }],
    ['has tags that are none', { ...base, tags: [{}] }],
    ['has very many tags', { ...base, tags: Array.from({ length: 65 }, () => '') }],
    ['has a network that is none', { ...base, network: 'br0' }],
    ['is very deep', { ...base, limits: deep }],
    ['is deeper than a stack', `{"limits":${'['.repeat(400_000)}${']'.repeat(400_000)}}`],
    ['does not say whether it is clean', { ...base, clean: 'yes' }],
  ];

  it.each(lies)('because it %s is refused, and nothing is left', async (_what, manifest) => {
    await expect(send(liar(two, bytesOf(manifest)))).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    await expectUntouched();
  });

  it('because it is no UTF-8 is refused', async () => {
    const bytes = Buffer.concat([bytesOf('{"name":"'), Buffer.of(0xff), bytesOf('"}')]);
    await expect(send(liar(two, bytes))).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expectUntouched();
  });

  it.each([
    ['is of a later version', { ...base, version: 2 }, 'ERR_STORE_VERSION'],
    ['has another hash', { ...base, files: [a, { ...b, sha256: 'a'.repeat(64) }] }, 'ERR_DIGEST'],
    ['is longer than it may be', `"${' '.repeat(2 ** 20)}"`, 'ERR_STATE_TOO_LARGE'],
  ])('because it %s is refused with a code of its own', async (_what, manifest, code) => {
    await expect(send(liar(two, bytesOf(manifest)))).rejects.toMatchObject({ code });
    await expectUntouched();
  });

  it('and one that does not arrives', async () => {
    await send(liar(two, bytesOf(base)));
    expect(await fs.readdir(join(inbox, 'web'))).toHaveLength(4);
  });
});

describe('a link at the destination', () => {
  const one = files('web/a');
  const manifest = bytesOf(honest(one));

  it('where bundles arrive is removed, not followed', async () => {
    await fs.mkdir(join(room, 'elsewhere'));
    await fs.symlink(join(room, 'elsewhere'), join(inbox, '.web.pageferry-bundle'));
    await send(liar(one, manifest));
    expect(await fs.readdir(join(room, 'elsewhere'))).toEqual([]);
    expect(await fs.readdir(inbox)).toEqual(['web']);
  });

  it('in the folder where one arrives is removed, not followed', async () => {
    await fs.mkdir(join(room, 'elsewhere'));
    const staging = join(inbox, '.web.pageferry-bundle');
    await fs.mkdir(staging, { mode: 0o700 });
    await fs.symlink(join(room, 'elsewhere'), join(staging, 'etc'));
    const deeper = files('web/etc/a');
    await send(liar(deeper, bytesOf(honest(deeper))));
    expect(await fs.readdir(join(room, 'elsewhere'))).toEqual([]);
    expect((await fs.lstat(join(inbox, 'web/etc'))).isDirectory()).toBe(true);
  });

  it('in the place of a bundle is not replaced', async () => {
    await fs.mkdir(join(room, 'elsewhere'));
    await fs.symlink(join(room, 'elsewhere'), join(inbox, 'web'));
    await expect(send(liar(one, manifest))).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(await fs.readdir(inbox)).toEqual(['web']);
    expect(await fs.readdir(join(room, 'elsewhere'))).toEqual([]);
  });

  it('in an older bundle tells the source nothing of where it leads', async () => {
    await send(liar(one, manifest));
    await fs.rm(join(inbox, 'web/a'));
    await fs.symlink(join(room, 'secret'), join(inbox, 'web/a'));
    // Its content is the very same: had it been read, nothing would be sent.
    expect(await send(liar(one, manifest))).toMatchObject({ pagesSent: 3 });
    expect((await fs.lstat(join(inbox, 'web/a'))).isFile()).toBe(true);
  });

  it('to what is no bundle: a folder of the same name is left alone', async () => {
    await fs.mkdir(join(inbox, 'web'));
    await fs.writeFile(join(inbox, 'web/mine'), 'x');
    await expect(send(liar(one, manifest))).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(await fs.readdir(join(inbox, 'web'))).toEqual(['mine']);
  });
});

describe('what a crash left at the destination', () => {
  const one = files('web/a');
  const manifest = bytesOf(honest(one));

  it('between the two renames of a replacement: the older bundle is put back, and what it has is not sent', async () => {
    await send(liar(one, manifest));
    await fs.rename(join(inbox, 'web'), join(inbox, '.web.pageferry-old'));
    expect(await send(liar(one, manifest))).toMatchObject({ pagesSent: 0 });
    expect(await fs.readdir(inbox)).toEqual(['web']);
  });

  it('behind them: neither bundle is touched before one is verified', async () => {
    await send(liar(one, manifest));
    await fs.cp(join(inbox, 'web'), join(inbox, '.web.pageferry-old'), { recursive: true });
    await expect(send(liar(one, manifest))).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining('--verify web'),
    });
    expect((await fs.readdir(inbox)).sort()).toEqual(['.web.pageferry-old', 'web']);
  });

  it('while files took their names: they are what it goes on with', async () => {
    const staging = join(inbox, '.web.pageferry-bundle');
    await fs.mkdir(staging, { mode: 0o700 });
    await fs.writeFile(join(staging, 'a'), noise);
    expect(await send(liar(one, manifest))).toMatchObject({ pagesSent: 0 });
    expect((await fs.readFile(join(inbox, 'web/a'))).equals(noise)).toBe(true);
  });

  it('is removed once it is old enough, but not while somebody uses it', async () => {
    const place = join(inbox, 'web');
    const staging = join(inbox, '.web.pageferry-bundle');
    await fs.mkdir(join(staging, 'etc'), { recursive: true, mode: 0o700 });
    await fs.writeFile(join(staging, 'etc/.a.pageferry-partial'), noise);
    await sweepStaging(place, 60_000);
    expect(await fs.readdir(staging)).toEqual(['etc']);
    const past = new Date(Date.now() - 120_000);
    for (const path of ['etc/.a.pageferry-partial', 'etc', '.']) {
      await fs.utimes(join(staging, path), past, past);
    }
    const { dev, ino } = await fs.stat(inbox, { bigint: true });
    const lock = await lockPlace(dev, ino, 'web');
    await expect(sweepStaging(place, 60_000)).rejects.toMatchObject({ code: 'ERR_BUSY' });
    await lock?.release();
    await sweepStaging(place, 60_000);
    expect(await fs.readdir(inbox)).toEqual([]);
  });

  it('in a folder that others may write: it is not used', async () => {
    const staging = join(inbox, '.web.pageferry-bundle');
    await fs.mkdir(staging);
    await fs.chmod(staging, 0o777);
    await fs.writeFile(join(staging, 'a'), noise);
    expect(await send(liar(one, manifest))).toMatchObject({ pagesSent: 3 });
    expect((await fs.stat(join(inbox, 'web'))).mode & 0o777).toBe(0o700);
  });
});

describe('a folder that is to be sent', () => {
  const folder = (): string => join(room, 'web');
  beforeEach(async () => {
    await fs.mkdir(folder());
    await fs.writeFile(join(folder(), 'disk.img'), noise);
  });

  async function refused(code: string, text: string): Promise<void> {
    await expect(bundleGuest(folder())).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text),
    });
    // Whatever it had opened and locked is free again.
    expect((await fs.readdir(room)).sort()).toEqual(['inbox', 'secret', 'web']);
  }

  it.each([
    { what: 'a link out of it', make: () => fs.symlink('../secret', join(folder(), 'link')) },
    { what: 'a link to a folder', make: () => fs.symlink('..', join(folder(), 'link')) },
  ])('with $what is refused', async ({ make }) => {
    await make();
    await refused('ERR_UNSUPPORTED', 'link');
  });

  it('with a name that is no UTF-8 is refused', async () => {
    await fs.writeFile(Buffer.concat([Buffer.from(join(folder(), 'a')), Buffer.of(0xff)]), 'x');
    await refused('ERR_OUT_OF_RANGE', 'UTF-8');
  });

  it.each(['a\nb', 'a\\b', 'a\u001bb', '\u202etxt', 'x'.repeat(220)])(
    'with a file called %j is refused',
    async (name) => {
      await fs.writeFile(join(folder(), name), 'x');
      await refused('ERR_OUT_OF_RANGE', '');
    },
  );

  it('with more files than a bundle has is refused', async () => {
    for (let index = 0; index < 1024; index++) await fs.writeFile(join(folder(), `${index}`), '');
    await refused('ERR_OUT_OF_RANGE', 'more than 1024');
  });

  it.each([
    ['is no JSON', '{', 'ERR_OUT_OF_RANGE'],
    ['has a mistyped member', '{"descripton":"x"}', 'ERR_OUT_OF_RANGE'],
    ['names a file that is not there', '{"files":[{"path":"dusk.img"}]}', 'ERR_IO'],
    ['has a name that leads out', '{"name":"../x"}', 'ERR_OUT_OF_RANGE'],
    ['is of a later version', '{"version":7}', 'ERR_STORE_VERSION'],
    ['is too long', ' '.repeat(2 ** 20 + 1), 'ERR_IO'],
  ])('whose bundle.json %s is refused', async (_what, text, code) => {
    await fs.writeFile(join(folder(), 'bundle.json'), text);
    await refused(code, '');
  });

  it('that is empty, a file, or not there is refused', async () => {
    await fs.rm(join(folder(), 'disk.img'));
    await refused('ERR_OUT_OF_RANGE', 'no files');
    await expect(bundleGuest(join(room, 'secret'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(bundleGuest(join(room, 'nothing'))).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  it('is sent by one process at a time', async () => {
    const guest = await bundleGuest(folder());
    await refused('ERR_BUSY', '');
    await guest.close();
    await (await bundleGuest(folder())).close();
  });

  it('of many files takes descriptors, not memory', async () => {
    for (let index = 0; index < 600; index++) {
      await fs.writeFile(join(folder(), `${index}.img`), '');
      await fs.truncate(join(folder(), `${index}.img`), 2 ** 20);
    }
    const guest = await bundleGuest(folder(), { keepSource: true });
    try {
      expect(await send(guest)).toMatchObject({ verified: 'memory' });
    } finally {
      await guest.close();
    }
    expect(await fs.readdir(join(inbox, 'web'))).toHaveLength(603);
  }, 60_000);
});
