import { FerryError } from '../../errors.js';
import { firstGlueRegion, type OfferedGlueRegion } from '../wasm/glue.js';
import { FileRegion, fileRegionName } from './file-region.js';
import type { ShimDirectory, ShimFile } from './shim.js';
import type { Survey } from './survey.js';

/** Files and directories by their numbers. */
export interface Numbered {
  readonly files: ReadonlyMap<number, FileRegion>;
  readonly directories: ReadonlyMap<number, ShimDirectory>;
}

/** Numbers beyond it are no region's. */
const endOfNumbers = 2 ** 32;

/**
 * The numbers of files and directories, and the regions of files: those that the program has here, or those that arrive. A number is given once in a
 * program's life, wherever that goes on.
 */
export class FileTable {
  readonly #regions = new WeakMap<ShimFile, FileRegion>();
  readonly #directories = new WeakMap<ShimDirectory, number>();
  readonly #makeFile: () => ShimFile;
  #next = firstGlueRegion;
  #arriving: Map<number, FileRegion> | undefined;
  #isFollowed = false;

  constructor(makeFile: () => ShimFile) {
    this.#makeFile = makeFile;
  }

  /** What arrives, until the program runs here. */
  get arriving(): ReadonlyMap<number, FileRegion> | undefined {
    return this.#arriving;
  }

  get next(): number {
    return this.#next;
  }

  regionOf(file: ShimFile): FileRegion | undefined {
    return this.#regions.get(file);
  }

  numberOf(directory: ShimDirectory): number | undefined {
    return this.#directories.get(directory);
  }

  /** Gives what was found numbers and regions, where it has none that suit. */
  number(found: Pick<Survey, 'files' | 'directories'>): Numbered {
    const directories = new Map<number, ShimDirectory>();
    for (const directory of found.directories) {
      const number = this.#directories.get(directory) ?? this.#give();
      this.#directories.set(directory, number);
      directories.set(number, directory);
    }
    const files = new Map<number, FileRegion>();
    for (const file of found.files) {
      const region = this.#suiting(file);
      this.#regions.set(file, region);
      files.set(region.id, region);
    }
    return { files, directories };
  }

  #give(): number {
    if (this.#next >= endOfNumbers) {
      throw new FerryError('ERR_UNSUPPORTED', 'a program had 2^32 files and directories');
    }
    return this.#next++;
  }

  #suiting(file: ShimFile): FileRegion {
    const known = this.#regions.get(file);
    if (known === undefined) return FileRegion.of(this.#give(), file);
    if (this.#arriving !== undefined) return known;
    // While a migration follows a region, a file that outgrew it becomes another one.
    if (this.#isFollowed) return known.fits ? known : FileRegion.of(this.#give(), file);
    return known.isOutgrown ? FileRegion.of(known.id, file) : known;
  }

  /** From now on a region keeps its object and never shrinks. */
  follow(): void {
    this.#isFollowed = true;
  }

  unfollow(): void {
    this.#isFollowed = false;
  }

  /** Makes room for what is offered; `here`: what may be older copies. */
  adopt(here: ReadonlyMap<number, FileRegion>, offered: readonly OfferedGlueRegion[]): void {
    const older = this.#arriving ?? here;
    const arriving = new Map<number, FileRegion>();
    for (const { id, name, byteLength } of offered) {
      if (name !== fileRegionName(id)) continue;
      const known = older.get(id);
      const region =
        known === undefined
          ? FileRegion.arriving(id, this.#makeFile(), byteLength)
          : FileRegion.held(known, byteLength);
      arriving.set(id, region);
    }
    this.#arriving = arriving;
    for (const region of arriving.values()) this.#regions.set(region.file, region);
  }

  /** A region appeared among those that arrive, or vanished (-1). */
  reshape(id: number, name: string, byteLength: number): void {
    this.#arriving ??= new Map();
    if (byteLength < 0) {
      this.#arriving.delete(id);
      return;
    }
    if (name !== fileRegionName(id) || id < firstGlueRegion || this.#arriving.has(id)) {
      throw new FerryError('ERR_GUEST', `region ${id} "${name}" is no file's`);
    }
    const region = FileRegion.arriving(id, this.#makeFile(), byteLength);
    this.#arriving.set(id, region);
    this.#regions.set(region.file, region);
  }

  /** Takes over the numbers of directories that arrived; `next` was not given out yet. */
  take(directories: ReadonlyMap<number, ShimDirectory>, next: number): void {
    for (const [number, directory] of directories) this.#directories.set(directory, number);
    this.#next = Math.max(this.#next, next);
  }

  /** The program runs here: its files are what they are, not what arrived. */
  settle(): void {
    if (this.#arriving === undefined) return;
    for (const region of this.#arriving.values()) region.settle();
    this.#arriving = undefined;
  }
}
