import type { Capture, DirtyRun } from '../codec/capture-options.js';
import type { CapturedFrame } from '../codec/frame-slots.js';
import type { RegionChange } from '../codec/region-changes.js';
import { runsOfTable } from '../codec/run-table.js';
import { checksum } from '../core/checksum.js';
import { DirtyBitmap } from '../memory/bitmap.js';
import { leafCountOf, leafOf, pageCountOf } from '../memory/pages.js';
import type { Base, Region } from '../memory/region.js';
import { RootHasher } from '../memory/root-hasher.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { CrewAnswer, CrewOrder, MemberSetup, QuietOrder, StartThread } from './crew-orders.js';
import { type CrewRegion, CrewRegions } from './crew-regions.js';
import { framesAhead, RemoteMember } from './crew-remote.js';
import type { Meter } from './meter.js';
import type { PageEngine } from './page-engine.js';

/** As many frames as a channel may have that are not sent yet. */
const heldFrames = 8;
/** A message costs as much as looking at some pages. */
const leastOrderPages = 1024;

/** Shadow and base cache are shared out among the threads. */
export interface CrewOptions extends Omit<MemberSetup, 'pieces' | 'tracker' | 'slots' | 'members'> {
  /** How many threads, at least 1. */
  readonly workers: number;
  readonly start: StartThread;
  readonly meter: Pick<Meter, 'mayCarry'>;
}

/**
 * Has a guest's pages captured by threads of their own, each with its own kernels and arena, over memory and files that all of them see. This
 * thread takes the marks, cuts regions into pieces, and gets frames as they are to leave, a few of them ahead.
 */
export class CrewEngine implements PageEngine {
  readonly #tracker: DirtyTracker;
  readonly #meter: Pick<Meter, 'mayCarry'>;
  readonly #regions: CrewRegions;
  readonly #members: readonly RemoteMember[];
  readonly #roots: RootHasher;
  #marks: DirtyBitmap = DirtyBitmap.create(0);
  #dirtyRuns: readonly DirtyRun[] = [];
  #turn = 0;
  #woken: () => void = () => {};

