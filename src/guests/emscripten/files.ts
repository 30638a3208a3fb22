import { FerryError } from '../../errors.js';
import type { DirtyBitmap } from '../../memory/bitmap.js';
import type { Region } from '../../memory/region.js';
import type { DirtyTracker } from '../../memory/tracker.js';
import { firstGlueRegion, type OfferedGlueRegion } from '../wasm/glue.js';
import { FileRegion, roomFor } from './file-region.js';
import type { OpenMemfs } from './memfs.js';
import { bytesOf, type EmscriptenFs, type FsNode, isFile } from './module.js';
import { regionName } from './region-name.js';
import type { TreeWalk } from './tree-walk.js';
import { watchFiles } from './watch.js';

/** An id that a destination takes: beyond it none would be left for the way back. */
const lastRegionId = 2 ** 31;

/** Which files are part of the program, the same at both ends: they have no region while nobody wrote to them. */
export type IsStill = (path: string) => boolean;

/** The regions of a program's files, and which of their pages were written. */
export class Files implements DirtyTracker {
  readonly exact = true;
  readonly #fs: EmscriptenFs;
  readonly #walk: TreeWalk;
  readonly #isStill: IsStill;
  /** Of each file that has one. */
  #regionOf = new Map<FsNode, FileRegion>();
  /** Files that were written to since this looks on. */
  readonly #written = new WeakSet<FsNode>();
  #list: readonly FileRegion[] = [];
  /** Of these, files without a name: they are there for as long as they are open, and nothing tells that one was closed. */
  #nameless: readonly FsNode[] = [];
  /** Something may have appeared, vanished, grown or shrunk since the list was made. */
  #isStale = true;
  #isTracking = false;
  #nextId: number = firstGlueRegion;

  constructor({ fs, tables, walk }: OpenMemfs, isStill: IsStill) {
    this.#fs = fs;
    this.#walk = walk;
    this.#isStill = isStill;
    watchFiles(tables, {
      renamed: () => {
        this.#isStale = true;
      },
      wrote: ({ file, first, end, before }) => {
        this.#written.add(file);
        const region = this.#regionOf.get(file);
        if (region === undefined || region.isOutgrown) this.#isStale = true;
        else if (this.#isTracking) region.mark(first, end, before);
      },
    });
  }

  start(): void {
    for (const region of this.regions()) region.startMarks();
    this.#isTracking = true;
  }

  take(region: Region, into: DirtyBitmap): void {
    if (region instanceof FileRegion) region.takeMarks()?.moveTo(into);
    else into.setRange(0, into.bits);
  }

  stop(): void {
    this.#isTracking = false;
  }

  regions(): readonly FileRegion[] {
    if (this.#isStale || !this.#nameless.every((file) => this.#isOpen(file))) this.#look();
    return this.#list;
  }

  /** The region of a file; undefined if it is empty or still. */
  regionOf(file: FsNode): FileRegion | undefined {
    return this.#regionOf.get(file);
  }

  /** As it was made, or found, last: also while what is open is not told yet. */
  get list(): readonly FileRegion[] {
    return this.#list;
  }

  #isOpen(file: FsNode): boolean {
    return this.#fs.streams.some((stream) => stream?.node === file);
  }

  #look(): void {
    const found = new Map<FsNode, FileRegion>();
    const nameless: FsNode[] = [];
    for (const { node, path, isNamed } of this.files()) {
      if (bytesOf(node).byteLength === 0 && !this.#regionOf.has(node)) continue;
      if (this.isStill(node, path)) continue;
      found.set(node, this.#regionFor(node, path));
      if (!isNamed) nameless.push(node);
    }
    this.#regionOf = found;
    this.#nameless = nameless;
    const list = [...found.values()].sort((a, b) => a.id - b.id);
    // The same list for as long as nothing else is in it.
    const isSame =
      list.length === this.#list.length && list.every((it, at) => it === this.#list[at]);
    if (!isSame) this.#list = list;
    this.#isStale = false;
  }

  #regionFor(node: FsNode, path: string): FileRegion {
    const known = this.#regionOf.get(node);
    if (known !== undefined && !known.isOutgrown) return known;
    if (this.#nextId > 0xffffffff) {
      throw new FerryError('ERR_GUEST', 'all numbers for regions of files are used up');
    }
    return FileRegion.of(this.#nextId++, regionName(path), node);
  }

  isStill(node: FsNode, path: string): boolean {
    return !this.#regionOf.has(node) && !this.#written.has(node) && this.#isStill(path);
  }

  /** Every regular file once: those in the tree, then those that are open without a name. */
  files(): { readonly node: FsNode; readonly path: string; readonly isNamed: boolean }[] {
    const visited = this.#walk.visit().filter(({ node }) => isFile(node));
    const nodes = new Set(visited.map(({ node }) => node));
    const named = visited.map(({ node, path }) => ({ node, path, isNamed: true }));
    const nameless = this.nameless((node) => nodes.has(node));
    return [...named, ...nameless.map((file) => ({ ...file, isNamed: false }))];
  }

  /** Every regular file once that is open and not named. */
  nameless(isNamed: (node: FsNode) => boolean): { readonly node: FsNode; readonly path: string }[] {
    const nodes = new Set<FsNode>();
    for (const stream of this.#fs.streams) {
      if (stream?.node && isFile(stream.node) && !isNamed(stream.node)) nodes.add(stream.node);
    }
    return [...nodes].map((node) => ({ node, path: `(unlinked) ${node.id}` }));
  }

  /** The source's files, each beginning with what this side has under the same name. */
  adopt(offered: readonly OfferedGlueRegion[]): void {
    const own = new Map(this.files().map(({ node, path }) => [regionName(path), node]));
    const regions = offered.map((each) => {
      const node = own.get(each.name);
      // Two of one name would begin alike, and be two all the same.
      return FileRegion.arriving(checked(each), node && bytesOf(node));
    });
    this.#setList(regions);
    this.#regionOf = new Map();
    this.#nameless = [];
  }

  reshape(id: number, name: string, byteLength: number): void {
    const others = this.#list.filter((region) => region.id !== id);
    if (byteLength < 0) {
      this.#setList(others);
      return;
    }
    // Both sides have the same room for it, without a word about that.
    const maxByteLength = roomFor(byteLength);
    const appeared = FileRegion.arriving(
      checked({ id, name, byteLength, maxByteLength }),
      undefined,
    );
    appeared.grow(byteLength);
    this.#setList([...others, appeared]);
  }

  #setList(regions: readonly FileRegion[]): void {
    this.#list = [...regions].sort((a, b) => a.id - b.id);
    this.#isStale = false;
    for (const { id } of regions) this.#nextId = Math.max(this.#nextId, id + 1);
  }

  /** What arrived belongs to these files from now on: with how much of it is used. */
  settle(
    files: readonly {
      readonly node: FsNode;
      readonly region: FileRegion;
      readonly usedBytes: number;
      readonly isNamed: boolean;
    }[],
  ): void {
    this.#nameless = files.filter(({ isNamed }) => !isNamed).map(({ node }) => node);
    this.#regionOf = new Map(files.map(({ node, region }) => [node, region]));
    for (const { region } of files) region.detach();
    for (const { node, region, usedBytes } of files) region.attach(node, usedBytes);
    this.#isStale = false;
  }
}

function checked(offered: OfferedGlueRegion): OfferedGlueRegion {
  const { id } = offered;
  if (id >= firstGlueRegion && id < lastRegionId) return offered;
  throw new FerryError('ERR_INCOMPATIBLE', `a file cannot be region ${id}`);
}
