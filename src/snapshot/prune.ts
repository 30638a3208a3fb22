import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { Catalog, trashSuffix } from './catalog.js';
import { readCondemned, writeCondemned } from './condemned.js';
import type { StoreContext } from './context.js';
import { PRINTS_FOLDER, printsName, printsSuffix } from './fingerprint-file.js';
import { eachLive } from './live-objects.js';
import { StoreLock } from './locks.js';
import { ObjectReader } from './object-reader.js';
import { PageMap } from './page-map.js';
import { PageTable } from './page-table.js';
import { closing, temporarySuffix } from './place-file.js';
import { PlaceSet } from './place-set.js';
import { ordinalOf, packOf } from './places.js';
import { publishRevision } from './publish.js';
import { mustMove, Repacker, sizeOf } from './repack.js';
import { chooseRevisions, type Revision, readRevisions } from './revisions.js';
import { ifThere } from './store-error.js';
import { SEGMENT_PAGES } from './table-segment.js';
import type { Manifest, PruneOptions, PruneReport } from './types.js';

const defaultGraceMs = 3_600_000;
const defaultDeadShare = 0.02;
/** So many packs of less than a quarter of what a pack may have are made one. */
const manySmallPacks = 8;

type Kept = Revision & { readonly read: NonNullable<Revision['read']> };

/**
 * Removes snapshots, and in two runs what only they needed: this run condemns it, a later one deletes it. Kept snapshots whose pages moved get
 * another revision of their manifest before the old one goes.
 */
export async function pruneStore(
  strict: StoreContext,
  options: PruneOptions,
): Promise<PruneReport> {
  const { files, path } = strict;
  // Who signed a snapshot does not matter to who deletes: an unsigned one needs its pages too.
  const context: StoreContext = { ...strict, verifyWith: undefined };
  const lock = await StoreLock.take(files, path, 'exclusive');
  try {
    return await new Prune(context, options, lock).run();
  } finally {
    await lock.release();
  }
}

class Prune {
  readonly #context: StoreContext;
  readonly #options: PruneOptions;
  readonly #lock: StoreLock;
  readonly #catalog: Catalog;
  readonly #graceMs: number;
  #freedBytes = 0;

  constructor(context: StoreContext, options: PruneOptions, lock: StoreLock) {
    const { files, path, sealer } = context;
    this.#context = context;
    this.#options = options;
    this.#lock = lock;
    this.#catalog = new Catalog(files, path, sealer);
    this.#graceMs = options.graceMs ?? defaultGraceMs;
  }

  async run(): Promise<PruneReport> {
    try {
      const revisions = await this.#revisions();
      const kept = await this.#choose(revisions);
      const { deleted, uncondemned } = await this.#deleteCondemned(revisions);
      await this.#sweep();
      // Another revision of a kept one is what a run left that was interrupted.
      const keptNames = new Set(kept.map(({ name }) => name));
      const superseded = revisions.filter(
        ({ name, counter }) => !keptNames.has(name) && kept.some((one) => one.counter === counter),
      );
      const counters = new Set(kept.map(({ counter }) => counter));
      const removed = revisions.filter(({ counter }) => !counters.has(counter));
      const { moves } = await this.#repackOrNot(kept, revisions);
      await this.#keepCounters(removed);
      await this.#unlinkManifests([...removed, ...superseded].map(({ name }) => name));
      await this.#unlinkPrints(counters);
      const condemned = await this.#condemn(revisions);
      return {
        removedSnapshots: [...new Set(removed.map(({ counter }) => counter))],
        condemned: condemned.files,
        condemnedBytes: condemned.bytes,
        deleted,
        uncondemned,
        repackedPages: moves,
        freedBytes: this.#freedBytes,
      };
    } finally {
      await this.#catalog.close();
    }
  }

  /** ERR_STORE_VERSION or ERR_IO where one cannot be read that may be good. */
  async #revisions(): Promise<Revision[]> {
    const revisions = await readRevisions(this.#context);
    for (const { error } of revisions) {
      if (error instanceof FerryError && error.code !== 'ERR_STORE_CORRUPT') throw error;
    }
    return revisions;
  }

