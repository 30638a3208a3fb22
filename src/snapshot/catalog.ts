import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { BlockCodec } from './block-codec.js';
import { BlockRooms } from './block-rooms.js';
import { readIndex } from './index-file.js';
import type { PackIndex } from './pack-index.js';
import { closing } from './place-file.js';
import { type Sealer, section } from './sealed.js';
import { coded, corrupt, ifThere } from './store-error.js';
import type { StoreFile, StoreFiles } from './store-files.js';
import type { PackSource } from './types.js';

const maxPacks = 65_535;
const maxOpenFiles = 32;
/** What a pack is called between being found unreferenced and being removed; see prune. */
export const trashSuffix = '.trash';

interface OpenPack {
  readonly file: StoreFile;
  readonly key: Uint8Array | undefined;
}

/**
 * The packs of a store, numbered as they come up; their indexes and blocks as they are needed, the least used forgotten beyond a bound. A number means
 * the same pack as long as the catalog lives.
 */
export class Catalog {
  readonly files: StoreFiles;
  readonly folder: string;
  readonly sealer: Sealer;
  readonly #ids: string[] = [''];
  readonly #numbers = new Map<string, number>();
  readonly #indexes = new Map<number, PackIndex>();
  readonly #pinned = new Map<number, PackIndex>();
  readonly #open = new Map<number, Promise<OpenPack>>();
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #rooms = new BlockRooms();
  readonly #indexBytes: number;
  readonly #maxBlocks: number;
  #heldBytes = 0;
  #codec: BlockCodec | undefined;

  constructor(
    files: StoreFiles,
    storePath: string,
    sealer: Sealer,
    { indexBytes = 16 << 20, blocks = 24 }: { indexBytes?: number; blocks?: number } = {},
  ) {
    this.files = files;
    this.folder = join(storePath, 'packs');
    this.sealer = sealer;
    this.#indexBytes = indexBytes;
    this.#maxBlocks = blocks;
  }

  /** How many packs have a number. */
  get size(): number {
    return this.#ids.length - 1;
  }

  /** The number of pack `id`; ERR_NO_CAPACITY if all numbers are given away. */
  number(id: string): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    if (this.size >= maxPacks) {
      throw new FerryError('ERR_NO_CAPACITY', `more than ${maxPacks} packs: prune the store`);
    }
    const number = this.#ids.push(id) - 1;
    this.#numbers.set(id, number);
    return number;
  }

  knows(id: string): boolean {
    return this.#numbers.has(id);
  }

  id(number: number): string {
    return this.#ids[number] as string;
  }

  /** The index of a pack that is being written: it is not forgotten until `unpin`. */
  pin(index: PackIndex): number {
    const number = this.number(index.pack);
    this.#pinned.set(number, index);
    return number;
  }

  unpin(number: number): void {
    const index = this.#pinned.get(number);
    if (index === undefined) return;
    this.#pinned.delete(number);
    this.#keep(number, index);
  }

  /** Forgets the index of a pack that will never be. */
  drop(number: number): void {
    this.#pinned.delete(number);
  }

  /** The index if it is in memory. */
  peek(number: number): PackIndex | undefined {
    return this.#pinned.get(number) ?? this.#indexes.get(number);
  }

  /** ERR_STORE_CORRUPT, naming the pack, if its index is missing or damaged. */
  async index(number: number): Promise<PackIndex> {
    const held = this.peek(number);
    if (held !== undefined) {
      if (this.#indexes.delete(number)) this.#indexes.set(number, held);
      return held;
    }
    const id = this.id(number);
    const index = await coded(`cannot read the index of pack ${id}`, async () => {
      const file = await this.#openFile(`${id}.index`);
      return closing(file, () => readIndex(file, id, this.sealer));
    });
    // Another call may have read it meanwhile.
    const other = this.peek(number);
    if (other !== undefined) return other;
    this.#keep(number, index);
    return index;
  }

  /** Raw bytes of a block of a pack that is not being written; valid until other blocks push it out. */
  async block(number: number, block: number): Promise<Uint8Array> {
    const name = number * 65_536 + block;
    const held = this.#blocks.get(name);
    if (held !== undefined) {
      this.#blocks.delete(name);
      this.#blocks.set(name, held);
      return held;
    }
    const id = this.id(number);
    const where = `block ${block} of packs/${id}.pack`;
    const { offset, storedBytes, rawBytes } = (await this.index(number)).block(block);
    const raw = await coded(`cannot read ${where}`, async () => {
      const { file, key } = await this.#pack(number);
      const room = this.#rooms.take();
      try {
        const stored = room.subarray(0, storedBytes);
        if ((await file.readAt(offset, stored)) < storedBytes) {
          throw corrupt(`${where} is missing: the file ends too early`);
        }
        this.#codec ??= new BlockCodec();
        const decoded = this.#codec.decode(stored, block, rawBytes, key, where);
        const raw = this.#rooms.take().subarray(0, rawBytes);
        raw.set(decoded);
        return raw;
      } finally {
        this.#rooms.give(room);
      }
    });
    this.#blocks.set(name, raw);
    for (const [oldest, pushedOut] of this.#blocks) {
      if (this.#blocks.size <= this.#maxBlocks) break;
      this.#blocks.delete(oldest);
      this.#rooms.give(pushedOut);
    }
    return raw;
  }

  /** How another thread reads the pack. */
  source(number: number): PackSource {
    const id = this.id(number);
    const key = this.sealer.derive(`pack ${id}`);
    const path = join(this.folder, `${id}.pack`);
    return key === undefined ? { id, path } : { id, path, key };
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const pack of open) {
      await pack.then(({ file }) => file.close()).catch(() => {});
    }
  }

  #pack(number: number): Promise<OpenPack> {
    const held = this.#open.get(number);
    if (held !== undefined) {
      this.#open.delete(number);
      this.#open.set(number, held);
      return held;
    }
    const opening = this.#openPack(this.id(number));
    this.#open.set(number, opening);
    opening.catch(() => this.#open.delete(number));
    for (const [oldest, pack] of this.#open) {
      if (this.#open.size <= maxOpenFiles) break;
      this.#open.delete(oldest);
      pack.then(({ file }) => file.close()).catch(() => {});
    }
    return opening;
  }

  async #openPack(id: string): Promise<OpenPack> {
    const file = await this.#openFile(`${id}.pack`);
    try {
      await this.sealer.read(file, 0, section.pack, id, `packs/${id}.pack`);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { file, key: this.sealer.derive(`pack ${id}`) };
  }

  /** The file, or what it is called while a prune decides whether anything needs it. */
  async #openFile(name: string): Promise<StoreFile> {
    const path = join(this.folder, name);
    const file =
      (await ifThere(() => this.files.open(path))) ??
      (await ifThere(() => this.files.open(path + trashSuffix))) ??
      (await ifThere(() => this.files.open(path)));
    if (file === undefined) throw corrupt(`packs/${name} is missing`);
    return file;
  }

  #keep(number: number, index: PackIndex): void {
    this.#indexes.set(number, index);
    this.#heldBytes += index.byteLength;
    for (const [oldest, old] of this.#indexes) {
      if (this.#heldBytes <= this.#indexBytes || this.#indexes.size === 1) break;
      this.#indexes.delete(oldest);
      this.#heldBytes -= old.byteLength;
    }
  }
}
