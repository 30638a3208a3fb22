interface Point {
  readonly ms: number;
  readonly pages: number;
}

/** A stretch that no clock measures says nothing. */
const shortestMs = 0.001;
/** How many rounds the curve is fitted over, and how much less each counts than the one after it. */
const pointsKept = 16;
const fading = 0.6;
/** Half-saturation times that are tried, as multiples of the longest time seen: the first is all but a straight line. */
const bends: readonly number[] = Array.from({ length: 15 }, (_, step) => 2 ** (10 - step));
/** A stronger bend must fit better by this much: where all times are alike, every bend fits. */
const clearlyBetter = 0.95;

/**
 * How many different pages a guest writes in a stretch of time: many writes hit a page that was written before, so the curve
 * pages = limit * ms / (ms + half) is fitted, by least squares of pages a millisecond, newer rounds counting more.
 */
export class DirtyCurve {
  readonly #points: Point[] = [];
  #limit = 0;
  #half = 1;

  /** In `ms` milliseconds so many different pages were written. */
  learn(ms: number, pages: number): void {
    if (!(ms >= shortestMs)) return;
    this.#points.push({ ms, pages });
    if (this.#points.length > pointsKept) this.#points.shift();
    this.#fit();
  }

  /** Whether anything was learnt. */
  get isKnown(): boolean {
    return this.#points.length > 0;
  }

  /** Pages to expect within `ms`; 0 while nothing was learnt. */
  expected(ms: number): number {
    return (this.#limit * ms) / (ms + this.#half);
  }

  /** For a given bend the best limit is a weighted mean; the bends are few enough to try them all. */
  #fit(): void {
    const longest = Math.max(...this.#points.map(({ ms }) => ms));
    let least = Number.POSITIVE_INFINITY;
    for (const bend of bends) {
      const half = longest * bend;
      const limit = this.#limitFor(half);
      const error = this.#errorOf(limit, half);
      if (error >= least * clearlyBetter) continue;
      least = error;
      this.#limit = limit;
      this.#half = half;
    }
  }

  #limitFor(half: number): number {
    let above = 0;
    let below = 0;
    this.#eachWeighted((point, weight) => {
      const slope = 1 / (point.ms + half);
      above += weight * slope * (point.pages / point.ms);
      below += weight * slope * slope;
    });
    return above / below;
  }

  #errorOf(limit: number, half: number): number {
    let error = 0;
    this.#eachWeighted(({ ms, pages }, weight) => {
      error += weight * (pages / ms - limit / (ms + half)) ** 2;
    });
    return error;
  }

  #eachWeighted(visit: (point: Point, weight: number) => void): void {
    const newest = this.#points.length - 1;
    for (const [at, point] of this.#points.entries()) visit(point, fading ** (newest - at));
  }
}