  async #choose(revisions: readonly Revision[]): Promise<Kept[]> {
    const newest = await chooseRevisions(this.#context, revisions);
    const infos = newest.map(({ counter, read, error }) =>
      read === undefined
        ? { counter, error: error as Error }
        : { counter, manifest: read.manifest, signed: read.signed },
    );
    const chosen = new Set(this.#options.keep(infos));
    const kept: Kept[] = [];
    for (const counter of chosen) {
      const revision = newest.find((one) => one.counter === counter);
      if (revision === undefined) throw new RangeError(`there is no snapshot ${counter} to keep`);
      if (revision.read === undefined) throw revision.error;
      kept.push({ ...revision, read: revision.read });
    }
    return kept.sort((one, other) => one.counter - other.counter);
  }

  /** Deletes what was condemned long enough ago and is needed by nobody; what is needed is condemned no more. */
  async #deleteCondemned(
    revisions: readonly Revision[],
  ): Promise<{ deleted: number; uncondemned: number }> {
    const { files, path, sealer } = this.#context;
    const condemned = await readCondemned(files, path, sealer);
    const left = await this.#trashLeft();
    if (condemned.since.size === 0 && left.size === 0) return { deleted: 0, uncondemned: 0 };
    const needed = await this.#needed(revisions);
    const since = new Map(condemned.since);
    const due = new Set(left);
    let uncondemned = 0;
    for (const [name, time] of condemned.since) {
      if (needed.has(name)) {
        since.delete(name);
        uncondemned++;
      } else if (Date.now() - time >= this.#graceMs) {
        due.add(name);
      }
    }
    for (const name of due) await this.#toTrash(name);
    // Whoever published before a file was moved away is seen now; whoever publishes later sees that it is gone.
    const stillNeeded = await this.#needed(await this.#revisions());
    let deleted = 0;
    for (const name of due) {
      if (stillNeeded.has(name)) {
        await this.#fromTrash(name);
      } else {
        await this.#deleteTrash(name);
        deleted++;
      }
      since.delete(name);
    }
    await writeCondemned(files, path, sealer, { ...condemned, since });
    return { deleted, uncondemned };
  }

