import { randomBytes } from 'node:crypto';
import { CaptureEngine } from '../codec/capture.js';
import { secretBytes } from '../core/secret.js';
import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { DirtyTracker } from '../memory/tracker.js';
import { systemClock } from '../migration/clock.js';
import { digestOf } from '../migration/digest.js';
import { Link } from '../migration/link.js';
import { resolveOptions } from '../migration/options.js';
import { lastFrameBytes, portionsOf } from '../migration/portions.js';
import { Slices } from '../migration/slices.js';
import { changesSinceOffer, makePlan } from '../migration/source-plan.js';
import type { Accept, Message, Offer } from '../protocol/messages.js';
import type { Channel } from '../transport/channel.js';
import { CapturedEpoch } from './captured-epoch.js';
import { type Compared, Comparison } from './comparison.js';
import { EpochStates } from './epoch-states.js';
import { Greeting, type Leader, refusal } from './follower-greeting.js';
import { SlabPool } from './slabs.js';

/** Frames that may wait for the system. */
const mostHeldFrames = 6;
/** Live rounds until what is left goes with the first epoch, however much that is. */
const mostRounds = 8;
/** Kept for epochs to come. */
const mostSlabs = 16;
const shadowBytes = 256 * 2 ** 20;
const baseCacheBytes = 32 * 2 ** 20;

export interface FollowerDeps extends Leader {
  readonly guest: Guest;
  /** Told of every write; its own. */
  readonly tracker: DirtyTracker;
  /** Share of the thread that copying takes while the guest runs, 0.01 to 1. */
  readonly cpuShare: number;
  readonly acknowledged: (number: number) => void;
  /** What the standby held already was compared with what is here. */
  readonly compared?: (pages: Compared) => void;
  /** Once, however it ended, but for `close`. */
  readonly lost: (error: FerryError) => void;
}

/**
 * The primary's side of one standby: greets it, copies the guest to it while that runs, then sends it epoch after epoch. What was captured was never sent is lost with the
 * session: the next one begins from the start.
 */
export class FollowerSession {
  readonly #deps: FollowerDeps;
  readonly #link: Link;
  readonly #session: Uint8Array = new Uint8Array(randomBytes(16));
  readonly #states = new EpochStates();
  readonly #slices: Slices;
  readonly #pool = new SlabPool(mostSlabs);
  #engine: CaptureEngine | undefined;
  readonly #greeting: Greeting;
  readonly #comparison = new Comparison();
  #ended: FerryError | undefined;
  #finalSeq = 0;
  /** Sends one epoch after the other. */
  #sending: Promise<void> = Promise.resolve();
  /** Of the standby: its id in the record, and for how long each acknowledgement promises not to claim. */
  member = '';
  promiseMs = 0;
  /** False: it only keeps what it is sent. */
  mayClaim = true;

