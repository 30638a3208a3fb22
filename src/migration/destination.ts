import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { HashesRequest, Hello, Message, Offer, Prepare } from '../protocol/messages.js';
import { protocolVersion } from '../protocol/version.js';
import { standingOf, stepDestination } from './destination-machine.js';
import type {
  DestinationEffect,
  DestinationEvent,
  DestinationState,
} from './destination-states.js';
import { GuestHost, type GuestHostDeps } from './guest-host.js';
import type { Link } from './link.js';

export interface DestinationDeps extends GuestHostDeps {
  /** Makes the guest that is to be filled, or throws to refuse. */
  readonly accept: (offer: Offer, session: string) => Guest | Promise<Guest>;
  readonly emit: (event: DestinationNotice) => void;
  /** The guest runs here. */
  readonly onArrival: (arrival: Arrival) => void;
  /** It never will. */
  readonly onFailure: (error: FerryError, session: string) => void;
  readonly onStep?: ((event: DestinationEvent, state: DestinationState) => void) | undefined;
}

/** Effects that are carried out on the guest or its copy. */
type HostEffect = Exclude<
  DestinationEffect,
  { readonly do: 'send' | 'admit' | 'round-ended' | 'discard' | 'await-source' | 'close' }
>;

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
  /** Resolves when the guest runs here, or never will and nothing of it is left. */
  readonly ended: Promise<void>;
  readonly #deps: DestinationDeps;
  readonly #id: string;
  #state: DestinationState = { phase: 'awaiting-offer' };
  #link: Link | undefined;
  #attempt = 0;
  #offer: Offer | undefined;
  #host: GuestHost | undefined;
  #cancelTimer: () => void = () => {};
  #resolveEnded: () => void = () => {};
  /** A connection of this session closed; `orderly`: by both sides' will. */
  onClosed: (orderly: boolean) => void = () => {};

  constructor(deps: DestinationDeps) {
    this.#deps = deps;
    this.#id = Buffer.from(deps.session).toString('hex');
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
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
      onClosed: (error, orderly) => {
        if (this.#link !== link) return;
        this.#dispatch({ type: 'closed', error });
        this.#forgetLink(link);
        this.onClosed(orderly);
      },
    };
    link.send({
      type: 'HELLO_ACK',
      version: protocolVersion,
      standing: standingOf(this.#state),
      capabilities: 0,
      lastAppliedSeq: this.#host?.receiver.finalSeq ?? 0,
    });
    if (hello.role === 'ask') this.#dispatch({ type: 'asked' });
  }

  /** Gives up, if no promise was made yet. A promise about something that is only copied binds nobody. */
  cancel(error: FerryError): void {
    if (this.#offer?.handsOver === false) this.#dispatch({ type: 'resolved', verdict: 'abandon' });
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
    const host = this.#host;
    switch (effect.do) {
      case 'send':
        this.#link?.send(effect.message);
        return;
      case 'admit':
        this.#guard(this.#admit(effect.offer));
        return;
      case 'round-ended':
        this.#acknowledge(seq);
        host?.receiver.reread((message) => this.#link?.send(message));
        return;
      case 'discard':
        this.#discard();
        return;
      case 'await-source':
        this.#awaitSource();
        return;
      case 'close':
        this.#close();
        return;
      default:
        return host === undefined ? undefined : this.#carryOutOn(host, effect, seq);
    }
  }

  /** The effects that need the guest. Only pages, growth and state hold back the next frame: an ABORT must get through the others. */
  #carryOutOn(host: GuestHost, effect: HostEffect, seq: number): Promise<void> | undefined {
    switch (effect.do) {
      case 'apply':
        return this.#guard(this.#apply(host, effect.message, seq));
      case 'verify':
        this.#guard(this.#verify(host, effect.prepare));
        return;
      case 'send-leaves':
        for (const message of host.receiver.leafMessages()) this.#link?.send(message);
        return;
      case 'send-page-hashes':
        this.#guard(this.#sendPageHashes(host, effect.message));
        return;
      case 'load':
        this.#guard(this.#load(host, effect.generation));
        return;
      case 'retreat':
        this.#guard(this.#retreat(host));
        return;
      case 'start':
        this.#start(host, effect.prepare);
        return;
      default:
        effect satisfies never;
    }
  }

  #guard(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => {
      this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
    });
  }

  async #admit(offer: Offer): Promise<void> {
    this.#offer = offer;
    this.#deps.emit({ type: 'offered', session: this.#id, offer, from: this.#link?.remote ?? '' });
    let host: GuestHost;
    try {
      host = await GuestHost.admit(this.#deps, offer, () => this.#deps.accept(offer, this.#id));
    } catch (error) {
      this.#dispatch({ type: 'refused', error: asFerryError(error, 'ERR_NO_CAPACITY') });
      return;
    }
    if (this.#state.phase !== 'admitting') {
      await host.discard();
      return;
    }
    this.#host = host;
    const { engine } = host.receiver;
    const link = this.#link;
    link?.receiveInto(engine.receiveArea);
    if (link !== undefined) link.checksumOf = (bytes) => engine.checksum(bytes);
    this.#dispatch({ type: 'admitted', bases: engine.bases() });
  }

  async #apply(
    host: GuestHost,
    message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' }>,
    seq: number,
  ): Promise<void> {
    const { receiver } = host;
    if (message.type === 'PAGES') await receiver.applyPages(message, seq);
    else if (message.type === 'REGION') await receiver.changeRegion(message, seq);
    else receiver.takeState(message, seq);
    this.#acknowledge(seq);
  }

  #acknowledge(seq: number): void {
    const receiver = this.#host?.receiver;
    this.#link?.send({
      type: 'ACK',
      seq,
      appliedBytes: receiver?.appliedBytes ?? 0,
      rereadPages: receiver?.rereadPages ?? 0,
    });
  }

  async #verify(host: GuestHost, prepare: Prepare): Promise<void> {
    const digest = await host.verify(prepare);
    this.#dispatch({ type: 'verified', generation: prepare.generation, digest });
  }

  async #sendPageHashes(host: GuestHost, request: HashesRequest): Promise<void> {
    for (const message of host.receiver.pageHashMessages(request)) this.#link?.send(message);
  }

  async #load(host: GuestHost, generation: number): Promise<void> {
    await host.load();
    this.#dispatch({ type: 'loaded', generation });
  }

  async #retreat(host: GuestHost): Promise<void> {
    await host.retreat();
    this.#link?.send({ type: 'ABORTED', scope: 'switchover' });
  }

  async #start(host: GuestHost, prepare: Prepare): Promise<void> {
    const event = await host.start(prepare).then(
      (running) => ({ type: 'started', running }) as const,
      (error: unknown) =>
        ({ type: 'start-failed', error: asFerryError(error, 'ERR_START_FAILED') }) as const,
    );
    this.#dispatch(event);
  }

  #discard(): void {
    const discarded = this.#host?.discard() ?? Promise.resolve();
    discarded
      .catch(() => {
        // Why the session ended is told below; that cleaning up failed as well is not the news.
      })
      .finally(() => this.#settleFailure());
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
    const host = this.#host;
    const offer = this.#offer;
    if (host === undefined || offer === undefined) return;
    // The session stays known for those who ask; the guest, and what it was filled from, must not stay with it.
    this.#host = undefined;
    this.#offer = undefined;
    this.#deps.onArrival({
      session: this.#id,
      guest: host.guest,
      offer,
      digest: Buffer.from(state.running.digest).toString('hex'),
      appliedPages: host.receiver.appliedPages,
      receivedBytes: host.receiver.appliedBytes,
    });
    this.#resolveEnded();
  }

  #close(): void {
    const link = this.#link;
    link?.close().then(() => {
      this.#forgetLink(link);
      this.onClosed(true);
    });
  }

  /** A closed link still holds the area it read into. */
  #forgetLink(link: Link): void {
    if (this.#link === link) this.#link = undefined;
  }

  #settleFailure(): void {
    this.#cancelTimer();
    this.#host = undefined;
    this.#offer = undefined;
    const { phase } = this.#state;
    if (phase !== 'aborted' && phase !== 'start-failed') return;
    this.#deps.onFailure(this.#state.error, this.#id);
    this.#resolveEnded();
  }
}
