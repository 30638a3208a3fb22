import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { realFiles, type StoreFile, type StoreFiles } from '../../src/snapshot/store-files.js';
import { SimulatedDisk } from './simulated-disk.js';
import { type Hooks, SimulatedFiles } from './simulated-files.js';
import { type Survival, survivals } from './survivals.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const text = (value: string) => new Uint8Array(Buffer.from(value));
const pathNames = ['a', 'b', 'c', 'f', 'f/a', 'f/b', 'a/b', 'f/g', 'f/g/a', 'g/a'];
const path = fc.constantFrom(...pathNames);
// The simulated one renames files only, in their folder.
const renamed = fc.constantFrom(...[['a', 'b'] as const, ['b', 'a'] as const, ['c', 'f'] as const]);
const inFolder = fc.constantFrom(...[['f/a', 'f/b'] as const, ['f/b', 'f/a'] as const]);
const folder = fc.constantFrom('f', 'f/g', 'g', 'a/g', '');
const handle = fc.nat(4);

type Act = (files: StoreFiles, root: string, handles: StoreFile[]) => Promise<unknown>;
const named = (name: string, act: Act): { name: string; act: Act } => ({ name, act });
const on = (at: number, handles: StoreFile[]): StoreFile | undefined =>
  handles.length === 0 ? undefined : handles[at % handles.length];

const acts = fc.oneof(
  path.map((p) =>
    named(`create ${p}`, async (files, root, handles) => {
      handles.push(await files.create(join(root, p)));
    }),
  ),
  path.map((p) =>
    named(`open ${p}`, async (files, root, handles) => {
      handles.push(await files.open(join(root, p)));
    }),
  ),
  fc
    .tuple(path, path)
    .map(([a, b]) =>
      named(`link ${a} ${b}`, (files, root) => files.link(join(root, a), join(root, b))),
    ),
  fc
    .oneof(renamed, inFolder)
    .map(([a, b]) =>
      named(`rename ${a} ${b}`, (files, root) => files.rename(join(root, a), join(root, b))),
    ),
  path.map((p) => named(`unlink ${p}`, (files, root) => files.unlink(join(root, p)))),
  fc
    .oneof(folder, path)
    .map((p) =>
      named(`list ${p}`, async (files, root) => (await files.list(join(root, p))).sort()),
    ),
  folder.map((p) => named(`makeFolder ${p}`, (files, root) => files.makeFolder(join(root, p)))),
  fc
    .oneof(folder, path)
    .map((p) => named(`syncFolder ${p}`, (files, root) => files.syncFolder(join(root, p)))),
  path.map((p) =>
    named(`modifiedMs ${p}`, async (files, root) => {
      const then = await files.modifiedMs(join(root, p));
      return then <= Date.now() + 1000;
    }),
  ),
  fc
    .tuple(handle, fc.nat(9000), fc.uint8Array({ minLength: 1, maxLength: 40 }))
    .map(([at, position, bytes]) =>
      named(`write ${at} ${position} ${bytes.length}`, async (_files, _root, handles) =>
        on(at, handles)?.writeAt(position, bytes),
      ),
    ),
  fc.tuple(handle, fc.nat(9000), fc.nat(9000)).map(([at, position, length]) =>
    named(`read ${at} ${position} ${length}`, async (_files, _root, handles) => {
      const into = new Uint8Array(length);
      const got = await on(at, handles)?.readAt(position, into);
      return [got, Buffer.from(into).toString('hex')];
    }),
  ),
  handle.map((at) => named(`size ${at}`, async (_f, _r, handles) => on(at, handles)?.size())),
  handle.map((at) => named(`sync ${at}`, async (_f, _r, handles) => on(at, handles)?.sync())),
  handle.map((at) => named(`close ${at}`, async (_f, _r, handles) => on(at, handles)?.close())),
);

