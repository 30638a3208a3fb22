import type { CapturedFrame } from '../codec/frame-slots.js';
import type { PagesFrame } from '../migration/link.js';
import type { RegionChange } from '../protocol/messages.js';

/** Whatever was captured while the guest stood still, copied out of the engine: it is sent when the guest runs again. */
export class CapturedEpoch {
  readonly changes: readonly RegionChange[];
  readonly #frames: PagesFrame[] = [];
  #bytes = 0;
  #pages = 0;

  constructor(changes: readonly RegionChange[]) {
    this.changes = changes;
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
    const bytes = frame.bytes.slice();
    this.#frames.push({ bytes, tableBytes, rawBytes, checksum, release() {} });
    this.#bytes += bytes.byteLength;
    this.#pages += pageCount;
    frame.release();
  }
}
