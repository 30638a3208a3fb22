import { ApplyEngine } from '../codec/apply.js';
import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { LEAF_PAGES, PAGE_BYTES } from '../memory/pages.js';
import type { Region } from '../memory/region.js';
import type {
  Hashes,
  HashesRequest,
  Held,
  HeldRequest,
  Offer,
  Pages,
  Prepare,
  RegionChange,
  StateChunk,
  StateDelta,
} from '../protocol/messages.js';
import type { AdmissionLimits } from './admission.js';
import { AppliedChannels } from './applied-channels.js';
import type { Clock } from './clock.js';
import { digestOf } from './digest.js';
import { HeldPages } from './held-pages.js';
import { ReceivedState } from './received-state.js';
import { ofPeer } from './repair.js';
import { defaultSessionBytes, SessionBudget } from './session-budget.js';
import { Turns } from './turns.js';

const entriesPerMessage = 2048;
const leavesPerMessage: number = entriesPerMessage / LEAF_PAGES;
const rereadStepPages = 128;

/**
 * The destination's copy of one guest: applies pages, growth and state, re-reads what it wrote, computes the digest. Its calls are made
 * one after the other: pages that arrive while a re-read is under way wait for it.
 */
export class Receiver {
  readonly engine: ApplyEngine;
  readonly state: ReceivedState;
  readonly channels: AppliedChannels = new AppliedChannels();
  readonly #guest: Guest;
  readonly #offer: Offer;
  readonly #session: Uint8Array;
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #maxImageBytes: number;
  readonly #budget: SessionBudget;
  #last: Promise<void> = Promise.resolve();
  /** Ids that are no longer those of the regions that were offered. */
  readonly #replaced = new Set<number>();
  #held: HeldPages | undefined;
  #rereading = false;
  #closed = false;
  appliedPages = 0;

