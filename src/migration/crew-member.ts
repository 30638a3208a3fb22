import { CaptureEngine } from '../codec/capture.js';
import type { CapturedFrame } from '../codec/frame-slots.js';
import type { LinearMemory } from '../core/linear-memory.js';
import { asFerryError } from '../errors.js';
import type { DirtyBitmap } from '../memory/bitmap.js';
import type { Region } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { systemClock } from './clock.js';
import { Compression } from './compression.js';
import type {
  CaptureNews,
  CaptureOrder,
  CrewAnswer,
  CrewNews,
  CrewOrder,
  FrameNews,
  MemberSetup,
} from './crew-orders.js';
import { CrewPiece } from './crew-piece.js';

/** The marks of a member's pieces, as they were told last. */
class ToldTracker implements DirtyTracker {
  readonly exact: boolean;
  readonly evidence?: 'hash' | 'shadow';
  marks: ReadonlyMap<number, Uint32Array> = new Map();

  constructor({ exact, evidence }: MemberSetup['tracker']) {
    this.exact = exact;
    if (evidence !== undefined) this.evidence = evidence;
  }

  start(): void {}

  take({ id }: Region, into: DirtyBitmap): void {
    const words = this.marks.get(id);
    if (words !== undefined) into.takeWords(words);
  }

  unseen(piece: Region): boolean {
    return piece instanceof CrewPiece && piece.layout.unseen;
  }

  stop(): void {}
}

/** Captures pieces of a guest's regions with an engine of its own, and makes frames as they are to leave. */
class CrewMember {
  readonly #setup: MemberSetup;
  readonly #engine: CaptureEngine;
  readonly #tracker: ToldTracker;
  readonly #compression: Compression;
  #pieces: readonly CrewPiece[];
  readonly #frames = new Map<number, CapturedFrame>();
  #lastFrame = 0;
  #mayCarry: number | undefined;

  /** ERR_IO if a file cannot be opened here, ERR_NO_CAPACITY if the bookkeeping does not fit an arena. */
  static async begin(setup: MemberSetup): Promise<CrewMember> {
    return new CrewMember(setup, await Promise.all(setup.pieces.map(CrewPiece.of)));
  }

