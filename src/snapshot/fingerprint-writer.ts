import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemCode } from '../guests/file-io.js';
import type { StoreContext } from './context.js';
import {
  type FingerprintReader,
  PRINT_BYTES,
  PRINT_SECRET_BYTES,
  PRINTS_FOLDER,
  printsLayout,
  printsName,
  printsOwner,
  SECTION_PRINTS,
  sealHead,
  unknown,
} from './fingerprint-file.js';
import { temporarySuffix } from './place-file.js';
import { section } from './sealed.js';
import { ifThere } from './store-error.js';
import type { StoreFile } from './store-files.js';
import type { Manifest } from './types.js';

/**
 * Notes fingerprints of a snapshot's pages, in order of regions and pages. They only spare work: nothing is synced, and where they cannot be written there are none.
 */
export class FingerprintWriter {
  readonly secret: Uint8Array;
  readonly #context: StoreContext;
  readonly #pages: readonly number[];
  readonly #layout: ReturnType<typeof printsLayout>;
  readonly #id = randomBytes(16);
  readonly #temporary: string;
  readonly #collected = new Uint8Array(SECTION_PRINTS * PRINT_BYTES);
  #file: StoreFile | undefined;
  #isGivenUp = false;
  #region = 0;
  #page = 0;

  /** `pages`: of each region. With the parent's secret what is noted can be compared with the parent's. */
  constructor(
    context: StoreContext,
    pages: readonly number[],
    parent: FingerprintReader | undefined,
  ) {
    this.#context = context;
    this.#pages = pages;
    this.#layout = printsLayout(pages);
    this.secret = parent?.secret ?? new Uint8Array(randomBytes(PRINT_SECRET_BYTES));
    const name = `${this.#id.toString('hex')}${temporarySuffix}`;
    this.#temporary = join(context.path, PRINTS_FOLDER, name);
  }

  /** Fingerprints of pages from `first` on: those that come next. RangeError for others. */
  async note(region: number, first: number, prints: Uint8Array): Promise<void> {
    this.#skipEmpty();
    const end = first + prints.length / PRINT_BYTES;
    const pages = this.#pages[region] ?? 0;
    if (region !== this.#region || first !== this.#page || end > pages) {
      throw new RangeError(`fingerprints of pages ${first} to ${end} of region ${region}`);
    }
    while (this.#page < end) {
      const at = this.#page % SECTION_PRINTS;
      const count = Math.min(end - this.#page, SECTION_PRINTS - at);
      const from = (this.#page - first) * PRINT_BYTES;
      this.#collected.set(prints.subarray(from, from + count * PRINT_BYTES), at * PRINT_BYTES);
      this.#page += count;
      if (at + count === SECTION_PRINTS || this.#page === pages) {
        await this.#write(Math.floor((this.#page - 1) / SECTION_PRINTS), at + count);
      }
    }
    this.#skipEmpty();
  }

  /** Gives them to the snapshot, in place of those of `parent`: what comes next is compared with this one. */
  async finish({ counter, root }: Manifest, parent: Manifest | undefined): Promise<void> {
    this.#skipEmpty();
    if (this.#region < this.#pages.length || this.#file === undefined) return this.drop();
    const { files, path, sealer } = this.#context;
    const folder = join(path, PRINTS_FOLDER);
    try {
      const head = { id: this.#id, root, secret: this.secret };
      await this.#file.writeAt(0, sealHead(sealer, counter, head));
      await this.#file.close();
      this.#file = undefined;
      await files.rename(this.#temporary, join(folder, printsName(counter)));
      if (parent === undefined) return;
      await ifThere(() => files.unlink(join(folder, printsName(parent.counter))));
    } catch (error) {
      unknown(error);
      await this.drop();
    }
  }

  /** Removes what was written. Does nothing after `finish`. */
  async drop(): Promise<void> {
    this.#isGivenUp = true;
    if (this.#file === undefined) return;
    await this.#file.close().catch(unknown);
    this.#file = undefined;
    await this.#context.files.unlink(this.#temporary).catch(unknown);
  }

  #skipEmpty(): void {
    while (this.#region < this.#pages.length && this.#page === this.#pages[this.#region]) {
      this.#region += 1;
      this.#page = 0;
    }
  }

  async #write(index: number, count: number): Promise<void> {
    if (this.#isGivenUp) return;
    const { position, section: before } = this.#layout[this.#region] ?? { position: 0, section: 0 };
    const bytes = this.#collected.subarray(0, count * PRINT_BYTES);
    const owner = printsOwner(this.#id, before + index);
    const sealed = this.#context.sealer.seal(section.fingerprints, owner, bytes);
    try {
      this.#file ??= await this.#create();
      const full = sealed.length - bytes.length + SECTION_PRINTS * PRINT_BYTES;
      await this.#file.writeAt(position + index * full, sealed);
    } catch (error) {
      unknown(error);
      await this.drop();
    }
  }

  /** Stores of before have no folder for them. */
  async #create(): Promise<StoreFile> {
    const { files, path } = this.#context;
    try {
      return await files.create(this.#temporary);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    await files.makeFolder(join(path, PRINTS_FOLDER));
    return files.create(this.#temporary);
  }
}