  constructor(deps: {
    readonly guest: Guest;
    readonly offer: Offer;
    readonly session: Uint8Array;
    readonly clock: Clock;
    readonly limits: AdmissionLimits;
    /** The source may send patches. */
    readonly patches: boolean;
    /** It may compress frames. */
    readonly lz4: boolean;
    /** It takes digests of what regions held before. */
    readonly held: boolean;
    /** The guest may hold an older copy, whatever its regions say. Default false. */
    readonly older?: boolean | undefined;
    /** Channels that pages may arrive on. */
    readonly channels: number;
    /** It may say states by how they differ from rehearsed ones. */
    readonly rehearsals: boolean;
  }) {
    this.#guest = deps.guest;
    this.#offer = deps.offer;
    this.#session = deps.session;
    this.#clock = deps.clock;
    this.#turns = Turns.of(deps.clock);
    const maxStateBytes = Math.min(deps.limits.maxStateBytes, deps.offer.maxStateBytes);
    this.state = new ReceivedState(maxStateBytes, deps.rehearsals);
    const { maxImageBytes } = deps.limits;
    this.#maxImageBytes = maxImageBytes;
    this.#budget = new SessionBudget(
      deps.limits.maxSessionBytes ?? defaultSessionBytes(deps.offer, maxImageBytes),
    );
    this.engine = new ApplyEngine(deps.guest.regions, {
      secret: deps.offer.secret,
      patches: deps.patches,
      lz4: deps.lz4,
      held: deps.held,
      older: deps.older ?? false,
      channels: deps.channels,
      breathe: () => this.#turns.breathe(),
    });
  }

  /** Bytes of memory it takes to fill `regions`, besides their own. */
  static neededBytes(
    regions: readonly Region[],
    options: { readonly lz4: boolean; readonly channels: number; readonly patches: boolean },
  ): number {
    return ApplyEngine.neededBytes(regions, options);
  }

  get rereadPages(): number {
    return this.engine.rereadPagesLeft;
  }

  applyPages(message: Pages, seq: number, channel: number): Promise<void> {
    this.endHeld();
    return this.#queue(async () => {
      const { body, tableBytes, rawBytes } = message;
      const applied = await this.engine.apply(body, tableBytes, rawBytes);
      this.appliedPages += applied.pages;
      this.#budget.spend(applied.pages * PAGE_BYTES);
      this.channels.note(channel, seq, body.byteLength);
    });
  }

  changeRegion(message: RegionChange, seq: number): Promise<void> {
    return this.#queue(async () => {
      const { id, name, byteLength } = message;
      const region = this.#guest.regions.find((candidate) => candidate.id === id);
      const others = this.#guest.regions.filter((candidate) => candidate.id !== id);
      const total = others.reduce((sum, other) => sum + other.byteLength, Math.max(0, byteLength));
      if (total > this.#maxImageBytes) {
        throw new FerryError(
          'ERR_IMAGE_TOO_LARGE',
          `the image grew to ${total} bytes; at most ${this.#maxImageBytes} are taken`,
        );
      }
      this.#budget.spend(Math.max(0, byteLength - (region?.byteLength ?? 0)));
      if (region !== undefined && byteLength >= 0) {
        const offered = this.#replaced.has(id)
          ? undefined
          : this.#offer.regions.find((candidate) => candidate.id === id);
        const most = Math.min(region.maxByteLength, offered?.maxByteLength ?? region.maxByteLength);
        if (byteLength > most) {
          throw new FerryError(
            'ERR_REGION_TOO_LARGE',
            `region ${name} grew to ${byteLength} bytes; at most ${most} were agreed`,
          );
        }
        if (byteLength < region.byteLength) {
          throw new FerryError(
            'ERR_OUT_OF_RANGE',
            `region ${name} shrank from ${region.byteLength} to ${byteLength} bytes`,
          );
        }
        await region.grow(byteLength);
        this.engine.changeRegion(region);
      } else if (region === undefined && byteLength < 0) {
        // Said again behind a cut, as its source cannot know that it was heard.
      } else if (this.#guest.reshape === undefined) {
        throw new FerryError(
          'ERR_UNSUPPORTED',
          `region ${name} ${byteLength < 0 ? 'vanished' : 'appeared'}, which this guest cannot follow`,
        );
      } else {
        await this.#guest.reshape(id, name, byteLength);
        this.#replaced.add(id);
        const appeared = this.#guest.regions.find((candidate) => candidate.id === id);
        if (byteLength < 0) this.engine.removeRegion(id);
        else if (appeared !== undefined) this.engine.changeRegion(appeared);
      }
      this.channels.note(0, seq);
    });
  }

  takeState(message: StateChunk, seq: number): void {
    // Room for a state is made when it begins, however little of it comes.
    if (message.offset === 0) this.#budget.spend(message.totalBytes);
    this.state.take(message);
    this.channels.note(0, seq);
  }

  /** Returns the state that is now there to be rehearsed, if there is one. */
  takeStateDelta(message: StateDelta, seq: number): Uint8Array | undefined {
    if (message.firstUnit === 0) this.#budget.spend(message.totalBytes);
    const toRehearse = this.state.takeDelta(message);
    this.channels.note(0, seq);
    return toRehearse;
  }

  /** Tells what regions held before, unless pages came since: then the source has begun. */
  async tellHeld(send: (message: Held) => void): Promise<void> {
    if (this.appliedPages > 0) return;
    this.#held = new HeldPages({
      engine: this.engine,
      offer: this.#offer,
      turns: this.#turns,
      queue: (work) => this.#queue(work),
    });
    await this.#held.tell(send);
  }

  /** The pages of ranges that it told of. */
  async sendHeldPages(request: HeldRequest, send: (message: Held) => void): Promise<void> {
    if (this.#held === undefined) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'HELD_REQUEST where nothing was told of');
    }
    await this.#held.answer(request, send);
  }

  /** The connection is lost, or the source knows what it wants to: nothing more is told of what was held before. */
  endHeld(): void {
    this.#held?.stop();
  }

  /** Finishes the re-read and gives the digest of what is really here. */
  verify(prepare: Prepare): Promise<Uint8Array> {
    return this.#queue(async () => {
      while (this.engine.rereadPagesLeft > 0) {
        await this.engine.reread(rereadStepPages * 8);
        const pause = this.#turns.breathe();
        if (pause !== undefined) await pause;
      }
      return digestOf({
        session: this.#session,
        generation: prepare.generation,
        regions: this.engine.roots(),
        finalSeqs: prepare.finalSeqs.map((_, channel) => this.channels.finalSeq(channel)),
        state: this.state.bytes,
      });
    });
  }

  /** Re-reads in idle moments until everything written so far was looked at; `report` gets what differs. */
  reread(report: (message: Hashes) => void): void {
    if (this.#rereading) return;
    this.#rereading = true;
    const step = async (): Promise<void> => {
      while (!this.#closed && this.engine.rereadPagesLeft > 0) {
        await this.#clock.turn();
        const wrong = await this.#queue(() => this.engine.reread(rereadStepPages));
        for (const { region, page, hash } of wrong) {
          report({
            type: 'HASHES',
            region,
            level: 'page',
            entries: [{ index: page, hash }],
            last: true,
          });
        }
      }
    };
    step()
      .catch(() => {
        // What cannot be read back now fails `verify`, where somebody is told.
      })
      .finally(() => {
        this.#rereading = false;
      });
  }

  /** Every leaf of every region. */
  leafMessages(): Hashes[] {
    const messages: Hashes[] = [];
    for (const { id } of this.engine.roots()) {
      messages.push(
        ...this.#chunks(
          id,
          'leaf',
          [...this.engine.leaves(id)].map((hash, index) => ({ index, hash })),
        ),
      );
    }
    return markLast(messages);
  }

  /** The answer to a request, in the order of requests. */
  sendPageHashes(request: HashesRequest, send: (message: Hashes) => void): Promise<void> {
    return this.#queue(async () => {
      const { region, leaves } = request;
      for (let at = 0; at === 0 || at < leaves.length; at += leavesPerMessage) {
        const some = leaves.slice(at, at + leavesPerMessage);
        const entries = some.flatMap((leaf) => this.#hashesUnder(region, leaf));
        const last = request.last && at + leavesPerMessage >= leaves.length;
        if (last || entries.length > 0) {
          send({ type: 'HASHES', region, level: 'page', entries, last });
        }
        const pause = this.#turns.breathe();
        if (pause !== undefined) await pause;
      }
    });
  }

  #hashesUnder(region: number, leaf: number): { index: number; hash: bigint }[] {
    const hashes = ofPeer('leaf', leaf, () => this.engine.pageHashes(region, leaf));
    return Array.from(hashes, (hash, at) => ({ index: leaf * LEAF_PAGES + at, hash }));
  }

  /** Runs `work` after everything queued before it. */
  afterAll<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue(work);
  }

  close(): void {
    this.#closed = true;
    this.endHeld();
  }

  #chunks(
    region: number,
    level: 'leaf' | 'page',
    entries: { index: number; hash: bigint }[],
  ): Hashes[] {
    const messages: Hashes[] = [];
    for (let at = 0; at < entries.length; at += entriesPerMessage) {
      messages.push({
        type: 'HASHES',
        region,
        level,
        entries: entries.slice(at, at + entriesPerMessage),
        last: false,
      });
    }
    return messages;
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.then(
      () => {},
      () => {},
    );
    return result;
  }
}

function markLast(messages: Hashes[]): Hashes[] {
  return messages.map((message, at) => ({ ...message, last: at === messages.length - 1 }));
}
