import { expect } from 'vitest';
import type { GlueState } from '../../../src/guests/wasm/glue.js';
import { DirtyBitmap } from '../../../src/memory/bitmap.js';
import { PAGE_BYTES } from '../../../src/memory/pages.js';
import type { Region } from '../../../src/memory/region.js';

/** A migration as naive as can be: regions and pages as an engine would send them, without any. */
export class Move {
  readonly #source: GlueState;
  readonly #destination: GlueState;
  #known: { readonly region: Region; byteLength: number }[] = [];

  constructor(source: GlueState, destination: GlueState) {
    this.#source = source;
    this.#destination = destination;
    const regions = source.regions();
    destination.adopt?.(
      regions.map(({ id, name, byteLength, maxByteLength }) => ({
        id,
        name,
        byteLength,
        maxByteLength,
      })),
    );
    this.#known = regions.map((region) => ({ region, byteLength: region.byteLength }));
    source.tracker?.start();
    for (const region of regions) {
      const there = this.#there(region);
      if (there.byteLength < region.byteLength) there.grow(region.byteLength);
      this.#send(region, 0, Math.ceil(region.byteLength / PAGE_BYTES));
    }
  }

  #there({ id }: Region): Region {
    const found = this.#destination.regions().find((region) => region.id === id);
    if (found === undefined) throw new Error(`no region ${id}`);
    return found;
  }

  #send(region: Region, first: number, count: number): void {
    const there = this.#there(region);
    for (let page = first; page < first + count; page++) {
      const at = page * PAGE_BYTES;
      const bytes = new Uint8Array(Math.max(0, Math.min(PAGE_BYTES, there.byteLength - at)));
      region.read(at, bytes);
      there.write(at, bytes);
    }
  }

  /** What was written since the last round, and nothing else. */
  round(): number {
    const present = this.#source.regions();
    let pages = 0;
    for (const { region } of this.#known) {
      if (!present.includes(region)) this.#destination.reshape?.(region.id, region.name, -1);
    }
    this.#known = present.map((region) => {
      const known = this.#known.find((each) => each.region === region);
      const { byteLength } = region;
      if (known === undefined) {
        this.#destination.reshape?.(region.id, region.name, byteLength);
        this.#send(region, 0, Math.ceil(byteLength / PAGE_BYTES));
      } else if (byteLength !== known.byteLength) {
        expect(byteLength).toBeGreaterThan(known.byteLength);
        expect(byteLength).toBeLessThanOrEqual(region.maxByteLength);
        this.#there(region).grow(byteLength);
        const first = Math.max(0, Math.ceil(known.byteLength / PAGE_BYTES) - 1);
        this.#send(region, first, Math.ceil(byteLength / PAGE_BYTES) - first);
      }
      const dirty = DirtyBitmap.create(Math.ceil(region.maxByteLength / PAGE_BYTES));
      this.#source.tracker?.take(region, dirty);
      for (let page = 0; page * PAGE_BYTES < byteLength; page++) {
        if (!dirty.test(page)) continue;
        this.#send(region, page, 1);
        pages++;
      }
      return { region, byteLength };
    });
    return pages;
  }

  rehearse(): void {
    this.#destination.load(this.#source.save());
  }

  end(): void {
    this.round();
    this.rehearse();
    this.#source.tracker?.stop();
  }
}
