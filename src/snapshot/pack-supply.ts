import { BlockCodec } from './block-codec.js';
import type { Catalog } from './catalog.js';
import type { StoreContext } from './context.js';
import type { ObjectReader } from './object-reader.js';
import { PackWriter } from './pack-writer.js';

export interface OpenPack {
  /** In the catalog. */
  readonly number: number;
  readonly writer: PackWriter;
}

/** Gives a snapshot's writer packs to write to, one after the other. */
export class PackSupply {
  /** Bytes of all that are finished. */
  storedBytes = 0;
  readonly #context: StoreContext;
  readonly #catalog: Catalog;
  readonly #objects: ObjectReader;
  readonly #onPack: (id: string) => void;
  readonly #codec = new BlockCodec();
  #open: OpenPack | undefined;

  /** `onPack` is told of each pack that is finished. */
  constructor(
    context: StoreContext,
    catalog: Catalog,
    objects: ObjectReader,
    onPack: (id: string) => void,
  ) {
    this.#context = context;
    this.#catalog = catalog;
    this.#objects = objects;
    this.#onPack = onPack;
  }

  /** The pack under construction, with room for a batch. */
  async pack(): Promise<OpenPack> {
    const held = this.#open;
    if (held !== undefined) {
      if (!held.writer.isFull && held.writer.storedBytes < this.#context.packBytes) return held;
      await this.finish();
    }
    const { files, sealer, compression } = this.#context;
    const writer = await PackWriter.create({
      files,
      folder: this.#catalog.folder,
      sealer,
      codec: this.#codec,
      compression,
    });
    const pack = { number: this.#catalog.pin(writer.index), writer };
    this.#open = pack;
    this.#objects.writing = { number: pack.number, pack: writer };
    return pack;
  }

  /** Makes the pack under construction durable. */
  async finish(): Promise<void> {
    const pack = this.#open;
    if (pack === undefined) return;
    this.storedBytes += await pack.writer.finish();
    this.#open = undefined;
    this.#objects.writing = undefined;
    this.#catalog.unpin(pack.number);
    this.#onPack(pack.writer.index.pack);
  }

  /** Removes the pack under construction. */
  async drop(): Promise<void> {
    const pack = this.#open;
    if (pack === undefined) return;
    this.#open = undefined;
    // Nobody finds its pages any more.
    this.#catalog.drop(pack.number);
    await pack.writer.drop();
  }
}
