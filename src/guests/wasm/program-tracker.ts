import { FerryError } from '../../errors.js';
import { trackWrites } from '../../instrument/track-writes.js';
import type { DirtyBitmap } from '../../memory/bitmap.js';
import { pageCountOf } from '../../memory/pages.js';
import type { Region } from '../../memory/region.js';
import type { DirtyTracker } from '../../memory/tracker.js';
import { firstGlueRegion, type GlueState } from './glue.js';
import type { WriteLog } from './write-log.js';

/** Where writes to a program's memory are noted, and whether somebody writes it besides. */
export interface MemoryTracking {
  readonly log: WriteLog;
  /** The host writes it in ways that nobody sees. */
  readonly unseen: boolean;
  /** Of which the host's writes are noted. */
  readonly memory: { readonly buffer: ArrayBufferLike };
}

/**
 * What a program and its glue wrote. Without a write log nothing is known of the memory: all its pages are named, and capture looks at them where
 * they lie. Exact where all that can be known is.
 */
export class ProgramTracker implements DirtyTracker {
  readonly exact: boolean;
  readonly #memory: MemoryTracking | undefined;
  readonly #glue: GlueState | undefined;
  #endWatch: (() => void) | undefined;

  constructor(memory: MemoryTracking | undefined, glue: GlueState | undefined) {
    this.exact = memory !== undefined;
    this.#memory = memory;
    this.#glue = glue;
  }

  start(): void {
    this.#memory?.log.clear();
    if (this.#memory !== undefined) this.#endWatch ??= watchHost(this.#memory);
    this.#glue?.tracker?.start();
  }

  take(region: Region, into: DirtyBitmap): void {
    const isGlue = region.id >= firstGlueRegion;
    const from = isGlue ? this.#glue?.tracker : undefined;
    if (!isGlue && this.#memory !== undefined) this.#memory.log.moveTo(region, into);
    else if (from !== undefined) from.take(region, into);
    else into.setRange(0, Math.min(pageCountOf(region.byteLength), into.bits));
  }

  unseen(region: Region): boolean {
    if (region.id < firstGlueRegion) return this.#memory?.unseen ?? true;
    return this.#glue?.tracker?.exact !== true;
  }

  stop(): void {
    this.#endWatch?.();
    this.#endWatch = undefined;
    this.#glue?.tracker?.stop();
  }
}

/** Marks what JavaScript writes, until it is ended. Where nothing can be hooked, in a frozen realm, a comparison will do if there is one. */
function watchHost({ memory, log, unseen }: MemoryTracking): () => void {
  try {
    const watch = trackWrites(memory, (offset, length) => log.mark(offset, length));
    return () => watch.stop();
  } catch (error) {
    if (unseen && error instanceof FerryError && error.code === 'ERR_UNSUPPORTED') return () => {};
    throw error;
  }
}
