import { allocateMemory } from '../core/wasm-memory.js';
import type { FileReader } from './file-reader.js';

/** Bytes read at once: an errand to another thread and back costs as much as reading a tenth of them. */
const pieceBytes: number = 2 ** 20;
const wasmPageBytes = 65536;

interface Piece {
  readonly bytes: Uint8Array;
  /** Where in the file it begins; undefined: nowhere. */
  position: number | undefined;
  /** Bytes read, fewer only where the file ends; while they are, a promise of that. */
  length: number | Promise<number>;
  /** How many wait to copy from it: it may have been read a moment before they do. */
  waiting: number;
}

/**
 * Reads a file that nobody writes, and while it is read from front to back a piece ahead: what is captured next is there by then, and small reads
 * cost a copy. Other reads pass through.
 */
export class ReadAhead {
  readonly #reader: FileReader;
  readonly #pieces: readonly Piece[];
  /** Where the last read ended. */
  #end = 0;

  /** `reader` is closed with this. ERR_NO_CAPACITY if there is no memory for it. */
  constructor(reader: FileReader) {
    this.#reader = reader;
    // Its pages lie as a reader past the system's cache needs them.
    const { buffer } = allocateMemory((2 * pieceBytes) / wasmPageBytes);
    this.#pieces = [0, 1].map((index) => ({
      bytes: new Uint8Array(buffer, index * pieceBytes, pieceBytes),
      position: undefined,
      length: 0,
      waiting: 0,
    }));
  }

  /** Fills `into` from `position` of the file on. Gives the bytes read, fewer only where the file ends; at once where they are here. */
  read(position: number, into: Uint8Array): number | Promise<number> {
    const goesOn = position === this.#end;
    this.#end = position + into.byteLength;
    const begin = position - (position % pieceBytes);
    const here = this.#pieces.find((piece) => piece.position === begin);
    if (here === undefined && !goesOn) return this.#reader.read(position, into);
    const piece = here ?? this.#load(begin);
    if (piece === undefined) return this.#reader.read(position, into);
    const next = begin + pieceBytes;
    if (this.#pieces.every((other) => other.position !== next)) this.#load(next, piece);
    const most = next - position;
    const head = this.#from(piece, position, into.subarray(0, most));
    if (into.byteLength <= most) return head;
    return this.#rest(head, most, position, into);
  }

  /** Once nothing is being read. Idempotent. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#pieces.map(({ length }) => length));
    await this.#reader.close();
  }

  async #rest(
    head: number | Promise<number>,
    most: number,
    position: number,
    into: Uint8Array,
  ): Promise<number> {
    const got = await head;
    if (got < most) return got;
    this.#end = position + most;
    return most + (await this.read(position + most, into.subarray(most)));
  }

  /** Begins to read the piece at `position`, in the place of one that is neither being read nor waited for nor `wanted`; undefined if there is none. */
  #load(position: number, wanted?: Piece): Piece | undefined {
    const idle = this.#pieces.filter(
      (piece) => piece !== wanted && typeof piece.length === 'number' && piece.waiting === 0,
    );
    // The one further back is the one that was read.
    const piece = idle.sort((a, b) => (a.position ?? -1) - (b.position ?? -1))[0];
    if (piece === undefined) return undefined;
    piece.position = position;
    const loading = this.#reader.read(position, piece.bytes);
    piece.length = loading;
    loading.then(
      (length) => {
        piece.length = length;
      },
      () => {
        // Whoever waits for it is told; others try themselves.
        piece.position = undefined;
        piece.length = 0;
      },
    );
    return piece;
  }

  #from(piece: Piece, position: number, into: Uint8Array): number | Promise<number> {
    const at = position % pieceBytes;
    const copied = (length: number): number => {
      const bytes = piece.bytes.subarray(at, Math.min(length, at + into.byteLength));
      into.set(bytes);
      return bytes.byteLength;
    };
    if (typeof piece.length === 'number') return copied(piece.length);
    piece.waiting += 1;
    return piece.length.then(copied).finally(() => {
      piece.waiting -= 1;
    });
  }
}
