/** So many different pages were written in so many milliseconds, and were so many bytes on the wire. */
export interface Written {
  readonly ms: number;
  readonly pages: number;
  /** Undefined where only the pages are known. */
  readonly bytes: number | undefined;
}

interface Point {
  readonly ms: number;
  readonly pages: number;
}

/**
 * How a guest writes, from looks at different distances in time: how many different pages in a stretch of time, and what each of them costs.
 * Between looks it interpolates, beyond the longest it goes on as steeply as the curve ended, at most as many pages as there are.
 */
export class WriteModel {
  readonly #totalPages: number;
  readonly #points: readonly Point[];
  readonly #costs: readonly Point[];

  constructor(totalPages: number, looks: readonly Written[]) {
    this.#totalPages = totalPages;
    this.#points = octaves(looks);
    const priced = looks.flatMap(({ ms, pages, bytes }) =>
      bytes === undefined || pages === 0 ? [] : [{ ms, pages: bytes / pages }],
    );
    this.#costs = octaves(priced);
  }

  /** Different pages written within `ms`. */
  pagesWithin(ms: number): number {
    const [first] = this.#points;
    const last = this.#points.at(-1);
    if (first === undefined || last === undefined || last.pages === 0 || !(ms > 0)) return 0;
    if (ms <= first.ms) return this.#capped((first.pages * ms) / first.ms);
    if (ms >= last.ms) return this.#capped(last.pages * (ms / last.ms) ** this.#lastSteepness());
    return this.#capped(between(this.#points, ms));
  }

  /** Wire bytes of a page that was written within `ms`; undefined if nothing was ever written. */
  bytesPerPage(ms: number): number | undefined {
    const [first] = this.#costs;
    const last = this.#costs.at(-1);
    if (first === undefined || last === undefined) return undefined;
    if (ms <= first.ms) return first.pages;
    return ms >= last.ms ? last.pages : between(this.#costs, ms);
  }

  /** How the last octaves rose: 0 flat, 1 as fast as time. */
  #lastSteepness(): number {
    const last = this.#points.at(-1);
    const earlier = this.#points.at(-3) ?? this.#points[0];
    if (last === undefined || earlier === undefined || earlier.ms === last.ms) return 1;
    if (earlier.pages === 0) return 1;
    const steepness = Math.log(last.pages / earlier.pages) / Math.log(last.ms / earlier.ms);
    return Math.min(1, Math.max(0, steepness));
  }

  #capped(pages: number): number {
    return Math.min(this.#totalPages, pages);
  }
}

/** One point for each doubling of time: the means of what was seen there, which never fall with time. */
function octaves(looks: readonly Point[]): Point[] {
  const groups = new Map<number, Point[]>();
  for (const look of looks) {
    const octave = Math.floor(Math.log2(look.ms));
    groups.set(octave, [...(groups.get(octave) ?? []), look]);
  }
  const points: Point[] = [];
  for (const [, group] of [...groups].sort(([a], [b]) => a - b)) {
    const mean = (of: (look: Point) => number): number =>
      group.reduce((sum, look) => sum + of(look), 0) / group.length;
    const before = points.at(-1)?.pages ?? 0;
    points.push({
      ms: mean(({ ms }) => ms),
      pages: Math.max(
        before,
        mean(({ pages }) => pages),
      ),
    });
  }
  return points;
}

/** Straight between the two points around `ms`. */
function between(points: readonly Point[], ms: number): number {
  const above = points.findIndex((point) => point.ms >= ms);
  const high = points[above];
  const low = points[above - 1];
  if (high === undefined) return 0;
  if (low === undefined || high.ms === low.ms) return high.pages;
  return low.pages + ((ms - low.ms) / (high.ms - low.ms)) * (high.pages - low.pages);
}
