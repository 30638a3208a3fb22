import { type FileHandle, open } from 'node:fs/promises';
import type { LinearMemory } from '../core/linear-memory.js';
import { fileError } from '../guests/file-io.js';
import { FileReader } from '../guests/file-reader.js';
import type { RegionPiece } from '../memory/region-piece.js';
import type { PieceLayout } from './crew-orders.js';

/** A piece of a region, as another thread than the guest's reads it. */
export class CrewPiece implements RegionPiece {
  readonly id: number;
  readonly name: string;
  readonly maxByteLength: number;
  readonly concurrent: boolean;
  readonly partOf: PieceLayout['partOf'];
  /** Absent for files. */
  readonly memory?: () => Uint8Array;
  readonly linearMemory?: () => LinearMemory;
  readonly #file: { readonly handle: FileHandle; readonly reader: FileReader } | undefined;
  #layout: PieceLayout;

  /** ERR_IO if it lies in a file that cannot be opened once more. */
  static async of(layout: PieceLayout): Promise<CrewPiece> {
    if ('memory' in layout.place) return new CrewPiece(layout, undefined);
    try {
      const handle = await open(pathOf(layout.place.descriptor));
      const reader = await FileReader.of(handle, layout.concurrent);
      return new CrewPiece(layout, { handle, reader });
    } catch (error) {
      throw fileError(error, `cannot open ${layout.name} in another thread`);
    }
  }

  private constructor(
    layout: PieceLayout,
    file: { readonly handle: FileHandle; readonly reader: FileReader } | undefined,
  ) {
    this.id = layout.id;
    this.name = layout.name;
    this.maxByteLength = layout.maxByteLength;
    this.concurrent = layout.concurrent;
    this.partOf = layout.partOf;
    this.#file = file;
    this.#layout = layout;
    if (!('memory' in layout.place)) return;
    const { linear } = layout.place;
    this.memory = () => this.#bytes();
    if (linear !== undefined) this.linearMemory = () => linear;
  }

  get layout(): PieceLayout {
    return this.#layout;
  }

  get byteLength(): number {
    return this.#layout.byteLength;
  }

  /** It grew, and may lie elsewhere. */
  follow(layout: PieceLayout): void {
    this.#layout = layout;
  }

  #bytes(): Uint8Array {
    const { place, byteLength } = this.#layout;
    return 'memory' in place
      ? new Uint8Array(place.memory, place.byteOffset, byteLength)
      : new Uint8Array();
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    const { place, byteLength } = this.#layout;
    const wanted = into.subarray(0, Math.max(0, byteLength - offset));
    try {
      return (await this.#file?.reader.read(place.byteOffset + offset, wanted)) ?? 0;
    } catch (error) {
      throw fileError(error, `cannot read ${this.name}`);
    }
  }

  write(): void {
    throw new TypeError('a piece is only read');
  }

  grow(): void {
    throw new TypeError('a piece grows with its region');
  }

  async close(): Promise<void> {
    await this.#file?.reader.close();
    await this.#file?.handle.close();
  }
}

/** Under this name an open file can be opened once more, whatever its own name leads to by now. */
function pathOf(descriptor: number): string {
  return process.platform === 'linux' ? `/proc/self/fd/${descriptor}` : `/dev/fd/${descriptor}`;
}