async function outcome(act: Act, files: StoreFiles, root: string, handles: StoreFile[]) {
  try {
    return { value: await act(files, root, handles) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { code };
  }
}

async function emptyDisk(
  hooks: Hooks = {},
): Promise<{ disk: SimulatedDisk; files: SimulatedFiles }> {
  const disk = new SimulatedDisk();
  await new SimulatedFiles(disk).makeFolder('/s');
  await new SimulatedFiles(disk).syncFolder('/');
  return { disk, files: new SimulatedFiles(disk, hooks) };
}

async function write(files: StoreFiles, name: string, content: string, sync = true): Promise<void> {
  const file = await files.create(name);
  await file.writeAt(0, text(content));
  if (sync) await file.sync();
  await file.close();
}

async function contents({ mount }: Pick<Survival, 'mount'>): Promise<Record<string, string>> {
  const files = new SimulatedFiles(mount());
  const found: Record<string, string> = {};
  for (const name of (await files.list('/s')).sort()) {
    const file = await files.open(`/s/${name}`);
    const bytes = new Uint8Array(await file.size());
    await file.readAt(0, bytes);
    found[name] = Buffer.from(bytes).toString();
  }
  return found;
}

async function afterCut(disk: SimulatedDisk): Promise<string[]> {
  const found: string[] = [];
  for (const survival of survivals(disk.image(), { allSubsetsUpTo: 8, pairs: true })) {
    found.push(JSON.stringify(await contents({ mount: () => survival.mount() })));
  }
  return [...new Set(found)].sort();
}

describe('the simulated file system', () => {
  it('answers every call as the real one does', async () => {
    const runs = { numRuns: nightly ? 2000 : 80 };
    await fc.assert(
      fc.asyncProperty(fc.array(acts, { minLength: 10, maxLength: 60 }), async (steps) => {
        const real = await mkdtemp(join(tmpdir(), 'pageferry-files-'));
        const realHandles: StoreFile[] = [];
        try {
          const { files } = await emptyDisk();
          const handles: StoreFile[] = [];
          for (const { name, act } of steps) {
            const wanted = await outcome(act, realFiles, real, realHandles);
            const got = await outcome(act, files, '/s', handles);
            expect({ name, ...got }).toEqual({ name, ...wanted });
          }
        } finally {
          for (const open of realHandles) await open.close();
          await rm(real, { recursive: true });
        }
      }),
      runs,
    );
  });

  it('keeps through a power cut what was synced, and its name only if the folder was too', async () => {
    const { disk, files } = await emptyDisk();
    await write(files, '/s/a', 'old');
    expect(await afterCut(disk)).toEqual(['{"a":"old"}', '{}']);
    await files.syncFolder('/s');
    expect(await afterCut(disk)).toEqual(['{"a":"old"}']);
    await write(files, '/s/b', 'new', false);
    await files.rename('/s/b', '/s/a');
    const all = await afterCut(disk);
    // The new name without its contents, whole, torn by nothing smaller than a sector; the rename without the creation of what is renamed.
    expect(all).toEqual(
      [
        '{"a":"new"}',
        '{"a":"old"}',
        '{"a":"old","b":""}',
        '{"a":"old","b":"\\u0000\\u0000\\u0000"}',
        '{"a":"old","b":"new"}',
        '{"a":""}',
        '{"a":"\\u0000\\u0000\\u0000"}',
      ].sort(),
    );
  });

  it('loses unsynced writes in any order, torn at sectors and pages', async () => {
    const { disk, files } = await emptyDisk();
    const file = await files.create('/s/a');
    await files.syncFolder('/s');
    await file.writeAt(0, text('x'.repeat(5000)));
    await file.writeAt(5000, text('y'));
    const lengths = (await afterCut(disk)).map((line) => {
      const { a } = JSON.parse(line) as { a: string };
      return `${a.split('x').length - 1} x, ${a.split('y').length - 1} y of ${a.length}`;
    });
    expect(lengths).toContain('0 x, 0 y of 0');
    expect(lengths).toContain('5000 x, 1 y of 5001');
    expect(lengths).toContain('5000 x, 0 y of 5000');
    expect(lengths).toContain('0 x, 1 y of 5001');
    expect(lengths).toContain('512 x, 0 y of 512');
    expect(lengths).toContain('4096 x, 0 y of 4096');
    expect(lengths).toContain('904 x, 1 y of 5001');
    expect(lengths).toContain('0 x, 0 y of 5001');
  });

  it('drops what a failed sync did not write, and says yes to the next one', async () => {
    let fails = false;
    const { disk, files } = await emptyDisk({
      before: ({ operation }) => (fails && operation === 'sync' ? 'EIO' : undefined),
    });
    const file = await files.create('/s/a');
    await files.syncFolder('/s');
    await file.writeAt(0, text('1234'));
    fails = true;
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
    fails = false;
    await file.sync();
    const seen = new Uint8Array(4);
    await file.readAt(0, seen);
    expect(seen).toEqual(text('1234'));
    expect(await afterCut(disk)).toEqual(['{"a":"12"}']);
  });

  it('writes half where the disk is full, and takes a write in before a sync only if the sync waited', async () => {
    let full = true;
    const { disk, files } = await emptyDisk({
      before: ({ operation }) => (full && operation === 'writeAt' ? 'ENOSPC' : undefined),
    });
    const file = await files.create('/s/a');
    await files.syncFolder('/s');
    await expect(file.writeAt(0, text('1234'))).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await file.size()).toBe(2);
    full = false;
    const writing = file.writeAt(2, text('34'));
    await file.sync();
    await writing;
    expect(await afterCut(disk)).toContain('{"a":"12"}');
    await file.sync();
    expect(await afterCut(disk)).toEqual(['{"a":"1234"}']);
    expect(files.openFiles).toBe(1);
    await file.close();
    expect(files.openFiles).toBe(0);
  });
});