  /** What an interrupted run moved away. */
  async #trashLeft(): Promise<Set<string>> {
    const left = new Set<string>();
    for (const folder of ['packs', 'tables']) {
      for (const name of await this.#context.files.list(join(this.#context.path, folder))) {
        if (name.endsWith(trashSuffix)) left.add(`${folder}/${name.slice(0, 32)}`);
      }
    }
    return left;
  }

  #filesOf(name: string): string[] {
    const place = join(this.#context.path, name);
    return name.startsWith('packs/') ? [`${place}.index`, `${place}.pack`] : [`${place}.table`];
  }

  async #toTrash(name: string): Promise<void> {
    const { files } = this.#context;
    for (const file of this.#filesOf(name)) {
      await ifThere(() => files.rename(file, file + trashSuffix));
    }
  }

  async #fromTrash(name: string): Promise<void> {
    const { files } = this.#context;
    for (const file of this.#filesOf(name).reverse()) {
      await ifThere(() => files.rename(file + trashSuffix, file));
    }
  }

  async #deleteTrash(name: string): Promise<void> {
    const { files } = this.#context;
    for (const path of this.#filesOf(name)) {
      const file = await ifThere(() => files.open(path + trashSuffix));
      if (file === undefined) continue;
      this.#freedBytes += await closing(file, () => file.size());
      await ifThere(() => files.unlink(path + trashSuffix));
    }
  }

  /** Removes what ended processes left under names that mean nothing. */
  async #sweep(): Promise<void> {
    const { files, path } = this.#context;
    for (const folder of ['', 'packs', 'tables', 'snapshots', PRINTS_FOLDER]) {
      for (const name of (await ifThere(() => files.list(join(path, folder)))) ?? []) {
        if (!/^[0-9a-f]{32}\.tmp$/.test(name) || !name.endsWith(temporarySuffix)) continue;
        const place = join(path, folder, name);
        const time = await ifThere(() => files.modifiedMs(place));
        if (time === undefined || Date.now() - time < this.#graceMs) continue;
        await ifThere(() => files.unlink(place));
      }
    }
  }

  /** Fingerprints of snapshots that are gone. */
  async #unlinkPrints(kept: ReadonlySet<number>): Promise<void> {
    const { files, path } = this.#context;
    const folder = join(path, PRINTS_FOLDER);
    const names = new Set([...kept].map(printsName));
    for (const name of (await ifThere(() => files.list(folder))) ?? []) {
      if (name.endsWith(printsSuffix) && !names.has(name)) {
        await ifThere(() => files.unlink(join(folder, name)));
      }
    }
  }

  /** Names of all files that any manifest needs. */
  async #needed(revisions: readonly Revision[]): Promise<Set<string>> {
    const needed = new Set<string>();
    for (const { read } of revisions) {
      if (read === undefined) continue;
      await this.#addNeeds(read.manifest, needed);
    }
    return needed;
  }

  async #addNeeds({ table: id }: Manifest, needed: Set<string>): Promise<void> {
    if (needed.has(`tables/${id}`)) return;
    needed.add(`tables/${id}`);
    let table: PageTable;
    try {
      table = await PageTable.open(this.#catalog, id);
    } catch (error) {
      // A snapshot that has lost its table needs nothing else any more.
      if (error instanceof FerryError && error.code === 'ERR_STORE_CORRUPT') return;
      throw error;
    }
    await closing(table, async () => {
      for (const pack of table.directory.packs) needed.add(`packs/${pack}`);
      for (const other of table.directory.tables) needed.add(`tables/${other}`);
    });
  }

  /** A full disk must not keep prune from making room: then nothing is repacked. */
  async #repackOrNot(
    kept: readonly Kept[],
    revisions: readonly Revision[],
  ): Promise<{ moves: number }> {
    try {
      return await this.#repack(kept, revisions);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'ERR_DISK_FULL') throw error;
      return { moves: 0 };
    }
  }

  async #repack(kept: readonly Kept[], revisions: readonly Revision[]): Promise<{ moves: number }> {
    const live = new PlaceSet();
    for (const { read } of kept) {
      await eachLive(this.#catalog, read.manifest, (place) => live.add(place));
      await this.#lock.refresh();
    }
    const victims = await this.#victims(live);
    const repacker = new Repacker(this.#context, this.#catalog, live, victims);
    try {
      const surviving = new Set<string>();
      const later: (() => Promise<void>)[] = [];
      let previous: string | undefined;
      for (const revision of kept) {
        const { manifest } = revision.read;
        const table = await this.#movedTable(manifest, repacker, surviving, previous);
        surviving.add(table?.id ?? manifest.table);
        previous = table?.id ?? manifest.table;
        await this.#lock.refresh();
        if (table === undefined) continue;
        later.push(() => this.#replace(revision, table, revisions));
      }
      await repacker.finish();
      const { files, path } = this.#context;
      if (later.length > 0) {
        await files.syncFolder(join(path, 'packs'));
        await files.syncFolder(join(path, 'tables'));
      }
      for (const replace of later) await replace();
      return { moves: repacker.moves };
    } catch (error) {
      await repacker.drop();
      throw error;
    }
  }

  /** Packs of which too much is dead, or which are many and small. */
  async #victims(live: PlaceSet): Promise<Set<number>> {
    const share = this.#options.deadShare ?? defaultDeadShare;
    const victims = new Set<number>();
    const objects = new ObjectReader(this.#catalog);
    for (;;) {
      const staying = new PlaceSet();
      for (const pack of live.packs()) {
        if (victims.has(pack)) continue;
        const index = await this.#catalog.index(pack);
        for (const ordinal of live.ordinals(pack)) {
          const place = ((pack << 16) | ordinal) >>> 0;
          if (index.depth(ordinal) > 0 && mustMove(await objects.chain(place), live, victims)) {
            continue;
          }
          staying.add(place);
        }
      }
      const before = victims.size;
      const small: number[] = [];
      for (const pack of live.packs()) {
        if (victims.has(pack)) continue;
        const { storedBytes, liveBytes } = await sizeOf(this.#catalog, pack, staying);
        if (storedBytes - liveBytes > share * storedBytes) victims.add(pack);
        else if (storedBytes < this.#context.packBytes / 4) small.push(pack);
      }
      if (small.length >= manySmallPacks) for (const pack of small) victims.add(pack);
      if (victims.size === before) return victims;
    }
  }

  /** Writes the page table anew if anything that it needs will not stay. Undefined: it stays. */
  async #movedTable(
    manifest: Manifest,
    repacker: Repacker,
    surviving: ReadonlySet<string>,
    previous: string | undefined,
  ): Promise<{ id: string; packs: Set<string>; tables: Set<string> } | undefined> {
    const catalog = this.#catalog;
    const objects = new ObjectReader(catalog);
    const old = await PageTable.open(catalog, manifest.table);
    const parent = previous === undefined ? undefined : await PageTable.open(catalog, previous);
    try {
      const needs = new Set<number>();
      const map = new PageMap(parent);
      let isMoved = old.directory.tables.some((table) => !surviving.has(table));
      for (const number of old.segments) {
        const before = await old.segment(number);
        const places = await map.open(number);
        for (let page = 0; page < SEGMENT_PAGES; page++) {
          const place = before[page] as number;
          if (place === 0) continue;
          const now = await repacker.place(place);
          if (now !== place) isMoved = true;
          places[page] = now;
          const pack = packOf(now);
          needs.add(pack);
          const index = catalog.peek(pack) ?? (await catalog.index(pack));
          if (!index.hasDeltas || index.depth(ordinalOf(now)) === 0) continue;
          for (const part of await objects.chain(now)) needs.add(packOf(part));
        }
      }
      const names = new Set([...needs].map((pack) => catalog.id(pack)));
      isMoved ||= old.directory.packs.some((pack) => !names.has(pack));
      if (!isMoved) return undefined;
      const { id, tables } = await map.write(catalog, needs);
      return { id, packs: names, tables: new Set([id, ...tables]) };
    } finally {
      await parent?.close();
      await old.close();
    }
  }

  /** Publishes a revision of a manifest that names its new table, then removes the older ones. */
  async #replace(
    { counter, read }: Kept,
    table: { id: string; packs: Set<string>; tables: Set<string> },
    revisions: readonly Revision[],
  ): Promise<void> {
    const older = revisions.filter((one) => one.counter === counter);
    const revision = 1 + Math.max(...older.map((one) => one.revision));
    const parts = { ...read.parts, table: Buffer.from(table.id, 'hex') };
    const needs = { packs: table.packs, tables: table.tables };
    await publishRevision(this.#context, needs, counter, revision, parts);
    const { files, path } = this.#context;
    // Not synced: an older one that comes back does no harm, see `chooseRevisions`.
    for (const { name } of older) await ifThere(() => files.unlink(join(path, 'snapshots', name)));
  }

  /** What is removed leaves its counter behind: it is not given again. */
  async #keepCounters(removed: readonly Revision[]): Promise<void> {
    const { files, path, sealer } = this.#context;
    const condemned = await readCondemned(files, path, sealer);
    const lastCounter = Math.max(...removed.map(({ counter }) => counter));
    if (lastCounter <= condemned.lastCounter) return;
    await writeCondemned(files, path, sealer, { ...condemned, lastCounter });
    await files.syncFolder(path);
  }

  async #unlinkManifests(names: readonly string[]): Promise<void> {
    const { files, path } = this.#context;
    if (names.length === 0) return;
    const folder = join(path, 'snapshots');
    for (const name of names) await ifThere(() => files.unlink(join(folder, name)));
    await files.syncFolder(folder);
  }

  /** Condemns what no manifest needs. */
  async #condemn(before: readonly Revision[]): Promise<{ files: number; bytes: number }> {
    const { files, path, sealer } = this.#context;
    const condemned = await readCondemned(files, path, sealer);
    const now = await this.#revisions();
    const needed = await this.#needed(now);
    const since = new Map(condemned.since);
    let bytes = 0;
    let added = 0;
    for (const [folder, pattern] of [
      ['packs', /^([0-9a-f]{32})\.(pack|index)$/],
      ['tables', /^([0-9a-f]{32})\.table$/],
    ] as const) {
      for (const file of await files.list(join(path, folder))) {
        const id = pattern.exec(file)?.[1];
        const name = `${folder}/${id}`;
        if (id === undefined || needed.has(name)) continue;
        const size = await ifThere(async () => {
          const open = await files.open(join(path, folder, file));
          return closing(open, () => open.size());
        });
        bytes += size ?? 0;
        if (since.has(name)) continue;
        since.set(name, Date.now());
        added++;
      }
    }
    const counters = [...before, ...now].map(({ counter }) => counter);
    const lastCounter = Math.max(condemned.lastCounter, ...counters);
    if (added > 0 || lastCounter > condemned.lastCounter) {
      const generation = condemned.generation + 1;
      await writeCondemned(files, path, sealer, { generation, lastCounter, since });
    }
    return { files: added, bytes };
  }
}