  constructor(channel: Channel, deps: FollowerDeps) {
    this.#deps = deps;
    this.#slices = new Slices(systemClock, deps.cpuShare);
    this.#link = new Link(channel, systemClock, 1, {
      onMessage: (message) => this.#onMessage(message),
      onClosed: (error) => this.#end(error),
    });
    this.#greeting = new Greeting(this.#link, this.#session);
  }

  /** Says who leads, learns who follows, and offers the guest. Rejects with what the standby refuses it with. */
  async greet(): Promise<void> {
    const { guest, tracker } = this.#deps;
    const { member, promiseMs, mayClaim } = await this.#greeting.introduce(this.#deps);
    this.member = member;
    this.promiseMs = promiseMs;
    this.mayClaim = mayClaim;
    const secret = new Uint8Array(randomBytes(secretBytes));
    const { offer } = makePlan(guest, resolveOptions(), secret, () => 0);
    const offered = guest.regions;
    const bases = await this.#greeting.offer(offer);
    this.#begin(offer, offered, bases, tracker);
    const accepted = { offer, offered, bases };
    await this.#comparison.run(accepted, {
      ...{ guest, engine: this.#engineOf(), link: this.#link, slices: this.#slices },
      compared: this.#deps.compared,
    });
  }

  /** Copies the guest while it runs, until little is left or it does not get less. False if the session ended. */
  async join(): Promise<boolean> {
    const engine = this.#engineOf();
    let before = Number.POSITIVE_INFINITY;
    for (let round = 1; round <= mostRounds; round += 1) {
      if (!(await this.#round(engine))) return false;
      engine.takeDirty();
      const { dirtyPages } = engine;
      if (!this.#deps.guest.tracker.exact) return true;
      if (dirtyPages <= 64 || dirtyPages >= before / 2) return true;
      before = dirtyPages;
    }
    return true;
  }

  /** Captures all that is dirty while the guest stands still. */
  async capture(): Promise<CapturedEpoch> {
    const engine = this.#engineOf();
    const { guest } = this.#deps;
    const { exact, unseen } = guest.tracker;
    const changes = engine.syncRegions(guest.regions);
    const regions = changes.map((change) => ({ type: 'REGION', ...change }) as const);
    const epoch = new CapturedEpoch(regions, this.#pool);
    engine.takeDirty(true);
    const maxPages = portionsOf(exact && unseen === undefined, true).last;
    for (let exhausted = false; !exhausted; ) {
      const step = await engine.capture({ maxPayloadBytes: lastFrameBytes, maxPages });
      if (step.frame !== undefined) epoch.add(step.frame);
      ({ exhausted } = step);
    }
    return epoch;
  }

  /** Sends what was captured as epoch `number`; the guest runs. `leaving` is called just before its end leaves. */
  send(epoch: CapturedEpoch, state: Uint8Array, number: number, leaving: () => void): void {
    const engine = this.#engineOf();
    const regions = engine.roots();
    this.#sending = this.#sending.then(async () => {
      if (this.#ended !== undefined) return;
      for (const change of epoch.changes) this.#finalSeq = this.#link.send(change);
      for (const frame of epoch.frames) {
        if (!(await this.#room())) return;
        this.#finalSeq = this.#link.sendPages(frame, 0);
      }
      for (const piece of this.#states.pieces(state)) this.#finalSeq = this.#link.send(piece);
      const finalSeq = this.#finalSeq;
      const session = this.#session;
      const finalSeqs = [finalSeq];
      const digest = digestOf({ session, generation: number, regions, finalSeqs, state });
      leaving();
      this.#link.send({ type: 'EPOCH', token: this.#deps.token, number, finalSeq, digest });
    });
  }

  /** Looks whether a write was not marked, while the guest runs. ERR_MISSED_WRITE. */
  async audit(maxPages: number): Promise<void> {
    const engine = this.#engineOf();
    if (engine.auditPagesLeft > 0) await engine.audit(maxPages);
  }

  /** Ends the connection at once: `lost` is told why. */
  fail(error: FerryError): void {
    this.#link.destroy(error);
    this.#end(error);
  }

  /** Nothing more is heard of it. */
  async close(): Promise<void> {
    this.#ended ??= new FerryError('ERR_ABORTED', 'closed here');
    if (this.#engine !== undefined) this.#deps.tracker.stop();
    this.#engine = undefined;
    await this.#link.close();
  }

  #begin(
    offer: Offer,
    offered: Guest['regions'],
    bases: Accept['bases'],
    tracker: DirtyTracker,
  ): void {
    const { guest } = this.#deps;
    const { regions } = guest;
    const engine = new CaptureEngine(regions, tracker, {
      secret: offer.secret,
      shadowBytes,
      baseCacheBytes,
    });
    tracker.start();
    this.#engine = engine;
    this.#link.checksumOf = (bytes) => engine.checksum(bytes);
    this.#link.sumsPages = this.#link.peer === undefined;
    for (const region of regions) {
      const at = offered.indexOf(region);
      engine.setBase(region.id, at < 0 ? 'zero' : (bases[at] ?? 'unknown'));
    }
    for (const change of changesSinceOffer(offer, offered, regions)) {
      this.#finalSeq = this.#link.send(change);
    }
  }

  async #round(engine: CaptureEngine): Promise<boolean> {
    const { guest } = this.#deps;
    for (const change of engine.syncRegions(guest.regions)) {
      this.#finalSeq = this.#link.send({ type: 'REGION', ...change });
    }
    const maxPages = portionsOf(guest.tracker.exact, true).live;
    for (let exhausted = false; !exhausted; ) {
      if (!(await this.#room())) return false;
      const step = await engine.capture({ maxPayloadBytes: 64 * 1024, maxPages });
      if (step.frame !== undefined) this.#finalSeq = this.#link.sendPages(step.frame, 0);
      ({ exhausted } = step);
      await this.#slices.breathe();
    }
    return this.#ended === undefined;
  }

  async #room(): Promise<boolean> {
    while (this.#ended === undefined && this.#link.heldFrames >= mostHeldFrames) {
      await this.#link.writable();
    }
    return this.#ended === undefined;
  }

  #engineOf(): CaptureEngine {
    if (this.#engine === undefined) throw this.#ended ?? new RangeError('not greeted yet');
    return this.#engine;
  }

  #onMessage(message: Message): void | Promise<void> {
    if (this.#greeting.take(message)) return;
    if (message.type === 'HELD') return this.#comparison.take(message);
    if (message.type === 'EPOCH_ACK' && message.token === this.#deps.token) {
      this.#deps.acknowledged(message.number);
      return;
    }
    throw refusal(message);
  }

  #end(error: FerryError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#greeting.end(error);
    this.#comparison.end(error);
    this.#deps.lost(error);
  }
}
