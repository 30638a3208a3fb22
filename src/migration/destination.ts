import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { channelNumber } from '../protocol/channel-id.js';
import type { Hello, Lead, Message, Offer } from '../protocol/messages.js';
import { capability } from '../protocol/version.js';
import { DestinationConnections } from './destination-connections.js';
import { DestinationLease, type ListenerLease } from './destination-lease.js';
import { stepDestination } from './destination-machine.js';
import { type OutageNotice, OutageNotices } from './destination-notices.js';
import {
  type DestinationEffect,
  type DestinationEvent,
  type DestinationState,
  standingOf,
} from './destination-states.js';
import { GuestHost, type GuestHostDeps } from './guest-host.js';
import { HostEffects } from './host-effects.js';
import type { Link } from './link.js';
import { isLinkFault, lossOf } from './link-fault.js';
import type { SessionOwner } from './session-owner.js';
import { claimDoubtNotice } from './source-notices.js';

/** @internal */
export interface DestinationDeps
  extends Omit<GuestHostDeps, 'patches' | 'lz4' | 'held' | 'channels' | 'rehearsals'> {
  /** Makes the guest that is to be filled, or throws to refuse. */
  readonly accept: (offer: Offer, session: string) => Guest | Promise<Guest>;
  /** How long a source may stay away before COMMIT; after READY, that of something only copied. Milliseconds; default: `defaultMaxOutageMs`. */
  readonly maxOutageMs?: number | undefined;
  /** Connections one migration may have. Default: `defaultMaxConnections`. */
  readonly maxConnections?: number | undefined;
  /** Every frame is recorded: nothing is taken for held, so that all that the guest is made of is in them. */
  readonly recorded?: boolean | undefined;
  /** Whose the session is; undefined where nobody was proved. */
  readonly owner?: SessionOwner | undefined;
  /** The listener's part in the owner record of the one guest that it takes. Default: nobody owns what comes. */
  readonly lease?: ListenerLease | undefined;
  readonly emit: (event: DestinationNotice) => void;
  /** The guest runs here. */
  readonly onArrival: (arrival: Arrival) => void;
  /** It never will. */
  readonly onFailure: (error: FerryError, session: string) => void;
  readonly onStep?: ((event: DestinationEvent, state: DestinationState) => void) | undefined;
}

/** @internal */
export type DestinationNotice =
  | {
      readonly type: 'offered';
      readonly session: string;
      readonly offer: Offer;
      readonly from: string;
    }
  | OutageNotice
  | { readonly type: 'in-doubt'; readonly session: string; readonly message: string };

/** What a destination knows once the guest runs here. */
export interface Arrival {
  readonly session: string;
  readonly guest: Guest;
  readonly offer: Offer;
  readonly digest: string;
  /** The generation of its ownership, where it has an owner record: the fencing token of all that it does. */
  readonly token?: bigint;
  readonly appliedPages: number;
  readonly receivedBytes: number;
}

/** Connections one migration may have, unless the listener says otherwise. */
export const defaultMaxConnections = 8;
/** How long a source may stay away: longer than it tries to come back. */
export const defaultMaxOutageMs = 60_000;

/** Binds the destination machine of one session to a guest and to the connection of the moment. @internal */
export class DestinationDriver {
  /** Resolves when the guest runs here, or never will and nothing of it is left. */
  readonly ended: Promise<void>;
  readonly #deps: DestinationDeps;
  readonly #id: string;
  readonly #connections: DestinationConnections;
  readonly #outage: OutageNotices;
  readonly #lease: DestinationLease | undefined;
  #state: DestinationState = { phase: 'awaiting-offer' };
  #offer: Offer | undefined;
  #wasAdmitted = false;
  #admission: Promise<void> = Promise.resolve();
  #effects: HostEffects | undefined;
  #cancelTimer: () => void = () => {};
  #resolveEnded: () => void = () => {};
  /** A connection of this session closed; `orderly`: by both sides' will. */
  onClosed: (orderly: boolean) => void = () => {};

