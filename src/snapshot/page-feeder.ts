import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../guests/file-io.js';
import { checkAborted } from './check-aborted.js';
import type { SurveyedFile } from './file-survey.js';
import { PRINT_BYTES } from './fingerprint-file.js';
import { LOOK_PAGES, pageState } from './page-area.js';
import type { Look, PageCrew, ParentPages } from './page-crew.js';
import {
  blockMethod,
  type Compression,
  MAX_BATCH_PAGES,
  PAGE_ID_BYTES,
  type PageFingerprints,
  type SnapshotWriter,
  STORE_PAGE_BYTES,
} from './types.js';

const lookBytes = LOOK_PAGES * STORE_PAGE_BYTES;

export interface FeederOptions {
  readonly hasParent: boolean;
  /** By which pages are compared with the parent's where it is known, and which are noted. */
  readonly prints: PageFingerprints | undefined;
  readonly compression: Compression;
  /** How many looks are under way at once. */
  readonly ahead: number;
  readonly signal: AbortSignal | undefined;
  /** Called with bytes looked at so far. */
  readonly onProgress: (done: number) => void;
}

/** Pages that are being looked at. */
interface Ahead {
  readonly region: number;
  readonly firstPage: number;
  readonly byteLength: number;
  readonly look: Promise<Look>;
  /** To be closed afterwards: the last pages of the file are among them. */
  readonly file: FileHandle | undefined;
}

/** Has pages looked at ahead of storing them, in order. */
export class PageFeeder {
  readonly #writer: SnapshotWriter;
  readonly #crew: PageCrew;
  readonly #options: FeederOptions;
  /** Under way, in page order. */
  readonly #looks: Ahead[] = [];
  #done = 0;
  /** Pages that change are new to the store, as they were lately: threads compress them before anybody knows. */
  #areNew: boolean;

  constructor(writer: SnapshotWriter, crew: PageCrew, options: FeederOptions) {
    this.#writer = writer;
    this.#crew = crew;
    this.#options = options;
    this.#areNew = !options.hasParent;
  }

  async feed(region: number, { path, byteLength }: SurveyedFile): Promise<void> {
    if (byteLength === 0) return;
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
      (error: unknown) => {
        throw fileError(error, `cannot read ${path}`);
      },
    );
    for (let position = 0; position < byteLength; position += lookBytes) {
      const bytes = Math.min(lookBytes, byteLength - position);
      const isLast = position + bytes === byteLength;
      const order = { fd: handle.fd, position, byteLength: bytes };
      const look = this.#look(region, order);
      // Awaited in turn; that it failed is news then.
      look.catch(() => {});
      this.#looks.push({
        region,
        firstPage: position / STORE_PAGE_BYTES,
        byteLength: bytes,
        look,
        file: isLast ? handle : undefined,
      });
      if (this.#looks.length < this.#options.ahead) continue;
      try {
        await this.#storeNext();
      } catch (error) {
        if (!isLast) await handle.close();
        throw error;
      }
    }
  }

  async #look(
    region: number,
    pages: { fd: number; position: number; byteLength: number },
  ): Promise<Look> {
    const { signal, compression } = this.#options;
    checkAborted(signal);
    const order = { ...pages, compression: this.#areNew ? compression : undefined };
    const firstPage = pages.position / STORE_PAGE_BYTES;
    const count = Math.ceil(pages.byteLength / STORE_PAGE_BYTES);
    return this.#crew.look(order, await this.#parentPages(region, firstPage, count));
  }

  async #parentPages(region: number, firstPage: number, count: number): Promise<ParentPages> {
    const { hasParent, prints } = this.#options;
    if (!hasParent) return { compare: 'nothing' };
    if (prints?.knowsParent !== true) {
      const bytes = await this.#writer.parentIds(region, firstPage, count);
      return { compare: 'ids', bytes };
    }
    const bytes = new Uint8Array(count * PRINT_BYTES);
    await prints.ofParent(region, firstPage, count, bytes);
    return { compare: 'fingerprints', bytes };
  }

  /** Closes what is open still. */
  async close(): Promise<void> {
    for (const { look, file } of this.#looks.splice(0)) {
      await look.catch(() => {});
      await file?.close();
    }
  }

  /** Stores what was looked at. */
  async settle(): Promise<void> {
    while (this.#looks.length > 0) await this.#storeNext();
  }

  async #storeNext(): Promise<void> {
    const next = this.#looks.shift();
    if (next === undefined) return;
    try {
      await this.#store(next, await next.look);
    } finally {
      await next.file?.close();
    }
    this.#done += next.byteLength;
    this.#options.onProgress(this.#done);
  }

  async #store({ region, firstPage, byteLength }: Ahead, look: Look): Promise<void> {
    const { area, changed, blocks, release } = look;
    const before = this.#writer.counts.whole;
    try {
      const writes: Promise<void>[] = [];
      for (let from = 0; from < changed; from += MAX_BATCH_PAGES) {
        const to = Math.min(changed, from + MAX_BATCH_PAGES);
        const bytes = area.pages.subarray(from * STORE_PAGE_BYTES, to * STORE_PAGE_BYTES);
        const packed = blocks[from / MAX_BATCH_PAGES];
        const start = from * STORE_PAGE_BYTES;
        writes.push(
          this.#writer.write({
            region,
            pages: area.numbers.slice(from, to).map((page) => firstPage + page),
            ids: area.ids.subarray(from * PAGE_ID_BYTES, to * PAGE_ID_BYTES),
            bytes,
            ...(packed && {
              block: {
                method: packed.method,
                bytes:
                  packed.method === blockMethod.none
                    ? bytes
                    : area.blocks.subarray(start, start + packed.byteLength),
              },
            }),
          }),
        );
      }
      const states = area.states.subarray(0, Math.ceil(byteLength / STORE_PAGE_BYTES));
      if (states.includes(pageState.same)) {
        writes.push(this.#writer.keep(region, firstPage, states.length, states));
      }
      const { buffer, byteOffset } = area.prints;
      const noted = new Uint8Array(buffer, byteOffset, states.length * PRINT_BYTES);
      await Promise.all([...writes, this.#options.prints?.note(region, firstPage, noted)]);
    } finally {
      release();
    }
    if (changed > 0) this.#areNew = this.#writer.counts.whole - before === changed;
  }
}
