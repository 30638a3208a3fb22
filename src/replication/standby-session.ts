import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { systemClock } from '../migration/clock.js';
import { sameDigest } from '../migration/digest.js';
import { GuestHost } from '../migration/guest-host.js';
import { Link } from '../migration/link.js';
import { systemMemory } from '../migration/memory-room.js';
import { firstAreaBytes } from '../protocol/limits.js';
import type { EpochEnd, Lead, Message, Offer } from '../protocol/messages.js';
import type { Channel } from '../transport/channel.js';
import { ArrivingState } from './arriving-state.js';
import { EpochStage, type Staged } from './epoch-stage.js';
import type { Epoch } from './standby.js';
import { type FollowingOptions, follow, unexpected, welcome } from './standby-greeting.js';

/** How long a connection may take to offer a guest. */
const greetingMs = 10_000;

export interface StandbySessionDeps extends FollowingOptions {
  readonly maxImageBytes: number;
  readonly maxStateBytes: number;
  /** Makes an empty guest for what is offered. */
  readonly accept: (offer: Offer) => Guest | Promise<Guest>;
  /** Whether an owner with this token may lead: durable before it resolves. ERR_FENCED. */
  readonly admit: (token: bigint) => Promise<void>;
  /** Everything of an epoch is here, and verified: the first one after a greeting, or the next. Whether it may be acknowledged. */
  readonly arrived: (epoch: Epoch, isFirst: boolean) => boolean;
  readonly lost: (session: StandbySession, error: FerryError) => void;
}

/**
 * The standby's side of one connection of a primary. Until the first epoch ended what arrives is applied at once, and is nothing whole; from then on frames wait until all
 * of their epoch is here: so the copy is always that of an epoch.
 */
export class StandbySession {
  readonly #deps: StandbySessionDeps;
  readonly #link: Link;
  /** Of the time for greeting. */
  readonly #cancel: () => void;
  #phase: 'greeting' | 'leading' | 'offering' | 'receiving' | 'ended' = 'greeting';
  #lead: Lead | undefined;
  #session: Uint8Array = new Uint8Array(16);
  #host: GuestHost | undefined;
  #state: ArrivingState = new ArrivingState(0);
  /** Of the last epoch that is whole. */
  #stateOfEpoch: Uint8Array = new Uint8Array();
  /** seq of the last frame that the transcript counts. */
  #lastSeq = 0;
  #finishing: Promise<void> = Promise.resolve();
  #isWhole = false;
  readonly #stage = new EpochStage();

