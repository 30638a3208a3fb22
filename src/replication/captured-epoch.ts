import type { CapturedFrame } from '../codec/frame-slots.js';
import type { PagesFrame } from '../migration/link.js';
import type { RegionChange } from '../protocol/messages.js';
import { Copies, type SlabPool } from './slabs.js';

/** Whatever was captured while the guest stood still, copied out of the engine: it is sent when the guest runs again. */
export class CapturedEpoch {
  readonly changes: readonly RegionChange[];
  readonly #copies: Copies;
  readonly #frames: PagesFrame[] = [];
  /** Frames that are not sent yet. */
  #held = 0;
  #bytes = 0;
  #pages = 0;

  constructor(changes: readonly RegionChange[], pool: SlabPool) {
    this.changes = changes;
    this.#copies = new Copies(pool);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get pages(): number {
    return this.#pages;
  }

  get frames(): readonly PagesFrame[] {
    return this.#frames;
  }

  /** Copies the frame, and gives its slot back. */
  add(frame: CapturedFrame): void {
    const { tableBytes, rawBytes, checksum, pageCount } = frame;
    const bytes = this.#copies.copy(frame.bytes);
    this.#held += 1;
    const release = (): void => {
      this.#held -= 1;
      if (this.#held === 0) this.#copies.release();
    };
    this.#frames.push({ bytes, tableBytes, rawBytes, checksum, release });
    this.#bytes += bytes.byteLength;
    this.#pages += pageCount;
    frame.release();
  }
}
