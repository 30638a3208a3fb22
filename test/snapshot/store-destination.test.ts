import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bundleGuest } from '../../src/bundle/bundle-guest.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { copyOf } from '../../src/guests/copied.js';
import { fileGuest } from '../../src/guests/file.js';
import type { Guest } from '../../src/guests/guest.js';
import { createLedger, receiveLedger } from '../../src/guests/ledger.js';
import type * as Product from '../../src/index.js';
import type { IncomingOffer, Listener } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import type * as Snapshots from '../../src/snapshot/index.js';
import type {
  OpenOptions,
  SnapshotInfo,
  Store,
  StoreDestination,
  StoreDestinationOptions,
} from '../../src/snapshot/index.js';
import { Random } from '../reference/random.js';
import { makeFolder } from './support.js';

// Threads run what is built.
const built = (path: string): string => pathToFileURL(resolve('dist', path)).href;
const { openStore, realFiles, restoreFiles, restoreGuest, storeDestination } = (await import(
  built('snapshot/index.js')
)) as typeof Snapshots;
const { listen } = (await import(built('index.js'))) as typeof Product;

const pageBytes = 4096;

async function openTestStore(path: string, options: OpenOptions = {}): Promise<Store> {
  const store = await openStore(path, { create: true, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** A store that listens, and what it was offered. */
async function listening(
  store: Store,
  options: StoreDestinationOptions = {},
): Promise<Listener & { readonly taken: StoreDestination[] }> {
  const taken: StoreDestination[] = [];
  const listener = await listen({
    accept: async (offer) => {
      const guest = await storeDestination(store, offer, options);
      taken.push(guest);
      return guest;
    },
  });
  onTestFinished(() => listener.close());
  void (async () => {
    for await (const _ of listener);
  })();
  return Object.assign(listener, { taken });
}

function send(guest: Guest, { port }: Listener) {
  return migrate(guest, { host: '127.0.0.1', port }).done;
}

async function newestOf(store: Store): Promise<SnapshotInfo> {
  const newest = (await store.snapshots()).at(-1);
  if (newest === undefined) throw new Error('nothing is stored');
  return newest;
}

/** Writes its number to every page and to its state, time and again: pages of two moments would differ. */
class Clock {
  readonly memory = new Uint8Array(300 * pageBytes);
  readonly guest: Guest;
  now = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    const guest = bufferGuest(this.memory, {
      tracker: 'marks',
      pause: () => clearInterval(this.#timer),
      resume: () => this.start(),
      saveState: () => Buffer.from(`${this.now}`),
      loadState: (state) => {
        this.now = Number(Buffer.from(state).toString());
      },
    });
    this.guest = guest;
    onTestFinished(() => clearInterval(this.#timer));
    this.#tick = () => {
      this.now += 1;
      for (const page of [0, 7, 150, 299]) {
        new DataView(this.memory.buffer).setUint32(page * pageBytes + 8, this.now);
        guest.markDirty(page * pageBytes + 8, 4);
      }
    };
  }

  readonly #tick: () => void;

  start(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(this.#tick, 1);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What its pages say. */
  get pages(): number[] {
    const view = new DataView(this.memory.buffer);
    return [0, 7, 150, 299].map((page) => view.getUint32(page * pageBytes + 8));
  }
}

describe('a guest that is migrated to a store', () => {
  it('runs on where it is, and is stored as it was at its pause', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const listener = await listening(store, { name: 'clock' });
    const clock = new Clock();
    clock.memory.set(new Random(1).bytes(100 * pageBytes), 20 * pageBytes);
    clock.start();
    await sleep(20);
    const report = await send(copyOf(clock.guest), listener);
    expect(report.digest).toHaveLength(64);
    const snapshot = await newestOf(store);
    expect(snapshot.manifest).toMatchObject({ name: 'clock', guest: { kind: 'buffer' } });
    expect(listener.taken[0]?.snapshot?.counter).toBe(snapshot.counter);

    const copy = new Clock();
    await restoreGuest(store, snapshot, copy.guest, { start: false });
    expect(copy.now).toBeGreaterThan(0);
    expect(copy.pages).toEqual([copy.now, copy.now, copy.now, copy.now]);
    await sleep(20);
    expect(clock.now).toBeGreaterThan(copy.now);
    clock.stop();
    const [from, to] = [20 * pageBytes, 120 * pageBytes];
    expect(Buffer.compare(copy.memory.subarray(from, to), clock.memory.subarray(from, to))).toBe(0);
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });

  it('sends, and stores, only what changed since the snapshot before', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const listener = await listening(store);
    const memory = new Random(2).bytes(800 * pageBytes);
    const guest = bufferGuest(memory);
    const first = await send(copyOf(guest), listener);
    memory.fill(5, 10 * pageBytes, 12 * pageBytes);
    const second = await send(copyOf(guest), listener);
    expect(second.bytesSent).toBeLessThan(first.bytesSent / 20);
    const newest = await newestOf(store);
    expect(newest.manifest?.parent?.counter).toBe(1);
    expect(newest.manifest?.storedBytes).toBeLessThan(60_000);
    const back = new Uint8Array(memory.length);
    await restoreGuest(store, newest, bufferGuest(back));
    expect(Buffer.compare(back, memory)).toBe(0);
  });

  it('stays there for good where it is handed over, and goes on from there', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const listener = await listening(store);
    const here = createLedger({ seed: 4, sizeBytes: 2 ** 20 });
    await here.resume();
    await send(here, listener);
    const { seq } = here;
    const there = receiveLedger(2 ** 20, 2 ** 20);
    await restoreGuest(store, await store.find('ledger'), there);
    onTestFinished(() => there.pause());
    while (there.seq < seq + 100) await sleep(1);
    expect(here.seq).toBe(seq);
  });

  it('is not stored, and runs on, where it cannot be stored', async () => {
    const folder = await makeFolder();
    let isFull = false;
    const files = {
      ...realFiles,
      create: (path: string) => {
        if (isFull) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
        return realFiles.create(path);
      },
    };
    const store = await openTestStore(join(folder, 'store'), { files });
    const listener = await listening(store);
    isFull = true;
    const clock = new Clock();
    clock.start();
    await expect(send(copyOf(clock.guest), listener)).rejects.toMatchObject({
      code: 'ERR_START_FAILED',
      message: expect.stringContaining('no room'),
    });
    const { now } = clock;
    await sleep(20);
    expect(clock.now).toBeGreaterThan(now);
    isFull = false;
    expect(await store.snapshots()).toEqual([]);
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });

  it('may get and lose regions on the way', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const regions = [{ id: 1, name: 'a', byteLength: 5000, maxByteLength: 9000 }];
    const offer = offerOf('thing', regions);
    const arriving: Guest = await storeDestination(store, offer);
    await arriving.adopt?.(regions);
    await arriving.reshape?.(7, 'b', 100);
    await arriving.reshape?.(8, 'c', 4096);
    await arriving.reshape?.(1, 'a', -1);
    await expect(arriving.reshape?.(7, 'b', 100)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    await arriving.regions.find(({ id }) => id === 7)?.write(10, Buffer.from('seven'));
    await arriving.regions.find(({ id }) => id === 8)?.grow(10_000);
    await arriving.resume();
    const stored = (await newestOf(store)).manifest?.regions;
    expect(stored?.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ['region/7', 100],
      ['region/8', 10_000],
      ['state', 0],
    ]);
  });
});

function offerOf(kind: string, regions: IncomingOffer['regions']): IncomingOffer {
  const byteLength = regions.reduce((sum, region) => sum + region.byteLength, 0);
  const identity = { kind, version: '', features: [] };
  return { ...identity, session: '0'.repeat(32), handsOver: false, byteLength, regions };
}

describe('files that are sent to a store', () => {
  it('become a snapshot, and the next time only what changed is sent', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    const listener = await listening(store);
    const path = join(folder, 'disk.img');
    const content = new Random(3).bytes(900 * pageBytes + 100);
    await writeFile(path, content);
    const first = await sendFile(path, listener);
    content.fill(0, 70 * pageBytes, 80 * pageBytes);
    content.fill(3, 100, 200);
    await writeFile(path, content);
    const second = await sendFile(path, listener);
    expect(second.bytesSent).toBeLessThan(first.bytesSent / 20);
    const newest = await store.find('disk.img');
    expect([newest.counter, newest.manifest?.parent?.counter]).toEqual([2, 1]);
    await restoreFiles(store, newest, join(folder, 'back.img'));
    expect((await readFile(join(folder, 'back.img'))).equals(content)).toBe(true);
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });

  it('are bundles too: restored they can be sent on', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    const listener = await listening(store);
    await mkdir(join(folder, 'web/etc'), { recursive: true });
    await writeFile(join(folder, 'web/disk.img'), new Random(4).bytes(500_001));
    await writeFile(join(folder, 'web/etc/conf'), 'x');
    const first = await sendBundle(join(folder, 'web'), listener);
    await writeFile(join(folder, 'web/etc/conf'), 'y');
    const second = await sendBundle(join(folder, 'web'), listener);
    expect(second.bytesSent).toBeLessThan(first.bytesSent / 20);
    await restoreFiles(store, await store.find('web'), join(folder, 'back'));
    expect(await readFile(join(folder, 'back/etc/conf'), 'utf8')).toBe('y');
    const there = await readFile(join(folder, 'back/disk.img'));
    expect(there.equals(await readFile(join(folder, 'web/disk.img')))).toBe(true);
    const other = await openTestStore(join(folder, 'other'));
    await sendBundle(join(folder, 'back'), await listening(other));
    expect((await newestOf(other)).manifest?.name).toBe('web');
  });

  it('are not stored of a dry run', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    const listener = await listening(store);
    await mkdir(join(folder, 'web'));
    await writeFile(join(folder, 'web/disk.img'), new Random(4).bytes(50_001));
    const report = await sendBundle(join(folder, 'web'), listener, true);
    expect(report.bytesSent).toBeGreaterThan(50_000);
    expect(await store.snapshots()).toEqual([]);
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });

  it('that were sent in part by a source that ended are gone on with where that is wanted', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    const content = new Random(5).bytes(200 * pageBytes);
    const offer = fileOffer('disk.img', content.length);
    const first = await storeDestination(store, offer, { keepMs: 60_000 });
    await first.regions[0]?.write(0, content.subarray(0, 100 * pageBytes));
    await first.discard();
    expect(first.isKept).toBe(true);
    const second = await storeDestination(store, offer, { keepMs: 60_000 });
    const found = Buffer.alloc(100 * pageBytes);
    await second.regions[0]?.read(0, found);
    expect(found.equals(content.subarray(0, found.length))).toBe(true);
    await second.discard();
    if ('sweep' in second) await second.sweep(0);
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });
});

