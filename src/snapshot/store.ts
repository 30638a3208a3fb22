import { asFerryError, FerryError } from '../errors.js';
import { Catalog } from './catalog.js';
import { readCondemned } from './condemned.js';
import type { StoreContext } from './context.js';
import { FinderOfStore } from './finder-of-store.js';
import { StoreLock } from './locks.js';
import { checkName, checkRegions } from './manifest.js';
import { PageTable } from './page-table.js';
import { pruneStore } from './prune.js';
import { placeRegions } from './region-places.js';
import { chooseRevisions, readRevisions } from './revisions.js';
import { StoreReader } from './snapshot-reader.js';
import { StoreWriter } from './snapshot-writer.js';
import { coded } from './store-error.js';
import type {
  BeginOptions,
  Compression,
  PruneOptions,
  PruneReport,
  SnapshotInfo,
  SnapshotReader,
  SnapshotWriter,
  Store,
  VerifyOptions,
  VerifyReport,
} from './types.js';
import { verifyStore } from './verify.js';

/** A catalog with more packs than this is begun anew. */
const manyPacks = 50_000;

export class FolderStore implements Store {
  readonly path: string;
  readonly id: string;
  readonly encrypted: boolean;
  readonly compression: Compression;
  readonly #context: StoreContext;
  #finder: FinderOfStore;
  readonly #catalogs = new Set<Catalog>();

  constructor(context: StoreContext) {
    this.#context = context;
    this.path = context.path;
    this.id = context.sealer.storeId;
    this.encrypted = context.sealer.encrypted;
    this.compression = context.compression;
    this.#finder = new FinderOfStore(context);
    this.#catalogs.add(context.catalog);
  }

  async snapshots(): Promise<readonly SnapshotInfo[]> {
    const chosen = await coded(`cannot list ${this.path}`, async () =>
      chooseRevisions(this.#context, await readRevisions(this.#context)),
    );
    return chosen.map(({ counter, read, error }) =>
      read === undefined
        ? { counter, error: error as Error }
        : { counter, manifest: read.manifest, signed: read.signed },
    );
  }

  async find(nameOrCounter: string, at?: number): Promise<SnapshotInfo> {
    const all = await this.snapshots();
    if (at !== undefined) return this.#findAt(all, nameOrCounter, at);
    const byCounter = /^\d{1,10}$/.test(nameOrCounter) ? Number(nameOrCounter) : -1;
    const found =
      all.find(({ counter }) => counter === byCounter) ??
      all.findLast(({ manifest }) => manifest?.name === nameOrCounter);
    if (found !== undefined) return found;
    const names = all.map(({ counter, manifest }) => `${counter} ${manifest?.name ?? '(damaged)'}`);
    const there = names.length === 0 ? 'it has none' : `there are ${names.slice(-20).join(', ')}`;
    throw new FerryError(
      'ERR_OUT_OF_RANGE',
      `${this.path} has no snapshot ${JSON.stringify(nameOrCounter)}: ${there}`,
    );
  }

  #findAt(all: readonly SnapshotInfo[], name: string, at: number): SnapshotInfo {
    const named = all.filter(({ manifest }) => manifest?.name === name);
    const found = named.findLast(({ manifest }) => (manifest?.time ?? at + 1) <= at);
    if (found !== undefined) return found;
    const oldest = named[0]?.manifest;
    const there =
      oldest === undefined
        ? 'there is none of that name'
        : `the oldest is ${oldest.counter}, of ${new Date(oldest.time).toISOString()}`;
    throw new FerryError(
      'ERR_OUT_OF_RANGE',
      `${this.path} has no snapshot ${JSON.stringify(name)} of ${new Date(at).toISOString()} or before: ${there}`,
    );
  }

  async read(snapshot: SnapshotInfo): Promise<SnapshotReader> {
    const manifest = manifestOf(snapshot);
    const { catalog } = this.#context;
    const reader = new StoreReader(
      catalog,
      manifest,
      await PageTable.open(catalog, manifest.table),
    );
    try {
      await reader.prove();
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  async begin(options: BeginOptions): Promise<SnapshotWriter> {
    checkName(options.name);
    checkRegions(options.regions);
    checkRegions(
      options.regions.map((region) => ({
        ...region,
        byteLength: Math.max(region.byteLength, region.maxByteLength ?? 0),
      })),
    );
    const context = this.#context;
    const manifest = options.parent === undefined ? undefined : manifestOf(options.parent);
    return coded(`cannot write to ${this.path}`, async () => {
      const lock = await StoreLock.take(context.files, this.path, 'shared');
      let table: PageTable | undefined;
      try {
        if (context.catalog.size > manyPacks) this.#beginCatalog();
        const { catalog } = context;
        const regions = placeRegions(options.regions, manifest);
        const pages = regions.reduce((sum, region) => sum + region.pages, 0);
        const finder = await this.#finder.prepare(pages);
        const { since } = await readCondemned(context.files, this.path, context.sealer);
        const excluded = new Set<number>();
        for (const name of since.keys()) {
          if (name.startsWith('packs/')) excluded.add(catalog.number(name.slice(6)));
        }
        for (const id of this.#finder.gone) excluded.add(catalog.number(id));
        if (manifest !== undefined) table = await PageTable.open(catalog, manifest.table);
        const parent = manifest && table && { manifest, table };
        return new StoreWriter(context, {
          options,
          regions,
          parent,
          catalog,
          finder,
          excluded,
          lock,
          onPack: (id) => this.#finder.note(id),
        });
      } catch (error) {
        await table?.close();
        await lock.release();
        throw error;
      }
    });
  }

  prune(options: PruneOptions): Promise<PruneReport> {
    return coded(`cannot prune ${this.path}`, () => pruneStore(this.#context, options));
  }

  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return verifyStore(this.#context, options);
  }

  async close(): Promise<void> {
    for (const catalog of this.#catalogs) await catalog.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Numbers of packs that are long gone are given anew; what was begun before goes on with the old ones. */
  #beginCatalog(): void {
    const context = this.#context;
    context.catalog = new Catalog(context.files, this.path, context.sealer);
    this.#catalogs.add(context.catalog);
    this.#finder = new FinderOfStore(context);
  }
}

function manifestOf(snapshot: SnapshotInfo): NonNullable<SnapshotInfo['manifest']> {
  if (snapshot.manifest === undefined) {
    throw asFerryError(snapshot.error, 'ERR_STORE_CORRUPT');
  }
  return snapshot.manifest;
}