  constructor(deps: DestinationDeps) {
    this.#deps = deps;
    this.#id = Buffer.from(deps.session).toString('hex');
    this.#outage = new OutageNotices(this.#id, deps.clock, deps.emit);
    this.#lease =
      deps.lease && new DestinationLease(deps.lease, () => deps.emit(claimDoubtNotice(this.#id)));
    this.#connections = new DestinationConnections({
      onMessage: (message, seq) => this.#onMessage(message, seq),
      onPagesMessage: (channel, message, seq) => this.#onPagesMessage(channel, message, seq),
      onLost: (error) => this.#dispatch({ type: 'closed', error: lossOf(error) }),
      onPagesLost: (error) => this.#onPagesLost(error),
      onClosed: (orderly) => this.onClosed(orderly),
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get phase(): DestinationState['phase'] {
    return this.#state.phase;
  }

  get #maxConnections(): number {
    return this.#deps.maxConnections ?? defaultMaxConnections;
  }

  /** Its connection was lost before an offer was taken: there is nothing that a source could come back to. */
  get isNothing(): boolean {
    const state = this.#state;
    return !this.#wasAdmitted && state.phase === 'aborted' && isLinkFault(state.error);
  }

  /** Resolves when it ended, and an admission under way has let go of what it held. */
  get gone(): Promise<void> {
    return this.ended.then(() => this.#admission);
  }

  /** The source is back, with a newer connection, before it was answered: what was under way for the older one ends. Whether it was so. */
  lostBeforeAdmission({ attempt }: Hello): boolean {
    const { phase } = this.#state;
    if (phase !== 'awaiting-offer' && phase !== 'admitting') return false;
    if (!this.#connections.isNewer(attempt)) return false;
    const error = new FerryError('ERR_CONNECTION_LOST', 'the source connected anew');
    this.#dispatch({ type: 'closed', error });
    return true;
  }

  get connected(): boolean {
    return this.#connections.link?.open ?? false;
  }

  /** ERR_AUTH unless the connection is of who opened the session. */
  checkOwner(link: Link, hello: Hello): void {
    this.#deps.owner?.check(link.peer, hello);
  }

  /** Takes over a connection whose HELLO named this session. Throws if its attempt is not newer than the last. */
  attach(link: Link, hello: Hello): void | Promise<void> {
    const host = this.#effects?.host;
    if (hello.role === 'main' && host !== undefined) return this.#goOn(link, hello, host);
    this.#connections.take(link, hello);
    const lastAppliedSeq = host?.receiver.channels.finalSeq(0) ?? 0;
    this.#connections.answer(standingOf(this.#state), lastAppliedSeq);
    if (hello.role === 'ask') this.#dispatch({ type: 'asked' });
  }

  /** The source is back, before COMMIT. Nothing it says is heard before all that it said on older connections is done with. */
  async #goOn(link: Link, hello: Hello, host: GuestHost): Promise<void> {
    this.#connections.take(link, hello);
    this.#cancelTimer();
    await this.#dispatch({ type: 'returned' });
    // What is started, or ended, meanwhile is not begun anew: its guest keeps what it holds.
    if (this.#state.phase !== 'receiving') {
      this.#connections.answer(standingOf(this.#state), 0);
      return;
    }
    let lastAppliedSeq: number;
    try {
      lastAppliedSeq = await host.restart();
    } catch (error) {
      return this.#broken(error);
    }
    // Lost again, or followed by another, meanwhile.
    if (this.#connections.link !== link) return;
    this.#receiveOn(link, host);
    this.#connections.answer(standingOf(this.#state), lastAppliedSeq);
    if (host.receiver.engine.bases().includes('held')) {
      this.#effects?.carryOut({ do: 'tell-held' }, 0, 0);
    }
  }

  #receiveOn(link: Link, { receiver: { engine } }: GuestHost): void {
    const [area] = engine.receiveAreas;
    if (area !== undefined) link.receiveInto(area);
    link.checksumOf = (bytes) => engine.checksum(bytes);
  }

  /** Takes a connection that brings pages beside the control channel. Throws the FerryError to refuse it with. */
  attachPages(link: Link, hello: Hello): void {
    const receiver = this.#effects?.host.receiver;
    if (this.#state.phase !== 'receiving' || receiver === undefined) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `a page channel while ${this.#state.phase}`);
    }
    const { engine, channels } = receiver;
    const most = this.#maxConnections;
    const number = channelNumber(hello.channel);
    if (number === 0 || number >= most) {
      const what = `channel ${hello.channel}; at most ${most} connections are taken`;
      throw new FerryError('ERR_OUT_OF_RANGE', what);
    }
    this.#connections.takePages(link, hello);
    channels.begin(number);
    const area = engine.receiveAreas[number];
    if (area !== undefined) link.receiveInto(area);
    link.checksumOf = (bytes) => engine.checksum(bytes);
  }

  /** Gives up, if no promise was made yet. A promise about something that is only copied binds nobody. */
  cancel(error: FerryError): void {
    if (this.#offer?.handsOver === false) this.resolve('abandon');
    this.#dispatch({ type: 'cancelled', error });
  }

  /** The operator's word where READY was given and the source stays away: start here, or never. */
  resolve(verdict: 'resume' | 'abandon'): void {
    this.#dispatch({ type: 'resolved', verdict, claims: this.#lease !== undefined });
  }

  #onMessage(message: Message, seq: number): void | Promise<void> {
    if (message.type === 'LEAD') return this.#follow(message);
    try {
      this.#checkLed(message);
      if (message.type === 'PREPARE') this.#checkChannels(message.finalSeqs);
      if (message.type === 'CHANNEL_CLOSE') this.#connections.checkClosing(message.channel);
    } catch (error) {
      return this.#broken(error);
    }
    return this.#dispatch({ type: 'message', message }, seq);
  }

  /** Holds back what the source says next. */
  async #follow(lead: Lead): Promise<void> {
    try {
      if (this.#state.phase !== 'awaiting-offer') {
        throw new FerryError('ERR_UNEXPECTED_MESSAGE', `LEAD while ${this.#state.phase}`);
      }
      if (this.#lease === undefined) {
        throw new FerryError('ERR_INCOMPATIBLE', 'nobody here knows the owner of a guest');
      }
      this.#connections.send(await this.#lease.follow(lead));
    } catch (error) {
      await this.#broken(error);
    }
  }

  /** What has an owner comes from who says so, and nothing else comes here then. */
  #checkLed(message: Message): void {
    if (message.type === 'OFFER' && this.#lease !== undefined) {
      if (this.#lease.isLed && message.handsOver) return;
      throw new FerryError('ERR_INCOMPATIBLE', 'only a guest whose owner hands it over comes here');
    }
    const claims = message.type === 'COMMIT' && message.revision !== undefined;
    if (message.type === 'COMMIT' && claims !== (this.#lease !== undefined)) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'COMMIT with a revision, or without one');
    }
  }

  #claim(revision: bigint | undefined): void {
    this.#lease?.claim(revision).then(
      () => this.#dispatch({ type: 'claimed' }),
      (error: unknown) =>
        this.#dispatch({ type: 'not-claimed', error: asFerryError(error, 'ERR_LEASE_UNKNOWN') }),
    );
  }

  #onPagesMessage(channel: number, message: Message, seq: number): void | Promise<void> {
    if (message.type === 'PAGES') {
      return this.#dispatch({ type: 'pages', channel, seq, message }, seq, channel);
    }
    const what = `${message.type} on page channel ${channel}`;
    return this.#broken(new FerryError('ERR_UNEXPECTED_MESSAGE', what));
  }

  /** What is not here any more has no frames for the transcript. */
  #checkChannels(finalSeqs: readonly number[]): void {
    const absent = this.#connections.checkChannels(finalSeqs);
    for (const number of absent) this.#effects?.host.receiver.channels.begin(number);
  }

