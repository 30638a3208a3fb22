import { followRegions, type KnownRegion, type RegionChange } from '../codec/region-changes.js';
import { FerryError } from '../errors.js';
import { LEAF_PAGES, PAGE_BYTES, pageCountOf } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type { PieceLayout, SharedPlace } from './crew-orders.js';

/** Pieces are whole leaves, so that the leaves of pieces are those of their region. */
const leafBytes = LEAF_PAGES * PAGE_BYTES;
const mostPieceBytes = 2 ** 30;
/** However far a region may grow. */
const mostPieces = 1024;
/** Ids of pieces ascend with their regions and in them; both fit a safe integer. */
const idsPerRegion = 2 ** 20;

/** So many pages from `firstPage` on of a region, for one member. */
export interface Piece {
  readonly id: number;
  readonly member: number;
  readonly firstPage: number;
  readonly pages: number;
}

export interface CrewRegion extends KnownRegion {
  byteLength: number;
  /** How many regions came before it. */
  readonly arrival: number;
  readonly pieces: readonly Piece[];
}

/** The guest's regions, cut into pieces of at most 1 GiB that its members capture: as many for each as can be. */
export class CrewRegions {
  readonly #members: number;
  readonly #isUnseen: (region: Region) => boolean;
  readonly #pieceBytes: number;
  #list: readonly CrewRegion[] = [];
  #pieces = 0;
  #arrivals = 0;

  /** `isUnseen`: see `DirtyTracker.unseen`. ERR_UNSUPPORTED where another thread cannot see a region. */
  constructor(
    regions: readonly Region[],
    members: number,
    isUnseen: (region: Region) => boolean = () => false,
  ) {
    const bytes = regions.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#members = members;
    this.#isUnseen = isUnseen;
    this.#pieceBytes = members === 1 ? Number.POSITIVE_INFINITY : bytes / members;
    this.follow(regions);
  }

  /** Ascending by id. */
  get list(): readonly CrewRegion[] {
    return this.#list;
  }

  get totalPages(): number {
    return this.#list.reduce((sum, { byteLength }) => sum + pageCountOf(byteLength), 0);
  }

  /** RangeError if there is no such region. */
  get(id: number): CrewRegion {
    const found = this.#list.find(({ region }) => region.id === id);
    if (found === undefined) throw new RangeError(`no region ${id}`);
    return found;
  }

  /** See `followRegions`. ERR_UNSUPPORTED where another thread cannot see a region that appeared. */
  follow(regions: readonly Region[]): RegionChange[] {
    return followRegions(this.#list, regions, {
      vanished: (known) => {
        this.#list = this.#list.filter((other) => other !== known);
      },
      grew: (known, byteLength) => {
        known.byteLength = byteLength;
      },
      appeared: (region) => {
        placeOf(region);
        const known = this.#cut(region);
        this.#list = [...this.#list, known].sort((a, b) => a.region.id - b.region.id);
        return known;
      },
    });
  }

  #cut(region: Region): CrewRegion {
    const { byteLength, maxByteLength } = region;
    const capacityPages = pageCountOf(maxByteLength);
    const wanted = Math.max(Math.min(this.#pieceBytes, mostPieceBytes), maxByteLength / mostPieces);
    const whole = this.#members === 1 ? maxByteLength : wanted;
    const most = Math.max(1, Math.ceil(whole / leafBytes)) * LEAF_PAGES;
    const pieces: Piece[] = [];
    for (let firstPage = 0; firstPage < capacityPages; firstPage += most) {
      const id = region.id * idsPerRegion + pieces.length;
      // Two that touch are never one member's, but where there is only one: then there is only one piece.
      const member = this.#pieces++ % this.#members;
      const pages = Math.min(most, capacityPages - firstPage);
      pieces.push({ id, member, firstPage, pages });
    }
    return { region, byteLength, capacityPages, pieces, arrival: this.#arrivals++ };
  }

  /** The pieces of one member as they are now. */
  layouts(member: number): PieceLayout[] {
    return this.#list.flatMap(({ region, byteLength, pieces, arrival }) => {
      const { id, name, maxByteLength, concurrent = false } = region;
      const place = placeOf(region);
      const own = pieces.filter((piece) => piece.member === member);
      return own.map((piece) => {
        const from = piece.firstPage * PAGE_BYTES;
        const within = (bytes: number) =>
          Math.max(0, Math.min(bytes - from, piece.pages * PAGE_BYTES));
        return {
          id: piece.id,
          arrival,
          partOf: { region: id, firstPage: piece.firstPage },
          name,
          byteLength: within(byteLength),
          maxByteLength: within(maxByteLength),
          concurrent,
          unseen: this.#isUnseen(region),
          place: { ...place, byteOffset: place.byteOffset + from },
        };
      });
    });
  }
}

/** Where other threads find the region's bytes. */
function placeOf(region: Region): SharedPlace {
  const bytes = region.memory?.();
  if (bytes?.buffer instanceof SharedArrayBuffer) {
    const linear = region.linearMemory?.();
    return { memory: bytes.buffer, byteOffset: bytes.byteOffset, linear };
  }
  if (region.descriptor !== undefined) return { descriptor: region.descriptor, byteOffset: 0 };
  throw new FerryError(
    'ERR_UNSUPPORTED',
    `workers cannot see region ${region.id} "${region.name}": it is neither in a SharedArrayBuffer nor an open file`,
  );
}