async function sendFile(path: string, listener: Listener) {
  const guest = await fileGuest(path);
  try {
    return await send(guest, listener);
  } finally {
    await guest.close();
  }
}

async function sendBundle(path: string, listener: Listener, dryRun = false) {
  const guest = await bundleGuest(path, { keepSource: true, dryRun });
  try {
    return await send(guest, listener);
  } finally {
    await guest.close();
  }
}

function fileOffer(name: string, byteLength: number): IncomingOffer {
  return offerOf('file', [{ id: 0, name, byteLength, maxByteLength: byteLength }]);
}

describe('an offer to a store', () => {
  it.each(['..', 'a/b', '', 'a\u0000', '\u202etxt'])('called %j is refused', async (name) => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    for (const offer of [fileOffer(name, 10), offerOf(name, [])]) {
      await expect(storeDestination(store, offer)).rejects.toMatchObject({
        code: 'ERR_OUT_OF_RANGE',
      });
    }
    expect(existsSync(join(store.path, 'arriving'))).toBe(false);
  });

  it('is refused while another of its name arrives, which is not harmed', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const first = await storeDestination(store, fileOffer('a', 10));
    await expect(storeDestination(store, fileOffer('a', 10))).rejects.toMatchObject({
      code: 'ERR_BUSY',
    });
    await first.regions[0]?.write(0, Buffer.from('0123456789'));
    await first.resume();
    expect((await newestOf(store)).manifest?.name).toBe('a');
  });

  it('to an encrypted store is refused where it would lie in plain beside it', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'), { key: new Random(1).bytes(32) });
    await expect(storeDestination(store, fileOffer('a', 10))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
    const stage = join(folder, 'stage');
    const arriving = await storeDestination(store, fileOffer('a', 10), { stage });
    await arriving.regions[0]?.write(0, Buffer.from('0123456789'));
    await arriving.resume();
    expect(readdirSync(stage)).toEqual([]);
  });

  it('larger than is taken is refused', async () => {
    const store = await openTestStore(join(await makeFolder(), 'store'));
    const listener = await listening(store, { maxImage: 9999 });
    const guest = copyOf(bufferGuest(new Uint8Array(10_000)));
    await expect(send(guest, listener)).rejects.toMatchObject({ code: 'ERR_REGION_TOO_LARGE' });
    expect(readdirSync(join(store.path, 'arriving'))).toEqual([]);
  });

  it('is compared with a snapshot of which pages are lost as far as they are not', async () => {
    const folder = await makeFolder();
    const store = await openTestStore(join(folder, 'store'));
    const listener = await listening(store);
    const path = join(folder, 'disk.img');
    await writeFile(path, new Random(3).bytes(300 * pageBytes));
    await sendFile(path, listener);
    const pack =
      readdirSync(join(store.path, 'packs')).find((name) => name.endsWith('.pack')) ?? '';
    const bytes = await readFile(join(store.path, 'packs', pack));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await writeFile(join(store.path, 'packs', pack), bytes);
    const told: string[] = [];
    const again = await listening(store, { onDamage: (region) => told.push(region) });
    await sendFile(path, again);
    expect(told).toEqual(['disk.img']);
  });
});