  /**
   * Until the promise is given a lost page channel ends the attempt as a cut does, unless it may be lost by itself: then its source says when it is. Behind
   * the promise it has nothing more to bring.
   */
  #onPagesLost(error: FerryError): void {
    const loss = lossOf(error);
    if (this.#connections.reroutes && isLinkFault(loss)) return;
    if (standingOf(this.#state) === 'receiving') this.#dispatch({ type: 'closed', error: loss });
  }

  /** Once what had arrived on page channel `id` is applied nothing more of it will be. */
  async #closeChannel(id: number): Promise<void> {
    const receiver = this.#effects?.host.receiver;
    const wasHere = this.#connections.beginClosing(id);
    await receiver?.afterAll(() => Promise.resolve());
    if (!this.#connections.closed(id)) return;
    const lastAppliedSeq = wasHere ? (receiver?.channels.finalSeq(channelNumber(id)) ?? 0) : 0;
    this.#dispatch({ type: 'channel-closed', channel: id, lastAppliedSeq });
  }

  #broken(error: unknown): void | Promise<void> {
    const reason = asFerryError(error, 'ERR_UNEXPECTED_MESSAGE');
    return this.#dispatch({ type: 'broken', error: reason });
  }

  /** Feeds the machine and carries out its effects; the promise holds back the next frame. */
  #dispatch(event: DestinationEvent, seq = 0, channel = 0): void | Promise<void> {
    const before = this.#state;
    let step: ReturnType<typeof stepDestination>;
    try {
      step = stepDestination(before, event);
    } catch (error) {
      return this.#broken(error);
    }
    this.#state = step.state;
    this.#deps.onStep?.(event, step.state);
    this.#outage.saw(event, step.state);
    let pending: Promise<void> | undefined;
    for (const effect of step.effects) {
      pending = this.#carryOut(effect, seq, channel) ?? pending;
    }
    if (step.state.phase !== before.phase) this.#onPhase(step.state);
    return pending;
  }

