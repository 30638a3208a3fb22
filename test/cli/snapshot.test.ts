import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventsOf, type Finished } from '../command.js';
import { folder, receiver, run, start } from './command.js';

const pageBytes = 4096;

/** Pages of zeros and of noise, by turns. */
function image(pages: number): Buffer {
  const bytes = randomBytes(pages * pageBytes);
  for (let page = 0; page < pages; page += 2) {
    bytes.fill(0, page * pageBytes, (page + 1) * pageBytes);
  }
  return bytes;
}

function lastOf({ stdout }: Finished): Record<string, unknown> {
  return Object(eventsOf(stdout).at(-1));
}

/** Every file of a store. */
function filesOf(store: string): string[] {
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function bytesOf(store: string): number {
  return filesOf(store).reduce((sum, path) => sum + statSync(path).size, 0);
}

describe('pageferry snapshot and restore', () => {
  it('give a file back as it was, with its permissions and time, and its zeros as holes', async () => {
    const home = folder();
    const file = join(home, 'disk.img');
    const store = join(home, 'store');
    const content = Buffer.concat([image(700), Buffer.alloc(300 * pageBytes), randomBytes(100)]);
    writeFileSync(file, content);
    chmodSync(file, 0o640);
    utimesSync(file, 1000, 1000);
    const made = await run('snapshot', file, store, '--json');
    expect([made.exit, made.stderr]).toEqual([0, '']);
    expect(lastOf(made)).toMatchObject({
      ...{ type: 'completed', snapshot: 1, name: 'disk.img', clean: true, parent: null, files: 1 },
      ...{ byteLength: content.length, pages: 351, whole: 351 },
    });
    const out = join(home, 'back.img');
    const back = await run('restore', join(store, 'disk.img'), '--out', out, '--json');
    expect([back.exit, back.stderr]).toEqual([0, '']);
    expect(lastOf(back)).toMatchObject({ type: 'completed', snapshot: 1, out, pages: 351 });
    expect(readFileSync(out).equals(content)).toBe(true);
    expect(statSync(out).mode & 0o777).toBe(0o640);
    expect(statSync(out).mtimeMs).toBe(1_000_000);
    expect(statSync(out).blocks * 512).toBeLessThan(400 * pageBytes);
  });

  it('store only what changed since the snapshot before, found by its name', async () => {
    const home = folder();
    const file = join(home, 'memory');
    const store = join(home, 'store');
    const content = image(2000);
    writeFileSync(file, content);
    await run('snapshot', file, store);
    const before = bytesOf(store);
    for (const page of [3, 501, 1999])
      content.fill(7, page * pageBytes + 100, page * pageBytes + 164);
    content.fill(0, 7 * pageBytes, 8 * pageBytes);
    writeFileSync(file, content);
    const made = await run('snapshot', file, store, '--json');
    expect(lastOf(made)).toMatchObject({ snapshot: 2, parent: 1, delta: 3, whole: 0, kept: 996 });
    expect(bytesOf(store) - before).toBeLessThan(2 * pageBytes);
    for (const [name, expected] of [
      ['memory', content],
      ['2', content],
    ] as const) {
      const out = join(home, `out-${name}`);
      expect((await run('restore', `${store}/${name}`, '--out', out)).exit).toBe(0);
      expect(readFileSync(out).equals(expected)).toBe(true);
    }
    const difference = await run('diff', `${store}/1`, `${store}/2`, '--json');
    expect(eventsOf(difference.stdout)[0]).toMatchObject({
      ...{ type: 'difference', name: 'file', change: 'changed', changedPages: 4 },
      runs: [
        [3, 1],
        [7, 1],
        [501, 1],
        [1999, 1],
      ],
    });
  });

  it('carry a folder with empty files, odd lengths and names of all kinds', async () => {
    const home = folder();
    const from = join(home, 'data');
    mkdirSync(join(from, 'empty'), { recursive: true });
    mkdirSync(join(from, 'a/b'), { recursive: true });
    writeFileSync(join(from, 'a/b/odd'), randomBytes(5001));
    writeFileSync(join(from, 'a/none'), '');
    writeFileSync(join(from, 'ü "x"\n?'), 'named');
    chmodSync(join(from, 'a/b'), 0o750);
    chmodSync(from, 0o711);
    const store = join(home, 'store');
    expect((await run('snapshot', from, store)).exit).toBe(0);
    const out = join(home, 'back');
    const back = await run('restore', `${store}/data`, '--out', out);
    expect([back.exit, back.stderr]).toEqual([0, '']);
    expect(readdirSync(out, { recursive: true }).sort()).toEqual(
      readdirSync(from, { recursive: true }).sort(),
    );
    for (const name of ['a/b/odd', 'a/none', 'ü "x"\n?']) {
      expect(readFileSync(join(out, name)).equals(readFileSync(join(from, name)))).toBe(true);
    }
    expect(statSync(join(out, 'a/b')).mode & 0o777).toBe(0o750);
    expect(statSync(out).mode & 0o777).toBe(0o711);
    const again = await run('restore', `${store}/data`, '--out', out);
    expect([again.exit, again.stderr]).toEqual([1, expect.stringMatching(/ERR_IO.*there already/)]);
  });

  it.each([{ what: 'a link', make: (path: string) => symlinkSync('/etc/passwd', path) }])(
    'refuse a folder with $what in it, by name, and store nothing',
    async ({ make }) => {
      const home = folder();
      const from = join(home, 'data');
      mkdirSync(from);
      make(join(from, 'odd'));
      const store = join(home, 'store');
      const { exit, stderr } = await run('snapshot', from, store);
      expect([exit, stderr]).toEqual([1, expect.stringMatching(/ERR_UNSUPPORTED.*odd/)]);
      const listed = await run('ls', store);
      expect(listed.stdout).not.toMatch(/#|data/);
    },
  );

  it('of an encrypted store need its key, and say nothing of what is in it', async () => {
    const home = folder();
    const file = join(home, 'secret');
    writeFileSync(file, Buffer.alloc(20 * pageBytes, 'attack at dawn '));
    const keyFile = join(home, 'key');
    writeFileSync(keyFile, randomBytes(32).toString('base64url'), { mode: 0o600 });
    const store = join(home, 'store');
    expect((await run('snapshot', file, store, '--key-file', keyFile)).exit).toBe(0);
    for (const path of filesOf(store)) {
      expect(readFileSync(path).includes('attack')).toBe(false);
      expect(readFileSync(path).includes('secret')).toBe(false);
    }
    const out = join(home, 'out');
    const without = await run('restore', `${store}/secret`, '--out', out);
    expect([without.exit, without.stderr]).toEqual([3, expect.stringMatching(/ERR_AUTH/)]);
    const otherKey = join(home, 'other');
    writeFileSync(otherKey, randomBytes(32).toString('base64url'), { mode: 0o600 });
    const wrong = await run('restore', `${store}/secret`, '--out', out, '--key-file', otherKey);
    expect([wrong.exit, wrong.stderr]).toEqual([3, expect.stringMatching(/ERR_AUTH/)]);
    expect(existsSync(out)).toBe(false);
    const right = await run('restore', `${store}/secret`, '--out', out, '--key-file', keyFile);
    expect(right.exit).toBe(0);
    expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
  });

  it('tell what was signed by a key from what was not', async () => {
    const home = folder();
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const signing = join(home, 'sign.pem');
    const checking = join(home, 'verify.pem');
    writeFileSync(signing, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    writeFileSync(checking, publicKey.export({ type: 'spki', format: 'pem' }));
    const file = join(home, 'file');
    writeFileSync(file, 'content');
    const store = join(home, 'store');
    await run('snapshot', file, store, '--sign-key', signing);
    await run('snapshot', file, store, '--name', 'other');
    const out = join(home, 'out');
    const signed = await run('restore', `${store}/file`, '--out', out, '--verify-key', checking);
    expect(signed.exit).toBe(0);
    const unsigned = await run('restore', `${store}/2`, '--out', out, '--verify-key', checking);
    expect([unsigned.exit, unsigned.stderr]).toEqual([3, expect.stringMatching(/ERR_AUTH/)]);
  });
});

describe('pageferry verify', () => {
  it('names the first bad page, its file and the snapshots that are still good', async () => {
    const home = folder();
    const store = join(home, 'store');
    const file = join(home, 'first');
    writeFileSync(file, image(100));
    await run('snapshot', file, store);
    const packs = new Set(filesOf(store).filter((path) => path.endsWith('.pack')));
    const second = join(home, 'second');
    writeFileSync(second, image(100));
    await run('snapshot', second, store);
    expect((await run('verify', store)).exit).toBe(0);
    const added = filesOf(store).find((path) => path.endsWith('.pack') && !packs.has(path)) ?? '';
    const bytes = readFileSync(added);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(added, bytes);
    const { exit, stderr } = await run('verify', store);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/ERR_STORE_CORRUPT.*page \d+ of file in snapshot #2.*good are #1/);
    expect((await run('verify', `${store}/first`)).exit).toBe(0);
    const restored = await run('restore', `${store}/second`, '--out', join(home, 'out'));
    expect([restored.exit, restored.stderr]).toEqual([
      1,
      expect.stringMatching(/ERR_STORE_CORRUPT/),
    ]);
    expect(existsSync(join(home, 'out'))).toBe(false);
  });
});

describe('pageferry prune', () => {
  it('keeps the newest of each name, and frees the others in a later run', async () => {
    const home = folder();
    const store = join(home, 'store');
    const file = join(home, 'file');
    const contents: Buffer[] = [];
    for (let round = 0; round < 4; round += 1) {
      const content = image(200);
      contents.push(content);
      writeFileSync(file, content);
      await run('snapshot', file, store);
    }
    const full = bytesOf(store);
    const pruned = await run('prune', store, '--keep', '2', '--json');
    expect([pruned.exit, lastOf(pruned)]).toEqual([
      0,
      expect.objectContaining({ type: 'completed', removedSnapshots: [1, 2] }),
    ]);
    await run('prune', store, '--keep', '2', '--grace', '0.0001');
    expect(bytesOf(store)).toBeLessThan(0.6 * full);
    expect((await run('verify', store)).exit).toBe(0);
    for (const counter of [3, 4]) {
      const out = join(home, `out-${counter}`);
      expect((await run('restore', `${store}/${counter}`, '--out', out)).exit).toBe(0);
      expect(readFileSync(out).equals(contents[counter - 1] ?? Buffer.alloc(0))).toBe(true);
    }
  });
});

describe('pageferry inspect', () => {
  it('says what is in a store, as text and as JSON', async () => {
    const home = folder();
    const file = join(home, 'file');
    writeFileSync(file, image(10));
    const store = join(home, 'store');
    await run('snapshot', file, store, '--name', 'a\u{1f600}b');
    const text = await run('inspect', store);
    expect([text.exit, text.stderr]).toEqual([0, '']);
    expect(text.stdout).toMatch(
      /1 snapshot\n\na\u{1f600}b \(#1\) {2}5 pages.*\n {2}root .*\n {2}file +41.0 kB {2}file/u,
    );
    const json = await run('inspect', store, '--json');
    expect(lastOf(json)).toMatchObject({
      ...{ type: 'store', encrypted: false },
      snapshots: [{ counter: 1, regions: [{ role: 'file', byteLength: 10 * pageBytes }] }],
    });
  });
});

describe('a store', () => {
  it('is not made for what is not there', async () => {
    const home = folder();
    const { exit, stderr } = await run('snapshot', join(home, 'none'), join(home, 'store'));
    expect([exit, stderr]).toEqual([1, expect.stringMatching(/ERR_IO.*none/)]);
    expect(readdirSync(home)).toEqual([]);
  });

  it('is refused by name where it is none, or of a later version', async () => {
    const home = folder();
    const none = await run('ls', home);
    expect([none.exit, none.stderr]).toEqual([1, expect.stringMatching(/ERR_(IO|STORE_CORRUPT)/)]);
    const file = join(home, 'file');
    writeFileSync(file, 'x');
    const taken = await run('snapshot', file, home);
    expect([taken.exit, taken.stderr]).toEqual([1, expect.stringMatching(/ERR_/)]);
    expect(readdirSync(home)).toEqual(['file']);
  });

  it('whose one file is cut off says so', async () => {
    const home = folder();
    const file = join(home, 'file');
    writeFileSync(file, image(10));
    const store = join(home, 'store');
    await run('snapshot', file, store);
    const pack = filesOf(store).find((path) => path.endsWith('.pack')) ?? '';
    truncateSync(pack, 100);
    const { exit, stderr } = await run('restore', `${store}/1`, '--out', join(home, 'out'));
    expect([exit, stderr]).toEqual([1, expect.stringMatching(/ERR_STORE_CORRUPT/)]);
  });
});

describe('pageferry receive --store', () => {
  it('makes snapshots of what is sent, and is sent only what changed', async () => {
    const home = folder();
    const file = join(home, 'disk.img');
    const store = join(home, 'store');
    const content = Buffer.concat([image(600), randomBytes(100)]);
    writeFileSync(file, content);
    const { running, address } = await receiver('--store', store, '--name', 'disks');
    const first = await run('send', file, address, '--json');
    content.fill(1, 5000, 6000);
    writeFileSync(file, content);
    const second = await run('send', file, address, '--json');
    running.signal('SIGTERM');
    const { stdout } = await running.finished;
    expect(stdout).toMatch(/snapshot disks \(#1\)[\s\S]*snapshot disks \(#2\)/);
    expect(Number(lastOf(second)['bytesSent'])).toBeLessThan(
      Number(lastOf(first)['bytesSent']) / 20,
    );
    const out = join(home, 'back.img');
    await run('restore', `${store}/disks`, '--out', out);
    expect(readFileSync(out).equals(content)).toBe(true);
  });

  it('says as NDJSON what it made of a bundle, in an encrypted store', async () => {
    const home = folder();
    const store = join(home, 'store');
    const key = join(home, 'key');
    writeFileSync(key, randomBytes(32).toString('base64url'), { mode: 0o600 });
    mkdirSync(join(home, 'web'));
    const content = image(30);
    writeFileSync(join(home, 'web/disk.img'), content);
    const keyed = ['--store', store, '--key-file', key];
    const plain = await run('receive', '--listen', '127.0.0.1:0', ...keyed);
    expect([plain.exit, plain.stderr]).toEqual([2, expect.stringContaining('--stage')]);
    const stage = join(home, 'stage');
    const { running, address } = await receiver(...keyed, '--stage', stage, '--once', '--json');
    expect((await run('send', '--bundle', join(home, 'web'), address)).exit).toBe(0);
    const received = await running.finished;
    expect(received.exit).toBe(0);
    expect(lastOf(received)).toMatchObject({
      ...{ type: 'completed', path: store, snapshot: 1, name: 'web', verified: 'stream' },
    });
    expect(readdirSync(stage)).toEqual([]);
    const back = await run('restore', `${store}/web`, '--key-file', key, '--out', join(home, 'b'));
    expect(back.exit).toBe(0);
    const there = readFileSync(join(home, 'b/disk.img'));
    expect(there.equals(content)).toBe(true);
  });

  it('goes on with what it had when it was killed', async () => {
    const home = folder();
    const file = join(home, 'disk.img');
    const store = join(home, 'store');
    const content = randomBytes(1500 * pageBytes);
    writeFileSync(file, content);
    const killed = await receiver('--store', store);
    const slow = ['send', file, killed.address, '--live', '--bytes-per-second', '4M'];
    const sending = start([...slow, '--max-outage', '0', '--json']);
    await sending.says(/"type":"offered"/);
    await new Promise((resolve) => setTimeout(resolve, 700));
    killed.running.signal('SIGKILL');
    await sending.finished;
    const { running, address } = await receiver('--store', store, '--once');
    const sent = await run('send', file, address, '--json');
    expect((await running.finished).exit).toBe(0);
    expect(Number(lastOf(sent)['bytesSent'])).toBeLessThan(content.length * 0.9);
    expect((await run('verify', store)).exit).toBe(0);
  });

  it.each([
    ['--out', 'x'],
    ['--base', 'x'],
    ['--register', 'true'],
  ])('does not go with %s', async (...option) => {
    const { exit, stderr } = await run(
      'receive',
      '--listen',
      '127.0.0.1:0',
      '--store',
      's',
      ...option,
    );
    expect([exit, stderr]).toEqual([2, expect.stringContaining('--store')]);
  });
});
