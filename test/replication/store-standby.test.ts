import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type BufferGuest, bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { createLedger, planLedger, receiveLedger } from '../../src/guests/ledger.js';
import { replayLedger } from '../../src/guests/ledger-replay.js';
import type { Primary } from '../../src/replication/primary-driver.js';
import { newMember, type ProtectOptions, protect } from '../../src/replication/protect.js';
import { type StoreStandbyOptions, storeStandby } from '../../src/replication/store-standby.js';
import { recentOf } from '../../src/snapshot/recent.js';
import { restoreGuest } from '../../src/snapshot/restore-guest.js';
import type { SnapshotInfo, Store } from '../../src/snapshot/types.js';
import { openStore as openProgram } from '../guests/wasi/store.js';
import { SimulatedEngine } from '../lease/simulated-engine.js';
import { makeFolder, makeImage, openTestStore, snapshotOf } from '../snapshot/support.js';

const pageBytes = 4096;
const pages = 64;

async function until(is: () => unknown, ms = 10_000): Promise<void> {
  for (const from = performance.now(); !(await is()); await sleep(1)) {
    if (performance.now() - from > ms) throw new Error('it never was');
  }
}

/** A guest with a number on each page and in its state, which a commit makes the next one. */
class Numbers {
  readonly memory = new Uint8Array(pages * pageBytes);
  readonly guest: BufferGuest;
  number = 0;

  constructor() {
    this.guest = bufferGuest(this.memory, {
      tracker: 'marks',
      saveState: () => Buffer.from(`${this.number}`),
      loadState: (state) => {
        this.number = Number(Buffer.from(state).toString());
      },
    });
  }

  write(): void {
    this.number += 1;
    const page = this.number % pages;
    for (const at of [0, page * pageBytes + 8]) {
      new DataView(this.memory.buffer).setUint32(at, this.number);
      this.guest.markDirty(at, 4);
    }
  }

  get isWhole(): boolean {
    const view = new DataView(this.memory.buffer);
    for (let page = 0; page < pages; page += 1) {
      const last = this.number - ((((this.number - page) % pages) + pages) % pages);
      if (view.getUint32(page * pageBytes + 8) !== Math.max(0, last)) return false;
    }
    return view.getUint32(0) === this.number;
  }
}

interface Stored {
  readonly snapshot: number;
  readonly epoch: number;
}

async function follow(
  store: Store,
  options: Partial<StoreStandbyOptions> & Pick<StoreStandbyOptions, 'lease'>,
) {
  const keeper = await storeStandby({
    ...{ store, name: 'g', member: newMember('store'), keepMs: 3_600_000, everyMs: 1 },
    ...options,
  });
  onTestFinished(() => keeper.close());
  const stored: Stored[] = [];
  const events: string[] = [];
  void (async () => {
    for await (const event of keeper) {
      events.push('code' in event ? `${event.type} ${event.code}` : event.type);
      if (event.type === 'stored') stored.push(event);
    }
  })();
  return { keeper, stored, events };
}

async function lead(
  guest: Guest,
  followers: readonly { readonly host: string; readonly port: number }[],
  options: Pick<ProtectOptions, 'lease'> & Partial<ProtectOptions>,
): Promise<Primary> {
  const primary = await protect(guest, {
    ...{ name: 'g', member: newMember('a'), intervalMs: 5, patienceMs: 5000 },
    peers: followers.map(({ host, port }) => ({ host, port })),
    ...options,
  });
  onTestFinished(() => primary.close());
  return primary;
}

/** The guest as the snapshot has it. */
async function restored(store: Store, snapshot: SnapshotInfo): Promise<Numbers> {
  const numbers = new Numbers();
  await restoreGuest(store, snapshot, numbers.guest, { start: false });
  return numbers;
}

async function newest(store: Store): Promise<SnapshotInfo> {
  return store.find('g');
}

