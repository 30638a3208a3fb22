import type { WasiGlue } from '../../../src/guests/wasi/index.js';
import { DirtyBitmap } from '../../../src/memory/bitmap.js';
import { PAGE_BYTES, pageCountOf } from '../../../src/memory/pages.js';
import type { Region } from '../../../src/memory/region.js';

/** A naive migration of glue: what the engine does, without the engine. Pages that the tracker does not name are not copied. */
export class Trip {
  /** Pages copied that were already as they are, and those that were not. */
  readonly copied = { same: 0, different: 0 };
  readonly #from: WasiGlue;
  readonly #to: WasiGlue;
  /** The source's regions as the destination was told, and what is still to be copied of each. */
  #known = new Map<Region, { told: number; dirty: DirtyBitmap }>();

  /** The offer. */
  constructor(from: WasiGlue, to: WasiGlue) {
    this.#from = from;
    this.#to = to;
    const regions = from.regions();
    to.adopt(regions);
    for (const region of regions) this.#meet(region);
    for (const region of to.regions()) {
      const source = regions.find(({ id }) => id === region.id);
      if (source === undefined || region.byteLength !== source.byteLength) {
        throw new Error(`region ${region.id} is not as it was offered`);
      }
    }
  }

  /** It is accepted: what is held is compared. */
  start(): void {
    this.#from.tracker.start();
    this.#follow();
    for (const [region, { dirty }] of this.#known) {
      const there = this.#there(region);
      for (let page = 0; there.held === true && page < pageCountOf(region.byteLength); page++) {
        if (pageOf(region, page).equals(pageOf(there, page))) dirty.clear(page);
      }
    }
  }

  #meet(region: Region): void {
    const dirty = DirtyBitmap.create(pageCountOf(region.maxByteLength));
    dirty.setRange(0, pageCountOf(region.byteLength));
    this.#known.set(region, { told: region.byteLength, dirty });
  }

  #follow(): void {
    const regions = this.#from.regions();
    for (const region of this.#known.keys()) {
      if (regions.includes(region)) continue;
      this.#to.reshape(region.id, region.name, -1);
      this.#known.delete(region);
    }
    for (const region of regions) {
      const known = this.#known.get(region);
      if (known === undefined) {
        this.#to.reshape(region.id, region.name, region.byteLength);
        this.#meet(region);
      } else if (region.byteLength !== known.told) {
        if (region.byteLength < known.told) throw new Error(`region ${region.id} shrank`);
        this.#there(region).grow(region.byteLength);
        const before = pageCountOf(known.told);
        if (before > 0) known.dirty.set(before - 1);
        known.dirty.setRange(before, pageCountOf(region.byteLength) - before);
        known.told = region.byteLength;
      }
    }
  }

  #there(region: Region): Region {
    const there = this.#to.regions().find(({ id }) => id === region.id);
    if (there === undefined) throw new Error(`region ${region.id} is not there`);
    return there;
  }

  /** Tells of regions and copies what is dirty. The program may run before and after. */
  round(): void {
    this.#follow();
    for (const [region, { dirty }] of this.#known) {
      this.#from.tracker.take(region, dirty);
      const there = this.#there(region);
      for (const { first, count } of dirty.runs(pageCountOf(region.byteLength))) {
        for (let page = first; page < first + count; page++) {
          const bytes = pageOf(region, page);
          const isSame = bytes.equals(pageOf(there, page));
          this.copied[isSame ? 'same' : 'different'] += 1;
          there.write(page * PAGE_BYTES, bytes);
        }
      }
      dirty.clearAll();
    }
  }

  /** The last round, and the state. */
  finish(): void {
    this.round();
    this.#to.load(this.#from.save());
    this.#from.tracker.stop();
  }
}

function pageOf(region: Region, page: number): Buffer {
  const offset = page * PAGE_BYTES;
  const bytes = Buffer.alloc(Math.min(PAGE_BYTES, region.byteLength - offset));
  region.read(offset, bytes);
  return bytes;
}