  #carryOut(effect: DestinationEffect, seq: number, channel: number): Promise<void> | undefined {
    switch (effect.do) {
      case 'send':
        this.#connections.send(effect.message);
        return;
      case 'admit':
        this.#admission = this.#admit(effect.offer).catch((error: unknown) => {
          this.#dispatch({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
        });
        return;
      case 'claim':
        this.#claim(effect.revision);
        return;
      case 'discard':
        this.#discard();
        return;
      case 'await-source':
        this.#awaitSource();
        return;
      case 'close':
        this.#connections.close();
        return;
      case 'close-channel':
        this.#closeChannel(effect.channel);
        return;
      default:
        return this.#effects?.carryOut(effect, seq, channel);
    }
  }

  async #admit(offer: Offer): Promise<void> {
    this.#offer = offer;
    this.#deps.emit({
      type: 'offered',
      session: this.#id,
      offer,
      from: this.#connections.link?.remote ?? '',
    });
    let host: GuestHost;
    try {
      const { capabilities } = this.#connections;
      const patches = (capabilities & capability.patches) !== 0;
      const lz4 = (capabilities & capability.lz4) !== 0;
      const rehearsals = (capabilities & capability.rehearsals) !== 0;
      const channels = this.#connections.takesPages ? this.#maxConnections : 1;
      const held = (capabilities & capability.held) !== 0 && this.#deps.recorded !== true;
      const deps = { ...this.#deps, patches, lz4, held, channels, rehearsals };
      host = await GuestHost.admit(deps, offer, () => this.#deps.accept(offer, this.#id));
    } catch (error) {
      this.#dispatch({ type: 'refused', error: asFerryError(error, 'ERR_NO_CAPACITY') });
      return;
    }
    if (this.#state.phase !== 'admitting') {
      await host.discard();
      return;
    }
    this.#effects = new HostEffects(host, {
      send: (message, channel) => this.#connections.send(message, channel),
      feed: (event) => this.#dispatch(event),
    });
    const { link } = this.#connections;
    if (link !== undefined) this.#receiveOn(link, host);
    this.#wasAdmitted = true;
    this.#dispatch({ type: 'admitted', bases: host.receiver.engine.bases() });
  }

  #discard(): void {
    const discarded = this.#effects?.host.discard() ?? Promise.resolve();
    void this.#lease?.resign();
    discarded
      .catch(() => {
        // Why the session ended is told below; that cleaning up failed as well is not the news.
      })
      .finally(() => this.#settleFailure());
  }

  #awaitSource(): void {
    this.#cancelTimer();
    if (this.#offer?.handsOver === false || this.#state.phase === 'interrupted') {
      const { clock, maxOutageMs = defaultMaxOutageMs } = this.#deps;
      this.#cancelTimer = clock.after(maxOutageMs, () => {
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
    const host = this.#effects?.host;
    const offer = this.#offer;
    const token = this.#lease?.token;
    if (host === undefined || offer === undefined) return;
    // The session stays known for those who ask; the guest, and what it was filled from, must not stay with it.
    this.#effects = undefined;
    this.#offer = undefined;
    this.#deps.onArrival({
      session: this.#id,
      guest: host.guest,
      offer,
      digest: Buffer.from(state.running.digest).toString('hex'),
      ...(token !== undefined && { token }),
      appliedPages: host.receiver.appliedPages,
      receivedBytes: host.receiver.channels.bytes,
    });
    this.#resolveEnded();
  }

  #settleFailure(): void {
    this.#cancelTimer();
    this.#effects = undefined;
    this.#offer = undefined;
    const { phase } = this.#state;
    if (phase !== 'aborted' && phase !== 'start-failed') return;
    this.#deps.onFailure(this.#state.error, this.#id);
    this.#resolveEnded();
  }
}
