import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError } from '../errors.js';
import { readAt, writeAt } from '../guests/file-io.js';
import { decodeMessage } from '../protocol/decode.js';
import { encodeMessage } from '../protocol/encode.js';
import { readHeader } from '../protocol/header.js';
import { headerBytes } from '../protocol/limits.js';
import type { Pages, RegionChange } from '../protocol/messages.js';
import { type Spill, unexpected } from './standby-greeting.js';

/** What waits for its epoch to end. */
export interface Staged {
  readonly message: Pages | RegionChange;
  readonly seq: number;
}

/** Frames that wait on a disk, in order, as they are on the wire. The file has no name once it is made: it is gone when it is closed, or its process ends. */
export class SpillFile {
  readonly #handle: FileHandle;
  readonly #maxBytes: number;
  #bytes = 0;

  private constructor(handle: FileHandle, maxBytes: number) {
    this.#handle = handle;
    this.#maxBytes = maxBytes;
  }

  /** Rejects with what the system says. */
  static async make({ folder, maxBytes }: Spill): Promise<SpillFile> {
    const path = join(folder, `.pageferry-${randomUUID()}.spill`);
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path);
    return new SpillFile(handle, maxBytes);
  }

  /** ERR_NO_CAPACITY beyond its limit; else rejects with what the system says. */
  async add({ message, seq }: Staged): Promise<void> {
    const frame = encodeMessage(message, { seq, round: 0, attempt: 1 });
    const at = this.#bytes;
    this.#bytes += frame.byteLength;
    if (this.#bytes > this.#maxBytes) {
      throw new FerryError(
        'ERR_NO_CAPACITY',
        `more than ${this.#maxBytes} bytes of an epoch on disk`,
      );
    }
    await writeAt(this.#handle, at, frame);
  }

  /** All of them. ERR_FRAME_CORRUPT for what is not as it was written, else rejects with what the system says. */
  async *frames(): AsyncGenerator<Staged> {
    for (let at = 0; at < this.#bytes; ) {
      const header = await this.#read(at, headerBytes);
      const frame = await this.#read(at, headerBytes + readHeader(header).bodyBytes);
      const { message, header: order } = decodeMessage(frame);
      if (message.type !== 'PAGES' && message.type !== 'REGION') {
        throw unexpected(message);
      }
      yield { message, seq: order.seq };
      at += frame.byteLength;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #read(at: number, byteLength: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(byteLength);
    // What is missing is zero, which is no frame.
    await readAt(this.#handle, at, bytes);
    return bytes;
  }
}
