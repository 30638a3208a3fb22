import { join } from 'node:path';
import { FerryError } from '../errors.js';
import type { StoreContext } from './context.js';
import { HEADS_BYTES, readHeads } from './index-file.js';
import { PageFinder } from './page-finder.js';
import { closing } from './place-file.js';
import { SEAL_BYTES } from './sealed.js';
import { ifThere } from './store-error.js';

/** A finder is made with room for so many times the pages that are planned, so that it need not be made anew for each snapshot. */
const roomFor = 4;
const headBytes = 8;

/** Keeps the finder of a store: what packs have come up since is added, and where it has no room left it is made anew. */
export class FinderOfStore {
  readonly #context: StoreContext;
  readonly #known = new Set<string>();
  #finder = new PageFinder(0);
  /** Packs that were not there any more, or not whole, when the finder was prepared last. */
  readonly gone: Set<string> = new Set();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** The finder, with all packs in it that there is memory for, and room for `pages` more. */
  async prepare(pages: number): Promise<PageFinder> {
    const { files, path, lookupBytes } = this.#context;
    const names = await files.list(join(path, 'packs'));
    const packs = new Set(names.filter((name) => /^[0-9a-f]{32}\.pack$/.test(name)));
    // An index that a power cut left without its pack says nothing.
    const indexes = names.filter((name) => packs.has(name.replace(/\.index$/, '.pack')));
    const ids = indexes.filter((name) => name.endsWith('.index')).map((name) => name.slice(0, 32));
    const present = new Set(ids);
    this.gone.clear();
    // A delta of a pack that is there may be built on one that is half there, or on its way out.
    const seen = names.map((name) => /^[0-9a-f]{32}(?=\.(pack|index))/.exec(name)?.[0] ?? '');
    for (const id of [...this.#known, ...seen]) {
      if (id !== '' && !present.has(id)) this.gone.add(id);
    }
    let missing = ids.filter((id) => !this.#known.has(id));
    let counts = await this.#counts(missing);
    const most = Math.floor(lookupBytes / PageFinder.bytesFor(1000)) * 1000;
    if (total(counts) + Math.min(pages, most) > this.#finder.free) {
      this.#known.clear();
      missing = ids;
      counts = await this.#counts(missing);
      const wanted = total(counts) + roomFor * pages;
      this.#finder = new PageFinder(Math.min(wanted, most));
      if (total(counts) > most) missing = await this.#newestFirst(missing);
    }
    const room = new Uint8Array(missing.length > 1 ? HEADS_BYTES : 0);
    for (const id of missing) {
      if ((counts.get(id) ?? 0) > this.#finder.free) break;
      await this.#add(id, room);
    }
    return this.#finder;
  }

  /** A writer has put the objects of this pack, which is finished, into the finder itself. */
  note(id: string): void {
    this.#known.add(id);
  }

  async #add(id: string, room: Uint8Array): Promise<void> {
    const { files, path, sealer, catalog } = this.#context;
    this.#known.add(id);
    const file = await ifThere(() => files.open(join(path, 'packs', `${id}.index`)));
    if (file === undefined) return;
    try {
      const { count, words } = await closing(file, () => readHeads(file, id, sealer, room));
      const number = catalog.number(id);
      for (let object = 0; object < count; object++) {
        this.#finder.add(words[2 * object] as number, words[2 * object + 1] as number, number);
      }
    } catch (error) {
      // What cannot be read is not referred to.
      const isDamage = error instanceof FerryError && error.code !== 'ERR_IO';
      if (!isDamage) throw error;
    }
  }

  /** About how many objects each of the packs has: as their indexes' lengths say. */
  async #counts(ids: readonly string[]): Promise<Map<string, number>> {
    const { files, path } = this.#context;
    const counts = new Map<string, number>();
    for (const id of ids) {
      const file = await ifThere(() => files.open(join(path, 'packs', `${id}.index`)));
      if (file === undefined) continue;
      const size = await closing(file, () => file.size());
      const most = Math.max(0, size - 2 * SEAL_BYTES) / (2 * headBytes);
      counts.set(id, Math.min(Math.floor(most), 65_535));
    }
    return counts;
  }

  async #newestFirst(ids: readonly string[]): Promise<string[]> {
    const { files, path } = this.#context;
    const times = new Map<string, number>();
    for (const id of ids) {
      const time = await ifThere(() => files.modifiedMs(join(path, 'packs', `${id}.index`)));
      times.set(id, time ?? 0);
    }
    return [...ids].sort((one, other) => (times.get(other) ?? 0) - (times.get(one) ?? 0));
  }
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