  /** ERR_UNSUPPORTED where another thread cannot see a region. What goes wrong in a thread is thrown by the calls that follow. */
  constructor(regions: readonly Region[], tracker: DirtyTracker, options: CrewOptions) {
    const { workers, start, meter, ...setup } = options;
    this.#tracker = tracker;
    this.#meter = meter;
    this.#regions = new CrewRegions(
      regions,
      workers,
      (region) => tracker.unseen?.(region) ?? false,
    );
    this.#roots = new RootHasher(setup.secret);
    const { exact, evidence } = tracker;
    this.#members = Array.from({ length: workers }, (_, member) => {
      const own: MemberSetup = {
        ...setup,
        pieces: this.#regions.layouts(member),
        tracker: evidence === undefined ? { exact } : { exact, evidence },
        shadowBytes: Math.floor(setup.shadowBytes / workers),
        baseCacheBytes: Math.floor(setup.baseCacheBytes / workers),
        slots: (heldFrames + framesAhead) * setup.channels,
        members: workers,
      };
      return new RemoteMember(start, own, () => this.#woken());
    });
  }

  /** As last heard. */
  get dirtyPages(): number {
    return this.#members.reduce((sum, { standing }) => sum + standing.dirtyPages, 0);
  }

  get auditPagesLeft(): number {
    return this.#members.reduce((sum, { standing }) => sum + standing.auditPagesLeft, 0);
  }

  get totalPages(): number {
    return this.#regions.totalPages;
  }

  checksum(bytes: Uint8Array): bigint {
    return checksum(bytes);
  }

  setBase(regionId: number, base: Base): void {
    for (const { id, member } of this.#regions.get(regionId).pieces) {
      this.#tell(member, { do: 'set-base', piece: id, base });
    }
  }

  syncRegions(regions: readonly Region[]): RegionChange[] | Promise<RegionChange[]> {
    const changes = this.#regions.follow(regions);
    return changes.length === 0 ? changes : this.#sync(changes);
  }

  /** What was captured ahead may be of regions that are no more. */
  async #sync(changes: RegionChange[]): Promise<RegionChange[]> {
    await this.#settle();
    for (const member of this.#members.keys()) {
      this.#tell(member, { do: 'sync', pieces: this.#regions.layouts(member) });
    }
    return changes;
  }

  async markAll(): Promise<void> {
    await this.#settle();
    await this.#mark(() => ({ do: 'mark-all' }));
  }

  async takeDirty(unseen = false): Promise<void> {
    // A page taken back must be so before it is captured again.
    await this.#settle();
    const marks = this.#members.map(() => new Map<number, Uint32Array>());
    for (const { region, capacityPages, pieces } of this.#regions.list) {
      if (this.#marks.bits < capacityPages) this.#marks = DirtyBitmap.create(capacityPages);
      this.#tracker.take(region, this.#marks);
      for (const { id, member, firstPage, pages } of pieces) {
        marks[member]?.set(id, this.#marks.copyOf(firstPage, pages));
      }
      this.#marks.clearAll();
    }
    await this.#mark((member) => {
      return { do: 'take-dirty', marks: marks[member] ?? new Map(), unseen };
    });
  }

  async #mark(orderOf: (member: number) => Exclude<CrewOrder, QuietOrder>): Promise<void> {
    const answers = await this.#askAll(orderOf);
    for (const member of this.#members) member.marked();
    const offsets = new Map(
      this.#regions.list.flatMap(({ region, pieces }) =>
        pieces.map(({ id, firstPage }) => [id, { region: region.id, firstPage }] as const),
      ),
    );
    this.#dirtyRuns = answers.flatMap(({ runs = [] }) =>
      runs.map(({ region: piece, first, count }) => {
        const { region = piece, firstPage = 0 } = offsets.get(piece) ?? {};
        return { region, first: firstPage + first, count };
      }),
    );
  }

  /** What was dirty when marks were taken last. */
  dirtyRuns(): Iterable<DirtyRun> {
    return this.#dirtyRuns;
  }

  async capture(order: Parameters<PageEngine['capture']>[0]): Promise<Capture> {
    const { channel = 0 } = order;
    for (;;) {
      this.#order(order);
      for (let step = 1; step <= this.#members.length; step++) {
        const turn = (this.#turn + step) % this.#members.length;
        const taken = this.#members[turn]?.take(channel);
        if (taken === undefined) continue;
        this.#turn = turn;
        // It goes on while this frame is sent.
        this.#order(order);
        return { ...taken, exhausted: this.#isExhausted(channel) };
      }
      if (this.#isExhausted(channel)) {
        return { frame: undefined, examinedPages: 0, exhausted: true };
      }
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
    }
  }

  #order(order: Parameters<PageEngine['capture']>[0]): void {
    const { channel = 0, maxPayloadBytes, paused } = order;
    const maxPages = Math.max(order.maxPages, leastOrderPages);
    const { mayCarry } = this.#meter;
    for (const member of this.#members) {
      member.order({ do: 'capture', channel, maxPayloadBytes, maxPages, paused, mayCarry });
    }
  }

  #isExhausted(channel: number): boolean {
    return this.#members.every((member) => member.isExhausted(channel));
  }

  async freeClaims(channel?: number): Promise<void> {
    await Promise.all(this.#members.map((member) => member.settle(channel)));
    for (const member of this.#members.keys()) this.#tell(member, { do: 'free-claims', channel });
  }

  takeBack(frame: CapturedFrame): void {
    this.#members.some((member) => member.takeBack(frame));
  }

  /** Once nothing is under way. Pages of regions that are no more are left out. */
  forget(table: Uint8Array): void {
    for (const { region, first, count } of runsOfTable(table)) {
      if (!this.#regions.list.some(({ region: known }) => known.id === region)) continue;
      this.repair(
        region,
        Array.from({ length: count }, (_, index) => first + index),
      );
    }
  }

  repair(regionId: number, pages: readonly number[]): void {
    for (const { id, member, firstPage, pages: count } of this.#regions.get(regionId).pieces) {
      const own = pages.map((page) => page - firstPage).filter((at) => at >= 0 && at < count);
      if (own.length > 0) this.#tell(member, { do: 'repair', piece: id, pages: own });
    }
  }

  async audit(maxPages: number): Promise<void> {
    if (!this.#tracker.exact) return;
    const most = Math.max(maxPages, leastOrderPages);
    await this.#askAll(() => ({ do: 'audit', maxPages: most }));
  }

  async settleAudit(): Promise<void> {
    if (this.#tracker.exact) await this.#askAll(() => ({ do: 'settle-audit' }));
  }

  async roots(): Promise<{ id: number; byteLength: number; root: bigint }[]> {
    const hashes = await this.#allLeaves();
    return this.#regions.list.map((known) => {
      const { region, byteLength } = known;
      return { id: region.id, byteLength, root: this.#roots.root(byteLength, join(known, hashes)) };
    });
  }

  leaves(regionId: number): Promise<BigUint64Array> {
    const known = this.#regions.get(regionId);
    return this.#allLeaves().then((hashes) => join(known, hashes));
  }

  pageHashes(regionId: number, leaf: number): Promise<BigUint64Array> {
    const { byteLength, pieces } = this.#regions.get(regionId);
    const piece = pieces.findLast(({ firstPage }) => leafOf(firstPage) <= leaf);
    if (leaf >= leafCountOf(pageCountOf(byteLength)) || piece === undefined) {
      throw new RangeError(`no leaf ${leaf} in region ${regionId}`);
    }
    const { id, member, firstPage } = piece;
    const asked = this.#members[member]?.ask({
      do: 'page-hashes',
      piece: id,
      leaf: leaf - leafOf(firstPage),
    });
    return Promise.resolve(asked).then(
      (answer) => answer?.hashes?.get(id) ?? new BigUint64Array(0),
    );
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.settle()));
  }

  #tell(member: number, order: QuietOrder): void {
    this.#members[member]?.tell(order);
  }

  #askAll(
    orderOf: (member: number) => Exclude<CrewOrder, QuietOrder>,
  ): Promise<readonly CrewAnswer[]> {
    return Promise.all(this.#members.map((member, index) => member.ask(orderOf(index))));
  }

  /** By piece. */
  async #allLeaves(): Promise<ReadonlyMap<number, BigUint64Array>> {
    const answers = await this.#askAll(() => ({ do: 'leaves' }));
    return new Map(answers.flatMap(({ hashes }) => [...(hashes ?? [])]));
  }
}

/** The leaves of a region, of those of its pieces. */
function join(
  { byteLength, pieces }: CrewRegion,
  hashes: ReadonlyMap<number, BigUint64Array>,
): BigUint64Array {
  const leaves = new BigUint64Array(leafCountOf(pageCountOf(byteLength)));
  for (const { id, firstPage } of pieces) {
    const own = hashes.get(id);
    // Those of pieces beyond its end are none, and have no place.
    if (own !== undefined && own.length > 0) leaves.set(own, leafOf(firstPage));
  }
  return leaves;
}