describe('a store that follows a guest', () => {
  it('has for each time what a ledger had committed by then, to the byte, while it goes on and grows', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const { keeper, stored } = await follow(store, { lease: engine.provider(), everyMs: 20 });
    const plan = {
      ...{ sizeBytes: 200 * pageBytes, seed: 7 },
      growth: { everyTransfers: 200, byBytes: 8 * pageBytes, maxSizeBytes: 400 * pageBytes },
    };
    const commits: { readonly seq: number; readonly at: number }[] = [];
    const ledger = createLedger({
      ...plan,
      bytesPerSecond: 4_000_000,
      onCommit: (seq) => commits.push({ seq, at: Date.now() }),
    });
    const primary = await lead(ledger, [keeper], { lease: engine.provider() });
    await until(() => stored.length >= 6 && ledger.seq > 500);
    await primary.close();
    await keeper.close();
    const snapshots = await store.snapshots();
    expect(snapshots.length).toBeGreaterThanOrEqual(6);
    let before = 0;
    for (const snapshot of snapshots) {
      const { time, regions, metadata } = snapshot.manifest as NonNullable<
        typeof snapshot.manifest
      >;
      const found = await store.find('g', time);
      expect(found.manifest?.time).toBe(time);
      const copy = receiveLedger(regions[0]?.byteLength ?? 0, plan.growth.maxSizeBytes);
      await restoreGuest(store, snapshot, copy, { start: false });
      expect(metadata).toMatchObject({ token: '1' });
      expect(copy.seq).toBeGreaterThanOrEqual(before);
      before = copy.seq;
      const committed = commits.findLast(({ at }) => at <= time)?.seq ?? 0;
      expect(copy.seq).toBeLessThanOrEqual(committed);
      const replay = replayLedger(planLedger(plan), copy.seq);
      expect(copy.digest).toBe(replay.digest);
      const [page, there] = [new Uint8Array(pageBytes), new Uint8Array(pageBytes)];
      for (let index = 0; index < replay.pages; index += 1) {
        replay.readPage(index, page);
        await copy.regions[0]?.read(index * pageBytes, there);
        expect(Buffer.compare(page, there)).toBe(0);
      }
    }
    // The last one is what it had when it was let go of.
    expect(before).toBe(ledger.seq);
  });

  it('has the files of a WASI program, which come, grow and go while it is stored', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const { keeper, stored, events } = await follow(store, { lease: engine.provider() });
    const [here, there] = [await openProgram(), await openProgram()];
    const seen = new Set(here.guest.regions);
    const first = seen.size;
    const primary = await lead(here.guest, [keeper], { lease: engine.provider() });
    const enough = here.store.getSteps() + 3000;
    await until(() => {
      for (const region of here.guest.regions) seen.add(region);
      return stored.length > 10 && here.store.getSteps() > enough;
    }, 20_000);
    await primary.close();
    await keeper.close();
    expect(seen.size).toBeGreaterThan(first);
    // What came or went while it was read is begun anew.
    expect(events.filter((type) => type.startsWith('un') && type !== 'unstored ERR_IO')).toEqual(
      [],
    );
    expect((await store.verify()).damaged).toEqual([]);
    await restoreGuest(store, await newest(store), there.guest, { start: false });
    expect(there.store.getSteps()).toBe(here.store.getSteps());
    expect(there.store.getDigest()).toBe(here.store.getDigest());
    expect(there.store.damaged()).toBe(0);
  });

  it('is never in sync, and stores only what changed', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const { keeper, stored } = await follow(store, { lease: engine.provider() });
    const numbers = new Numbers();
    numbers.memory.fill(1);
    const primary = await lead(numbers.guest, [keeper], { lease: engine.provider() });
    await until(() => stored.length === 1);
    for (let step = 0; step < 5; step += 1) {
      numbers.write();
      await primary.commit();
      await until(() => stored.length > step + 1);
    }
    expect(primary.inSync).toHaveLength(1);
    const parents = (await store.snapshots()).map(({ manifest }) => manifest?.parent?.counter);
    expect(parents).toEqual([undefined, 1, 2, 3, 4, 5]);
    for (const { manifest } of (await store.snapshots()).slice(1)) {
      expect(manifest?.storedBytes).toBeLessThan(16_384);
    }
  });

  it('has from before what was written by mistake since', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const { keeper, stored } = await follow(store, { lease: engine.provider() });
    const numbers = new Numbers();
    const primary = await lead(numbers.guest, [keeper], { lease: engine.provider() });
    for (let step = 0; step < 10; step += 1) numbers.write();
    await primary.commit();
    await until(
      async () => stored.length > 0 && (await restored(store, await newest(store))).number === 10,
    );
    const good = Date.now();
    await sleep(5);
    numbers.write();
    numbers.memory.fill(0xee, 5 * pageBytes, 6 * pageBytes);
    numbers.guest.markDirty(5 * pageBytes, pageBytes);
    await primary.commit();
    await until(async () => (await restored(store, await newest(store))).number === 11);
    expect((await restored(store, await newest(store))).isWhole).toBe(false);
    const before = await restored(store, await store.find('g', good));
    expect([before.number, before.isWhole]).toEqual([10, true]);
  });

  it('goes on in another life, against what the last one stored', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const first = await follow(store, { lease: engine.provider() });
    const { host, port } = first.keeper;
    const numbers = new Numbers();
    for (let step = 0; step < pages; step += 1) numbers.write();
    const primary = await lead(numbers.guest, [{ host, port }], { lease: engine.provider() });
    await until(() => first.stored.length > 0);
    await first.keeper.close();
    const before = await newest(store);
    numbers.write();
    const second = await follow(store, { lease: engine.provider(), port });
    await until(() => second.stored.length > 0);
    await primary.close();
    await second.keeper.close();
    const after = await newest(store);
    expect(after.manifest?.parent?.counter).toBe(before.counter);
    const found = await restored(store, after);
    expect([found.number, found.isWhole]).toEqual([pages + 1, true]);
    expect(await readdir(`${store.path}/arriving`)).toEqual([]);
  });

  it('stores the last epoch it had when its primary is gone, and follows the next one', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    const { keeper, stored, events } = await follow(store, {
      ...{ lease: engine.provider(), everyMs: 3_600_000 },
    });
    const numbers = new Numbers();
    const primary = await lead(numbers.guest, [keeper], { lease: engine.provider() });
    await until(() => stored.length === 1);
    for (let step = 0; step < 20; step += 1) numbers.write();
    await primary.close();
    await until(() => stored.length === 2);
    expect((await restored(store, await newest(store))).number).toBe(20);
    const next = await lead(numbers.guest, [keeper], {
      ...{ lease: engine.provider(), member: newMember('c'), acceptDataLoss: true },
    });
    await until(() => events.filter((type) => type === 'following').length === 2);
    numbers.write();
    await next.close();
    await until(async () => (await restored(store, await newest(store))).number === 21);
    expect((await newest(store)).manifest?.metadata).toMatchObject({ token: '2' });
  });

  it('removes what is older than it is to be kept, but the one that was the newest then, and nothing else', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    await snapshotOf(store, makeImage([1, 2, 3]), { name: 'other' });
    const { keeper, stored, events } = await follow(store, {
      ...{ lease: engine.provider(), keepMs: 200 },
    });
    const numbers = new Numbers();
    const primary = await lead(numbers.guest, [keeper], { lease: engine.provider() });
    await until(async () => {
      numbers.write();
      await primary.commit();
      return events.filter((type) => type === 'pruned').length > 3;
    });
    await primary.close();
    await keeper.close();
    const left = await store.snapshots();
    expect(left[0]?.manifest?.name).toBe('other');
    expect(left.length).toBeLessThan(stored.length);
    expect(left.at(-1)?.counter).toBe(stored.at(-1)?.snapshot);
    expect((await store.verify()).damaged).toEqual([]);
    const found = await restored(store, await newest(store));
    expect([found.number, found.isWhole]).toEqual([numbers.number, true]);
    expect(events.filter((type) => type.startsWith('un'))).toEqual([]);
    const oldest = left.find(({ manifest }) => manifest?.name === 'g');
    await expect(store.find('g', 1)).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
      message: expect.stringContaining(`the oldest is ${oldest?.counter}, of `),
    });
  });

  it('that cannot store goes on following, and stores all of it once it can', async () => {
    const engine = new SimulatedEngine();
    const store = await openTestStore(await makeFolder());
    let isFull = false;
    const begin = store.begin.bind(store);
    store.begin = (options) =>
      isFull ? Promise.reject(new RangeError('no room')) : begin(options);
    const { keeper, stored, events } = await follow(store, { lease: engine.provider() });
    const numbers = new Numbers();
    const primary = await lead(numbers.guest, [keeper], { lease: engine.provider() });
    await until(() => stored.length > 0);
    isFull = true;
    for (let step = 0; step < 9; step += 1) numbers.write();
    await primary.commit();
    await until(() => events.includes('unstored ERR_IO'));
    isFull = false;
    await until(async () => (await restored(store, await newest(store))).number === 9);
    expect((await restored(store, await newest(store))).isWhole).toBe(true);
    expect(events.filter((type) => type === 'following')).toHaveLength(1);
  });

  it('that is encrypted says that it needs a place for what arrives', async () => {
    const store = await openTestStore(await makeFolder(), { key: new Uint8Array(32).fill(3) });
    const engine = new SimulatedEngine();
    const options = { name: 'g', member: newMember('s'), lease: engine.provider() };
    await expect(storeStandby({ ...options, store, keepMs: 1000 })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    });
    const { keeper, stored } = await follow(store, {
      ...{ lease: engine.provider(), stage: await makeFolder() },
    });
    const numbers = new Numbers();
    numbers.write();
    await lead(numbers.guest, [keeper], { lease: engine.provider() });
    await until(() => stored.length > 0);
    expect((await restored(store, await newest(store))).isWhole).toBe(true);
  });
});

describe('what is kept of a name', () => {
  const all = [
    ['g', 100],
    ['other', 50],
    ['g', 200],
    ['g', 300],
    [undefined, 0],
    ['g', 400],
  ].map(([name, time], index) => ({
    counter: index + 1,
    ...(name === undefined ? {} : { manifest: { name, time } }),
  })) as unknown as readonly SnapshotInfo[];

  it.each([
    [0, [1, 2, 3, 4, 5, 6]],
    [200, [1, 2, 3, 4, 5, 6]],
    [201, [2, 3, 4, 5, 6]],
    [350, [2, 4, 5, 6]],
    [500, [2, 5, 6]],
  ])('from %i on are the snapshots %j', (since, counters) => {
    expect(recentOf(all, 'g', since)).toEqual(counters);
  });
});
