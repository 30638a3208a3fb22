import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { Hello, Message, Offer, Prepare, Running } from '../protocol/messages.js';
import { protocolVersion } from '../protocol/version.js';
import { type AdmissionLimits, checkOffer, fitGuest } from './admission.js';
import type { Clock } from './clock.js';
import { standingOf, stepDestination } from './destination-machine.js';
import type {
  DestinationEffect,
  DestinationEvent,
  DestinationState,
} from './destination-states.js';
import type { Journal } from './journal.js';
import type { Link } from './link.js';
import { Receiver } from './receiver.js';

export interface DestinationDeps {
  readonly session: Uint8Array;
  /** Makes the guest that is to be filled, or throws to refuse. */
  readonly accept: (offer: Offer, session: string) => Guest | Promise<Guest>;
  readonly limits: AdmissionLimits;
  readonly clock: Clock;
  readonly journal?: Journal | undefined;
  readonly emit: (event: DestinationNotice) => void;
  readonly onStep?: ((event: DestinationEvent, state: DestinationState) => void) | undefined;
}

export type DestinationNotice =
  | {
      readonly type: 'offered';
      readonly session: string;
      readonly offer: Offer;
      readonly from: string;
    }
  | { readonly type: 'in-doubt'; readonly session: string; readonly message: string };

/** What a destination knows once the guest runs here. */
export interface Arrival {
  readonly session: string;
  readonly guest: Guest;
  readonly offer: Offer;
  readonly digest: string;
  readonly appliedPages: number;
  readonly receivedBytes: number;
}

/** How long the source of something only copied may stay away after READY. */
const copiedPromiseMs = 5000;

/** Binds the destination machine of one session to a guest and to the connection of the moment. */
export class DestinationDriver {
  /** Resolves when the guest runs here; rejects when it never will. */
  readonly done: Promise<Arrival>;
  readonly #deps: DestinationDeps;
  readonly #id: string;
  #state: DestinationState = { phase: 'awaiting-offer' };
  #link: Link | undefined;
  #attempt = 0;
  #offer: Offer | undefined;
  #guest: Guest | undefined;
  #receiver: Receiver | undefined;
  #acquired = false;
  #parts = { verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 };
  #cancelTimer: () => void = () => {};
  #settled: { resolve(arrival: Arrival): void; reject(error: FerryError): void };
  onClosed: () => void = () => {};

  constructor(deps: DestinationDeps) {
    this.#deps = deps;
    this.#id = Buffer.from(deps.session).toString('hex');
    this.#settled = { resolve: () => {}, reject: () => {} };
    this.done = new Promise((resolve, reject) => {
      this.#settled = { resolve, reject };
    });
  }

  get phase(): DestinationState['phase'] {
    return this.#state.phase;
  }

  get connected(): boolean {
    return this.#link?.open ?? false;
  }

