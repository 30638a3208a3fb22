import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import { systemClock } from '../migration/clock.js';
import { Link } from '../migration/link.js';
import { firstAreaBytes } from '../protocol/limits.js';
import type { Lead, Message } from '../protocol/messages.js';
import { capability } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import { admitCopy, type CopyOptions } from './admit-copy.js';
import type { Epoch } from './standby.js';
import { StandbyCopy } from './standby-copy.js';
import { type FollowingOptions, follow, unexpected, welcome } from './standby-greeting.js';

/** How long a connection may take to offer a guest. */
const greetingMs = 10_000;

export interface StandbySessionDeps extends FollowingOptions, CopyOptions {
  /** Whether an owner with this token may lead: durable before it resolves. ERR_FENCED. */
  readonly admit: (token: bigint) => Promise<void>;
  /** Everything of an epoch is here, and verified: the first one after a greeting, or the next. Whether it may be acknowledged. */
  readonly arrived: (epoch: Epoch, isFirst: boolean) => boolean;
  /** So many pages are not what arrived: what is here is nothing whole any more, and the connection ends. */
  readonly damaged?: (pages: number) => void;
  /** See `StandbyOptions`. Default 0. */
  readonly scrubMs?: number;
  readonly lost: (session: StandbySession, error: FerryError) => void;
}

/** The standby's side of one connection of a primary: hears who leads, and fills a copy with what that one sends. */
export class StandbySession {
  readonly #deps: StandbySessionDeps;
  readonly #link: Link;
  /** Of the time for greeting. */
  readonly #cancel: () => void;
  #phase: 'greeting' | 'leading' | 'offering' | 'receiving' | 'ended' = 'greeting';
  #lead: Lead | undefined;
  #session: Uint8Array = new Uint8Array(16);
  /** The primary takes digests of what is here. */
  #held = false;
  #copy: StandbyCopy | undefined;
  /** Something of what arrived was refused. */
  #hasRefused = false;

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
    return this.#copy?.isWhole ?? false;
  }

  /** Of the last epoch that is whole; empty where there is none. */
  get state(): Uint8Array {
    return this.#copy?.state ?? new Uint8Array();
  }

  /** See `StandbyCopy.hold`. */
  async hold(): Promise<() => void> {
    return (await this.#copy?.hold()) ?? (() => {});
  }

  /** Ends the connection. Resolves when what had arrived whole is applied; what belongs to no whole epoch is forgotten. */
  async end(): Promise<void> {
    this.#cancel();
    this.#phase = 'ended';
    this.#link.destroy();
    await this.#copy?.end();
  }

  /** Tells that it has the epoch, which `arrived` did not let it tell at once. */
  acknowledge({ token, number }: Epoch): void {
    this.#link.send({ type: 'EPOCH_ACK', token, number });
  }

  /** See `StandbyCopy.rehearse`. */
  async rehearse(): Promise<void> {
    await this.#copy?.rehearse();
  }

  /** See `StandbyCopy.promote`. */
  async promote(): Promise<Guest> {
    if (this.#copy === undefined) throw new RangeError('there is no copy');
    return this.#copy.promote();
  }

  /** Ends it, and gives the guest with what is left of the copy, which is no epoch's any more. Undefined where there is none, or one that could not be made whole. */
  async cede(): Promise<Guest | undefined> {
    await this.end();
    if (this.#hasRefused && this.#copy?.wasWhole === false) await this.discard();
    const copy = this.#copy;
    this.#copy = undefined;
    return copy?.cede();
  }

  /** Nothing of the copy stays. */
  async discard(): Promise<void> {
    await this.end();
    const copy = this.#copy;
    this.#copy = undefined;
    await copy?.discard();
  }

  async #onMessage(message: Message, seq: number): Promise<void> {
    try {
      await this.#take(message, seq);
    } catch (error) {
      // A guest that cannot do what it should is as bad.
      await this.#refuse(asFerryError(error, 'ERR_GUEST'));
    }
  }

  async #refuse(error: FerryError): Promise<void> {
    const { code, message: text } = error;
    const type = this.#phase === 'receiving' ? 'FAILED' : 'REJECT';
    this.#hasRefused = true;
    this.#link.send({ type, code, text });
    this.#end(error);
    await this.#link.close();
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
    this.#held = (ack.capabilities & capability.held) !== 0;
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
    const host = await admitCopy(this.#deps, offer, this.#session, this.#held);
    if (this.#phase !== 'offering') {
      await host.discard();
      return;
    }
    const maxStateBytes = Math.min(this.#deps.maxStateBytes, offer.maxStateBytes);
    const { scrubMs = 0, damaged, spill } = this.#deps;
    const { maxEpochBytes } =
      spill === undefined && this.#lead !== undefined ? this.#lead : this.#deps;
    const limits = { maxStateBytes, maxEpochBytes, scrubMs, spill };
    this.#copy = new StandbyCopy(host, limits, (pages) => {
      damaged?.(pages);
      void this.#refuse(new FerryError('ERR_DIGEST', `${pages} pages of the copy are damaged`));
    });
    const { receiver } = host;
    const { engine } = receiver;
    const [area] = engine.receiveAreas;
    if (area !== undefined) this.#link.receiveInto(area);
    this.#link.checksumOf = (bytes) => engine.checksum(bytes);
    const bases = engine.bases();
    this.#link.send({ type: 'ACCEPT', bases });
    this.#phase = 'receiving';
    if (!bases.includes('held')) return;
    receiver
      .tellHeld((message) => this.#link.send(message))
      .catch((error: unknown) => this.#refuse(asFerryError(error, 'ERR_GUEST')));
  }

  async #received(message: Message, seq: number): Promise<void> {
    const copy = this.#copy;
    if (message.type === 'HELD_REQUEST') {
      await copy?.host.receiver.sendHeldPages(message, (answer) => this.#link.send(answer));
      return;
    }
    if (message.type !== 'EPOCH') return copy?.take(message, seq);
    const { token, number } = message;
    if (copy === undefined || token !== this.#lead?.token) {
      throw new FerryError('ERR_UNEXPECTED_MESSAGE', `epoch ${number} with token ${token}`);
    }
    const isFirst = !copy.isWhole;
    await copy.finish(message);
    if (this.#deps.arrived({ token, number }, isFirst)) this.acknowledge({ token, number });
  }

  #end(error: FerryError): void {
    if (this.#phase === 'ended') return;
    this.#cancel();
    this.#phase = 'ended';
    void this.#copy?.end();
    this.#deps.lost(this, error);
  }
}
