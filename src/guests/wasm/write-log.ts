import type { DirtyBitmap } from '../../memory/bitmap.js';
import { pageCountOf } from '../../memory/pages.js';
import type { Region } from '../../memory/region.js';

/**
 * The map that instrumented code writes: one byte a page of 4096 bytes, not zero once the page was stored to. A mark also stands for what a store
 * across the end of its page, or one that was marked together with it, wrote at the beginning of the next (`headBytes` of the layout): that page
 * is named too, and capture finds whether it changed. Comparing the beginning with what it was when the marks were taken last would not do: the page
 * may have been captured in between, with something else in it.
 */
export class WriteLog {
  readonly #maps: () => readonly Uint8Array[];
  #own: Uint8Array = new Uint8Array(0);

  /** `maps`: each has one byte for each page there can be, and the first is this thread's; read anew each time. */
  constructor(maps: () => readonly Uint8Array[]) {
    this.#maps = maps;
  }

  clear(): void {
    for (const map of this.#maps()) map.fill(0);
  }

  /** Notes that the host wrote `byteLength` bytes from `byteOffset` on. */
  mark(byteOffset: number, byteLength: number): void {
    if (byteLength === 0) return;
    const map = this.#ownMap();
    const first = Math.floor(byteOffset / 4096);
    const end = pageCountOf(byteOffset + byteLength);
    if (end - first === 1) map[first] = 1;
    else map.fill(1, first, end);
  }

  /** Glue that assigns element by element asks at each: the array is kept while its memory has not grown. */
  #ownMap(): Uint8Array {
    if (this.#own.byteLength === 0) this.#own = this.#maps()[0] ?? this.#own;
    return this.#own;
  }

  /** Moves the marks of `region`, the memory from its beginning, into a bitmap. */
  moveTo({ byteLength }: Region, into: DirtyBitmap): void {
    const pages = Math.min(pageCountOf(byteLength), into.bits);
    for (const map of this.#maps()) move(map, pages, into);
  }
}

function move(map: Uint8Array, pages: number, into: DirtyBitmap): void {
  const isShared = !(map.buffer instanceof ArrayBuffer);
  const words = new BigUint64Array(map.buffer, map.byteOffset, Math.floor(map.byteLength / 8));
  for (let word = 0; word * 8 < pages; word++) {
    if (words[word] === 0n) continue;
    for (let page = word * 8; page < word * 8 + 8; page++) {
      if (map[page] === 0) continue;
      // Cleared before the page is read: who writes meanwhile marks it again. Another thread's mark must not come between.
      if (isShared) Atomics.exchange(map, page, 0);
      else map[page] = 0;
      if (page < pages) into.setRange(page, Math.min(2, pages - page));
    }
  }
}