  /** Takes over a connection whose HELLO named this session. Throws if its attempt is not newer than the last. */
  attach(link: Link, hello: Hello): void {
    if (hello.attempt <= this.#attempt) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `attempt ${hello.attempt} after attempt ${this.#attempt}`,
      );
    }
    if (hello.role === 'main' && this.#attempt > 0) {
      throw new FerryError(
        'ERR_UNSUPPORTED',
        'pages cannot go on after a cut; the session is only open to be asked',
      );
    }
    const older = this.#link;
    this.#attempt = hello.attempt;
    this.#link = link;
    older?.destroy();
    link.handlers = {
      onMessage: (message, seq) => this.#onMessage(link, message, seq),
      onClosed: (error) => {
        if (this.#link !== link) return;
        this.#dispatch({ type: 'closed', error });
        this.onClosed();
      },
    };
    link.send({
      type: 'HELLO_ACK',
      version: protocolVersion,
      standing: standingOf(this.#state),
      capabilities: 0,
      lastAppliedSeq: this.#receiver?.finalSeq ?? 0,
    });
    if (hello.role === 'ask') this.#dispatch({ type: 'asked' });
  }

  /** Gives up, if no promise was made yet. */
  cancel(error: FerryError): void {
    this.#dispatch({ type: 'cancelled', error });
  }

  /** The operator's word where READY was given and the source stays away: start here, or never. */
  resolve(verdict: 'resume' | 'abandon'): void {
    this.#dispatch({ type: 'resolved', verdict });
  }

  #onMessage(link: Link, message: Message, seq: number): void | Promise<void> {
    if (this.#link !== link) return;
    return this.#dispatch({ type: 'message', message }, seq);
  }

  /** Feeds the machine and carries out its effects; the promise holds back the next frame. */
  #dispatch(event: DestinationEvent, seq = 0): void | Promise<void> {
    const before = this.#state;
    let step: ReturnType<typeof stepDestination>;
    try {
      step = stepDestination(before, event);
    } catch (error) {
      return this.#dispatch({
        type: 'broken',
        error: asFerryError(error, 'ERR_UNEXPECTED_MESSAGE'),
      });
    }
    this.#state = step.state;
    this.#deps.onStep?.(event, step.state);
    let pending: Promise<void> | undefined;
    for (const effect of step.effects) pending = this.#carryOut(effect, seq) ?? pending;
    if (step.state.phase !== before.phase) this.#onPhase(step.state);
    return pending;
  }

  #carryOut(effect: DestinationEffect, seq: number): Promise<void> | undefined {
    switch (effect.do) {
      case 'send':
        this.#link?.send(effect.message);
        return;
      case 'admit':
        this.#guard(() => this.#admit(effect.offer));
        return;
      case 'apply':
        return this.#guard(() => this.#apply(effect.message, seq));
      case 'round-ended':
        this.#acknowledge(seq);
        this.#receiver?.reread((message) => this.#link?.send(message));
        return;
      case 'verify':
        this.#guard(() => this.#verify(effect.prepare));
        return;
      case 'send-leaves':
        for (const message of this.#receiver?.leafMessages() ?? []) this.#link?.send(message);
        return;
      case 'send-page-hashes':
        for (const message of this.#receiver?.pageHashMessages(effect.message) ?? [])
          this.#link?.send(message);
        return;
      case 'load':
        this.#guard(() => this.#load(effect.generation));
        return;
      case 'retreat':
        this.#guard(() => this.#retreat());
        return;
      case 'start':
        this.#start(effect.prepare);
        return;
      case 'discard':
        this.#discard();
        return;
      case 'await-source':
        this.#awaitSource();
        return;
      case 'close': {
        const link = this.#link;
        link?.close().then(() => this.onClosed());
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #guard(work: () => Promise<void>): Promise<void> {
    return work().catch((error: unknown) => {
      this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
    });
  }

  async #admit(offer: Offer): Promise<void> {
    this.#offer = offer;
    this.#deps.emit({ type: 'offered', session: this.#id, offer, from: this.#link?.remote ?? '' });
    try {
      checkOffer(offer, this.#deps.limits);
      this.#guest = await this.#deps.accept(offer, this.#id);
      await fitGuest(this.#guest, offer);
      this.#receiver = new Receiver({
        guest: this.#guest,
        offer,
        session: this.#deps.session,
        clock: this.#deps.clock,
        maxStateBytes: this.#deps.limits.maxStateBytes,
      });
    } catch (error) {
      this.#dispatch({ type: 'refused', error: asFerryError(error, 'ERR_NO_CAPACITY') });
      return;
    }
    if (this.#state.phase !== 'admitting') {
      await this.#guest.discard?.();
      return;
    }
    const { engine } = this.#receiver;
    const link = this.#link;
    link?.receiveInto(engine.receiveArea);
    if (link !== undefined) link.checksumOf = (bytes) => engine.checksum(bytes);
    this.#dispatch({ type: 'admitted', bases: engine.bases() });
  }

  async #apply(
    message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' }>,
    seq: number,
  ): Promise<void> {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    if (message.type === 'PAGES') await receiver.applyPages(message, seq);
    else if (message.type === 'REGION') await receiver.changeRegion(message, seq);
    else receiver.takeState(message, seq);
    this.#acknowledge(seq);
  }

  #acknowledge(seq: number): void {
    this.#link?.send({
      type: 'ACK',
      seq,
      appliedBytes: this.#receiver?.appliedBytes ?? 0,
      rereadPages: this.#receiver?.rereadPages ?? 0,
    });
  }

  async #verify(prepare: Prepare): Promise<void> {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    const from = this.#deps.clock.now();
    const digest = await receiver.verify(prepare);
    this.#parts.verifyMs = this.#deps.clock.now() - from;
    this.#dispatch({ type: 'verified', generation: prepare.generation, digest });
  }

  async #load(generation: number): Promise<void> {
    const receiver = this.#receiver;
    const guest = this.#guest;
    if (receiver === undefined || guest === undefined) return;
    await receiver.afterAll(async () => {
      const { clock } = this.#deps;
      const from = clock.now();
      await guest.loadState(receiver.state);
      const loaded = clock.now();
      this.#parts.loadMs = loaded - from;
      if (guest.acquire !== undefined) {
        this.#acquired = true;
        await guest.acquire();
      }
      this.#parts.acquireMs = clock.now() - loaded;
    });
    this.#dispatch({ type: 'loaded', generation });
  }

  async #retreat(): Promise<void> {
    const receiver = this.#receiver;
    await receiver?.afterAll(async () => {
      receiver.dropState();
      await this.#letGo();
    });
    this.#link?.send({ type: 'ABORTED', scope: 'switchover' });
  }

  /** The one way to `running`: durably noted first, then the guest's first instruction. */
  async #start(prepare: Prepare): Promise<void> {
    const { clock, journal } = this.#deps;
    const guest = this.#guest;
    const running = (resumeMs: number): Running => ({
      type: 'RUNNING',
      digest: prepare.digest,
      ...this.#parts,
      resumeMs,
    });
    const from = clock.now();
    try {
      await journal?.started(this.#deps.session, prepare.digest);
      await guest?.resume();
    } catch (error) {
      await journal?.notStarted(this.#deps.session).catch(() => {});
      this.#dispatch({ type: 'start-failed', error: asFerryError(error, 'ERR_START_FAILED') });
      return;
    }
    this.#dispatch({ type: 'started', running: running(clock.now() - from) });
  }

  #discard(): void {
    this.#receiver?.close();
    const work = async (): Promise<void> => {
      await this.#letGo();
      await this.#guest?.discard?.();
    };
    const discarded = this.#receiver === undefined ? work() : this.#receiver.afterAll(work);
    discarded.catch(() => {}).finally(() => this.#settleFailure());
  }

  async #letGo(): Promise<void> {
    if (!this.#acquired) return;
    this.#acquired = false;
    await this.#guest?.release?.();
  }

  #awaitSource(): void {
    if (this.#offer?.handsOver === false) {
      this.#cancelTimer();
      this.#cancelTimer = this.#deps.clock.after(copiedPromiseMs, () => {
        this.#dispatch({ type: 'gave-up-waiting' });
      });
      return;
    }
    this.#deps.emit({
      type: 'in-doubt',
      session: this.#id,
      message:
        'READY was given and the source is gone: everything is kept until it says COMMIT or ABORT',
    });
  }

  #onPhase(state: DestinationState): void {
    if (state.phase !== 'running') return;
    this.#cancelTimer();
    this.#receiver?.close();
    const { guest, offer } = { guest: this.#guest, offer: this.#offer };
    if (guest === undefined || offer === undefined) return;
    this.#settled.resolve({
      session: this.#id,
      guest,
      offer,
      digest: Buffer.from(state.running.digest).toString('hex'),
      appliedPages: this.#receiver?.appliedPages ?? 0,
      receivedBytes: this.#receiver?.appliedBytes ?? 0,
    });
    this.#receiver = undefined;
    this.#guest = undefined;
  }

  #settleFailure(): void {
    this.#cancelTimer();
    // The session stays known for those who ask; what it held need not.
    this.#receiver = undefined;
    this.#guest = undefined;
    const state = this.#state;
    if (state.phase === 'aborted' || state.phase === 'start-failed')
      this.#settled.reject(state.error);
  }
}