  private constructor(setup: MemberSetup, pieces: readonly CrewPiece[]) {
    this.#setup = setup;
    this.#pieces = pieces;
    this.#tracker = new ToldTracker(setup.tracker);
    this.#engine = new CaptureEngine(pieces, this.#tracker, { ...setup, shared: true });
    this.#compression = new Compression({
      options: {
        compression: setup.compression,
        bytesPerSecond: setup.ceiling,
        budget: undefined,
      },
      compressor: this.#engine.compressor,
      meter: this,
      clock: systemClock,
      // So many capture and compress at a time.
      share: () => setup.members,
    });
  }

  /** As the last order had it. */
  get mayCarry(): number | undefined {
    return this.#mayCarry;
  }

  get memory(): LinearMemory {
    return this.#engine.memory;
  }

  get standing(): { readonly dirtyPages: number; readonly auditPagesLeft: number } {
    const { dirtyPages, auditPagesLeft } = this.#engine;
    return { dirtyPages, auditPagesLeft };
  }

  /** One order at a time. Undefined where nothing is to be answered. */
  async carryOut(order: CrewOrder): Promise<CrewAnswer | undefined> {
    const engine = this.#engine;
    switch (order.do) {
      case 'capture':
        return { capture: await this.#capture(order) };
      case 'take-back': {
        const frame = this.#taken(order.frame);
        if (frame !== undefined) engine.takeBack(frame);
        return undefined;
      }
      case 'free-claims':
        engine.freeClaims(order.channel);
        return undefined;
      case 'set-base':
        engine.setBase(order.piece, order.base);
        return undefined;
      case 'repair':
        engine.repair(order.piece, order.pages);
        return undefined;
      case 'sync':
        await this.#sync(order.pieces);
        return undefined;
      case 'mark-all':
        engine.markAll();
        return this.#dirty();
      case 'take-dirty':
        this.#tracker.marks = order.marks;
        engine.takeDirty(order.unseen);
        return this.#dirty();
      case 'audit':
        await engine.audit(order.maxPages);
        return {};
      case 'settle-audit':
        await engine.settleAudit();
        return {};
      case 'leaves':
        return { hashes: new Map(this.#pieces.map(({ id }) => [id, engine.leaves(id)])) };
      case 'page-hashes': {
        const { piece, leaf } = order;
        return { hashes: new Map([[piece, engine.pageHashes(piece, leaf)]]) };
      }
      default:
        return order satisfies never;
    }
  }

  async #capture(order: CaptureOrder): Promise<CaptureNews> {
    const { paused, maxPayloadBytes } = order;
    this.#mayCarry = order.mayCarry;
    for (const id of order.released) this.#taken(id)?.release();
    const from = performance.now();
    const { frame, examinedPages, exhausted } = await this.#engine.capture({
      ...order,
      maxPayloadBytes: paused ? maxPayloadBytes : this.#compression.payloadBytes(maxPayloadBytes),
    });
    if (frame === undefined) return { frame, examinedPages, exhausted };
    const packed = this.#compression.pack(frame, performance.now() - from, paused);
    return { frame: this.#newsOf(packed), examinedPages, exhausted };
  }

  #newsOf(frame: CapturedFrame): FrameNews {
    const { bytes, tableBytes, bodyBytes, rawBytes, pageCount, pages, payloadBytes } = frame;
    this.#lastFrame += 1;
    this.#frames.set(this.#lastFrame, frame);
    const body = bytes.subarray(bytes.byteLength - bodyBytes);
    return {
      frame: this.#lastFrame,
      address: bytes.byteOffset,
      byteLength: bytes.byteLength,
      tableBytes,
      bodyBytes,
      rawBytes,
      pageCount,
      pages,
      payloadBytes,
      table: rawBytes === bodyBytes ? undefined : frame.copyTable(),
      checksum: this.#setup.sums ? this.#engine.checksum(body) : undefined,
    };
  }

  #taken(id: number): CapturedFrame | undefined {
    const frame = this.#frames.get(id);
    this.#frames.delete(id);
    return frame;
  }

  #dirty(): CrewAnswer {
    return { runs: this.#tracker.exact ? [...this.#engine.dirtyRuns()] : [] };
  }

  async #sync(layouts: readonly CrewPiece['layout'][]): Promise<void> {
    const before = new Map(this.#pieces.map((piece) => [piece.id, piece]));
    const pieces: CrewPiece[] = [];
    for (const layout of layouts) {
      const known = before.get(layout.id);
      if (known?.layout.arrival !== layout.arrival) {
        pieces.push(await CrewPiece.of(layout));
        continue;
      }
      before.delete(layout.id);
      known.follow(layout);
      pieces.push(known);
    }
    this.#pieces = pieces;
    this.#engine.syncRegions(pieces);
    for (const gone of before.values()) await gone.close();
  }
}

/** Begins a member. What comes back takes its orders, in turn. `say` is told what is heard of it, until it failed. */
export function runMember(
  setup: MemberSetup,
  say: (news: CrewNews) => void,
): (order: CrewOrder) => void {
  let hasFailed = false;
  const failed = (reason: unknown): void => {
    if (hasFailed) return;
    hasFailed = true;
    const { code, message } = asFerryError(reason, 'ERR_GUEST');
    say({ error: { code, message } });
  };
  let last = CrewMember.begin(setup).then((member) => {
    say({ memory: member.memory });
    return member;
  });
  last.catch(failed);
  return (order) => {
    last = last.then(async (member) => {
      const answer = await member.carryOut(order);
      if (answer !== undefined) say({ answer, standing: member.standing });
      return member;
    });
    last.catch(failed);
  };
}