  constructor(channel: Channel, deps: StandbySessionDeps) {
    this.#deps = deps;
    this.#cancel = systemClock.after(greetingMs, () => {
      this.#link.destroy();
      this.#end(new FerryError('ERR_PEER_TIMEOUT', `no offer within ${greetingMs} ms`));
    });
    this.#link = new Link(channel, systemClock, undefined, {
      onMessage: (message, seq) => this.#onMessage(message, seq),
      onClosed: (error) => this.#end(error),
    });
  }

  /** The copy is that of an epoch. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get guest(): Guest | undefined {
    return this.#host?.guest;
  }

  /** Ends the connection. Resolves when what had arrived whole is applied; what belongs to no whole epoch is forgotten. */
  async end(): Promise<void> {
    this.#cancel();
    this.#phase = 'ended';
    this.#stage.clear();
    this.#link.destroy();
    // An epoch of which all is here is applied to its end.
    await this.#finishing.catch(() => {});
  }

  /** Tells that it has the epoch, which `arrived` did not let it tell at once. */
  acknowledge({ token, number }: Epoch): void {
    this.#link.send({ type: 'EPOCH_ACK', token, number });
  }

  /** Loads the state of the last epoch for practice, where the guest can be asked that: it will be loaded faster. */
  async rehearse(): Promise<void> {
    const guest = this.#host?.guest;
    if (guest?.rehearsable !== true || !this.#isWhole) return;
    await this.#host?.receiver.afterAll(() => guest.loadState(this.#stateOfEpoch));
  }

  /** After `end`, of what is whole: the guest is as at the last epoch that arrived. It holds what it needs outside, and does not run yet. */
  async promote(): Promise<Guest> {
    const host = this.#host;
    if (host === undefined || !this.#isWhole) throw new RangeError('there is no copy');
    await host.guest.loadState(this.#stateOfEpoch);
    await host.guest.acquire?.();
    host.receiver.close();
    return host.guest;
  }

  /** Nothing of the copy stays. */
  async discard(): Promise<void> {
    await this.end();
    this.#isWhole = false;
    await this.#host?.discard();
    this.#host = undefined;
  }

  async #onMessage(message: Message, seq: number): Promise<void> {
    try {
      await this.#take(message, seq);
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      const { code, message: text } = error;
      const type = this.#phase === 'receiving' ? 'FAILED' : 'REJECT';
      this.#link.send({ type, code, text });
      this.#end(error);
      await this.#link.close();
    }
  }

  async #take(message: Message, seq: number): Promise<void> {
    switch (this.#phase) {
      case 'greeting':
        return this.#greeted(message);
      case 'leading':
        return this.#led(message);
      case 'offering':
        return this.#offered(message);
      case 'receiving':
        return this.#received(message, seq);
      default:
        return;
    }
  }

  #greeted(message: Message): void {
    const { hello, ack } = welcome(message);
    this.#session = hello.session;
    this.#link.send(ack);
    this.#link.receiveInto(new Uint8Array(firstAreaBytes));
    this.#phase = 'leading';
  }

  async #led(message: Message): Promise<void> {
    const { lead, answer } = follow(message, this.#deps);
    await this.#deps.admit(lead.token);
    this.#lead = lead;
    this.#link.send(answer);
    this.#phase = 'offering';
  }

  async #offered(offer: Message): Promise<void> {
    if (offer.type !== 'OFFER') throw unexpected(offer);
    this.#cancel();
    const { maxImageBytes, maxStateBytes, accept } = this.#deps;
    const host = await GuestHost.admit(
      {
        session: this.#session,
        limits: { maxImageBytes, maxStateBytes, maxSessionBytes: Number.POSITIVE_INFINITY },
        clock: systemClock,
        memory: systemMemory,
        ...{ patches: false, lz4: false, held: false, channels: 1, rehearsals: false },
      },
      offer,
      () => accept(offer),
    );
    if (this.#phase !== 'offering') {
      await host.discard();
      return;
    }
    this.#host = host;
    this.#state = new ArrivingState(Math.min(maxStateBytes, offer.maxStateBytes));
    const { engine } = host.receiver;
    const [area] = engine.receiveAreas;
    if (area !== undefined) this.#link.receiveInto(area);
    this.#link.checksumOf = (bytes) => engine.checksum(bytes);
    this.#link.send({ type: 'ACCEPT', bases: engine.bases() });
    this.#phase = 'receiving';
  }

  async #received(message: Message, seq: number): Promise<void> {
    switch (message.type) {
      case 'PAGES':
      case 'REGION':
        this.#lastSeq = seq;
        if (this.#isWhole) this.#stage.add(message, seq, this.#lead?.maxEpochBytes ?? 0);
        else await this.#apply({ message, seq });
        return;
      case 'STATE_DELTA':
        this.#lastSeq = seq;
        this.#state.take(message);
        return;
      case 'EPOCH':
        this.#finishing = this.#finish(message);
        return this.#finishing;
      default:
        throw unexpected(message);
    }
  }

  async #apply({ message, seq }: Staged): Promise<void> {
    const receiver = this.#host?.receiver;
    if (message.type === 'PAGES') await receiver?.applyPages(message, seq, 0);
    else await receiver?.changeRegion(message, seq);
  }

  /** Applies what was staged, and proves that it is what the primary has. */
  async #finish({ token, number, finalSeq, digest }: EpochEnd): Promise<void> {
    const host = this.#host;
    if (host === undefined || token !== this.#lead?.token || finalSeq !== this.#lastSeq) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `epoch ${number} with token ${token}`);
    }
    const isFirst = !this.#isWhole;
    const { receiver } = host;
    // From here on it is neither the one epoch nor the other.
    this.#isWhole = false;
    await this.#stage.drain((staged) => this.#apply(staged));
    const { bytes } = this.#state;
    receiver.state.take({ type: 'STATE', totalBytes: bytes.byteLength, offset: 0, bytes });
    // The last frame may be one of the state, which was not applied as pages are.
    receiver.channels.note(0, finalSeq);
    const found = await receiver.verify({
      type: 'PREPARE',
      generation: number,
      finalSeqs: [finalSeq],
      digest,
    });
    if (!sameDigest(found, digest)) {
      throw new FerryError('ERR_DIGEST', `epoch ${number} is another one here than at the primary`);
    }
    this.#stateOfEpoch = bytes;
    this.#isWhole = true;
    if (this.#deps.arrived({ token, number }, isFirst)) this.acknowledge({ token, number });
  }

  #end(error: FerryError): void {
    if (this.#phase === 'ended') return;
    this.#cancel();
    this.#phase = 'ended';
    this.#stage.clear();
    this.#deps.lost(this, error);
  }
}
