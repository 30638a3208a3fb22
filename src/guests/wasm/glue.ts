import type { Region } from '../../memory/region.js';
import type { DirtyTracker } from '../../memory/tracker.js';

/** The first id that regions of glue have; below it are the program's memories. */
export const firstGlueRegion = 16;

/** A region that a source offers. */
export type OfferedGlueRegion = Pick<Region, 'id' | 'name' | 'byteLength' | 'maxByteLength'>;

/**
 * What a WebAssembly program keeps in JavaScript: files, descriptors, positions. Its methods are called between two calls of the program. Both ends
 * have the same kind of glue.
 */
export interface GlueState {
  /**
   * Contents, as regions; read anew each time: they may appear, grow and vanish while the guest runs. Ids from `firstGlueRegion` on, never used
   * twice; a region keeps its object for as long as it exists. Names of at most 255 bytes of UTF-8.
   */
  regions(): readonly Region[];
  /** Which pages of its regions were written; exact. Absent: they are compared. */
  readonly tracker?: DirtyTracker;
  /** What else there is. Also called while the guest runs, for a rehearsal. */
  save(): Uint8Array;
  /**
   * Takes what `save` of the same kind of glue gave, as data only; again and again, also before all pages are here. ERR_GUEST on anything
   * malformed: then nothing has changed.
   */
  load(state: Uint8Array): void;
  /** Destination, before anything arrives: the source's regions. Makes those that are not here; one that may hold an older copy says `held`. */
  adopt?(offered: readonly OfferedGlueRegion[]): void;
  /** Destination, later: a region appeared, all zero (`byteLength` >= 0), or vanished (-1) at the source. */
  reshape?(id: number, name: string, byteLength: number): void;
  /** Makes the program's memory exactly `byteLength` long, as the glue does it: its views are made anew. Absent: `memory.grow`. */
  grow?(byteLength: number): void;
  /** What cannot travel, in words; empty if all of it can. */
  check?(): readonly string[];
  /** Functions of the host that stand in the program's tables, by names that are the same at both ends. */
  hostFunctions?(): ReadonlyMap<string, unknown>;
  /** What must be equal at both ends besides the module; '' for nothing. */
  identity?(): string;
}
