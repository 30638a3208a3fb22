import type { StoreContext } from './context.js';
import { FingerprintReader } from './fingerprint-file.js';
import { FingerprintWriter } from './fingerprint-writer.js';
import { pagesOf } from './merkle.js';
import type { PlacedRegion } from './region-places.js';
import type { Manifest, PageFingerprints } from './types.js';

/** Fingerprints of a snapshot under construction, and of the one it is compared with. */
export class LineOfPrints implements PageFingerprints {
  readonly #regions: readonly PlacedRegion[];
  readonly #before: FingerprintReader | undefined;
  readonly #now: FingerprintWriter;

  private constructor(
    context: StoreContext,
    regions: readonly PlacedRegion[],
    before: FingerprintReader | undefined,
  ) {
    this.#regions = regions;
    this.#before = before;
    const pages = regions.map(({ plan }) => pagesOf(plan.byteLength));
    this.#now = new FingerprintWriter(context, pages, before);
  }

  static async open(
    context: StoreContext,
    regions: readonly PlacedRegion[],
    parent: Manifest | undefined,
  ): Promise<LineOfPrints> {
    const before = parent && (await FingerprintReader.open(context, parent));
    return new LineOfPrints(context, regions, before);
  }

  get secret(): Uint8Array {
    return this.#now.secret;
  }

  get knowsParent(): boolean {
    return this.#before !== undefined;
  }

  async ofParent(
    region: number,
    firstPage: number,
    count: number,
    into: Uint8Array,
  ): Promise<void> {
    const index = this.#regions[region]?.parent?.index ?? -1;
    await this.#before?.read(index, firstPage, count, into);
  }

  note(region: number, firstPage: number, prints: Uint8Array): Promise<void> {
    return this.#now.note(region, firstPage, prints);
  }

  /** See `FingerprintWriter`. */
  finish(manifest: Manifest, parent: Manifest | undefined): Promise<void> {
    return this.#now.finish(manifest, parent);
  }

  /** Drops what was noted, unless it is finished. */
  async close(): Promise<void> {
    await this.#now.drop();
    await this.#before?.close();
  }
}
