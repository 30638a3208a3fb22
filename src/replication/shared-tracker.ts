import { DirtyBitmap } from '../memory/bitmap.js';
import { pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';

/** One tracker for several who each want to be told of every write once: what one takes is noted for the others. Started while there is anybody. */
export class SharedTracker {
  readonly #tracker: DirtyTracker;
  readonly #views = new Set<View>();
  /** Made once: each has a memory of its own, and epochs come a thousand times a second. */
  readonly #found = new WeakMap<Region, DirtyBitmap>();

  constructor(tracker: DirtyTracker) {
    this.#tracker = tracker;
  }

  /** For one more. What was written before its `start` it is not told. */
  view(): DirtyTracker {
    const view: View = new View(this.#tracker, {
      join: () => {
        if (this.#views.size === 0) this.#tracker.start();
        this.#views.add(view);
      },
      leave: () => {
        if (this.#views.delete(view) && this.#views.size === 0) this.#tracker.stop();
      },
      take: (region) => {
        const found = bitmapOf(region, this.#found);
        this.#tracker.take(region, found);
        for (const each of this.#views) each.note(region, found);
        found.clearAll();
      },
    });
    return view;
  }
}

interface Company {
  join(): void;
  leave(): void;
  /** Notes what was written to the region in every view. */
  take(region: Region): void;
}

class View implements DirtyTracker {
  readonly exact: boolean;
  readonly evidence?: 'hash' | 'shadow';
  readonly unseen?: (region: Region) => boolean;
  readonly #company: Company;
  readonly #noted = new WeakMap<Region, DirtyBitmap>();

  constructor(tracker: DirtyTracker, company: Company) {
    this.exact = tracker.exact;
    if (tracker.evidence !== undefined) this.evidence = tracker.evidence;
    const { unseen } = tracker;
    if (unseen !== undefined) this.unseen = (region) => unseen.call(tracker, region);
    this.#company = company;
  }

  start(): void {
    this.#company.join();
  }

  stop(): void {
    this.#company.leave();
  }

  take(region: Region, into: DirtyBitmap): void {
    this.#company.take(region);
    const noted = this.#noted.get(region);
    if (noted === undefined) return;
    for (const { first, count } of noted.runs()) {
      into.setRange(first, Math.min(count, into.bits - first));
    }
    noted.clearAll();
  }

  note(region: Region, found: DirtyBitmap): void {
    const noted = bitmapOf(region, this.#noted);
    for (const { first, count } of found.runs()) noted.setRange(first, count);
  }
}

function bitmapOf(region: Region, bitmaps: WeakMap<Region, DirtyBitmap>): DirtyBitmap {
  let bitmap = bitmaps.get(region);
  if (bitmap === undefined) {
    bitmap = DirtyBitmap.create(pageCountOf(region.maxByteLength));
    bitmaps.set(region, bitmap);
  }
  return bitmap;
}
