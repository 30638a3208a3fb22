import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { BlockCodec, blockSlots, MAX_BLOCK_BYTES } from './block-codec.js';
import { encodeIndex } from './index-file.js';
import { type DeltaBase, MAX_PACK_OBJECTS, PackIndex } from './pack-index.js';
import { allOf, placeFile } from './place-file.js';
import { SEAL_BYTES, type Sealer, section } from './sealed.js';
import { ifThere } from './store-error.js';
import type { StoreFile, StoreFiles } from './store-files.js';
import { type BlockBytes, type Compression, MAX_BATCH_PAGES, STORE_PAGE_BYTES } from './types.js';

export interface PackTarget {
  readonly files: StoreFiles;
  /** The folder of packs. */
  readonly folder: string;
  readonly sealer: Sealer;
  readonly codec: BlockCodec;
  readonly compression: Compression;
}

/** Writes one pack: objects collect to blocks, blocks go to the file while later ones are made. */
export class PackWriter {
  readonly index: PackIndex;
  readonly #target: PackTarget;
  readonly #path: string;
  readonly #file: StoreFile;
  readonly #key: Uint8Array | undefined;
  #end = SEAL_BYTES;
  #pending: Uint8Array = new Uint8Array(MAX_BLOCK_BYTES);
  #pendingBytes = 0;
  #pendingFirst = 0;
  readonly #writes: Promise<void>[] = [];
  #isOpen = true;
  #reading: BlockCodec | undefined;

  private constructor(target: PackTarget, id: string, path: string, file: StoreFile) {
    this.index = new PackIndex(id);
    this.#target = target;
    this.#path = path;
    this.#file = file;
    this.#key = target.sealer.derive(`pack ${id}`);
  }

  static async create(target: PackTarget): Promise<PackWriter> {
    const id = randomBytes(16).toString('hex');
    const path = join(target.folder, `${id}.pack`);
    const writer = new PackWriter(target, id, path, await target.files.create(path));
    try {
      const seal = target.sealer.seal(section.pack, id, new Uint8Array(0));
      await writer.#file.writeAt(0, seal);
    } catch (error) {
      await writer.drop();
      throw error;
    }
    return writer;
  }

  /** Bytes of the file so far, what collects for the next block not counted. */
  get storedBytes(): number {
    return this.#end;
  }

  /** Whether a whole batch more would be too many objects. */
  get isFull(): boolean {
    return this.index.count + MAX_BATCH_PAGES > MAX_PACK_OBJECTS;
  }

  /** Whether a page more needs `flush` before. */
  get needsFlush(): boolean {
    const objects = this.index.count - this.#pendingFirst;
    return objects >= MAX_BATCH_PAGES || this.#pendingBytes + STORE_PAGE_BYTES > MAX_BLOCK_BYTES;
  }

  /** Adds an object whose id is at `ids[at]`: a page, or a delta to `base`. Not while `needsFlush`. */
  add(ids: Uint32Array, at: number, bytes: Uint8Array, base?: DeltaBase, depth = 0): number {
    const ordinal = this.index.add(ids, at);
    this.#pending.set(bytes, this.#pendingBytes);
    this.#pendingBytes += bytes.length;
    if (base !== undefined) this.index.setDelta(ordinal, bytes.length, base, depth);
    return ordinal;
  }

  /** What an object holds that still collects; undefined: it is in a block. A view. */
  pendingObject(ordinal: number): Uint8Array | undefined {
    if (ordinal < this.#pendingFirst) return undefined;
    let at = 0;
    for (let before = this.#pendingFirst; before < ordinal; before++) {
      at += this.index.length(before);
    }
    return this.#pending.subarray(at, at + this.index.length(ordinal));
  }

  /** Adds `count` pages with the ids at the start of `ids`, which come compressed. */
  async addBlock(ids: Uint32Array, count: number, block: BlockBytes): Promise<number> {
    await this.flush();
    const { codec } = this.#target;
    const rawBytes = count * STORE_PAGE_BYTES;
    await this.#slotFree();
    const stored = codec.wrap(block, rawBytes, count, this.index.blockCount, this.#key);
    const first = this.index.count;
    for (let page = 0; page < count; page++) this.index.add(ids, 4 * page);
    this.#write(stored, rawBytes, first);
    this.#pendingFirst = this.index.count;
    return first;
  }

  /** Makes a block of what collected. */
  async flush(): Promise<void> {
    const first = this.#pendingFirst;
    const objects = this.index.count - first;
    if (objects === 0) return;
    const { codec, compression } = this.#target;
    const raw = this.#pending.subarray(0, this.#pendingBytes);
    const number = this.index.blockCount;
    await this.#slotFree();
    const stored = codec.wrap(
      codec.compress(raw, compression),
      raw.length,
      objects,
      number,
      this.#key,
    );
    this.#write(stored, raw.length, first);
    this.#pendingBytes = 0;
    this.#pendingFirst = this.index.count;
  }

  /** Until all blocks are in the file. */
  async settle(): Promise<void> {
    await Promise.all(this.#writes);
  }

  /** The raw bytes of a block that was written. */
  async readBlock(block: number): Promise<Uint8Array> {
    await this.settle();
    const { offset, storedBytes, rawBytes } = this.index.block(block);
    const stored = new Uint8Array(storedBytes);
    await this.#file.readAt(offset, stored);
    this.#reading ??= new BlockCodec();
    return this.#reading.decode(stored, block, rawBytes, this.#key, 'the pack being written');
  }

  /** Syncs the pack, then writes its index. Returns the bytes of both. Whatever fails, what was written is removed: a file whose sync failed is lost. */
  async finish(): Promise<number> {
    try {
      await this.flush();
      await this.settle();
      await this.#file.sync();
    } catch (error) {
      await this.drop();
      throw error;
    }
    this.#isOpen = false;
    await this.#file.close();
    const { files, folder, sealer } = this.#target;
    const parts = encodeIndex(this.index, sealer);
    try {
      return this.#end + (await placeFile(files, folder, `${this.index.pack}.index`, allOf(parts)));
    } catch (error) {
      await ifThere(() => files.unlink(this.#path)).catch(() => {});
      throw error;
    }
  }

  /** Removes it, unless it is finished. */
  async drop(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.allSettled(this.#writes);
    await this.#file.close().catch(() => {});
    // What stays is found by prune.
    await this.#target.files.unlink(this.#path).catch(() => {});
  }

  #write(stored: Uint8Array, rawBytes: number, first: number): void {
    this.index.addBlock(this.#end, stored.length, rawBytes, first);
    const write = this.#file.writeAt(this.#end, stored);
    // Nobody may look at it before the next one is awaited.
    write.catch(() => {});
    this.#writes.push(write);
    this.#end += stored.length;
  }

  /** Of the codec's slots one is about to be used: the write that uses it has to be over. */
  async #slotFree(): Promise<void> {
    while (this.#writes.length >= blockSlots - 1) await this.#writes.shift();
  }
}
