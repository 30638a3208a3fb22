import { asFerryError } from '../errors.js';
import type { HashesRequest, Message, Prepare } from '../protocol/messages.js';
import type { DestinationEffect, DestinationEvent } from './destination-states.js';
import type { GuestHost } from './guest-host.js';

/** Effects that are carried out on the guest or its copy. */
export type HostEffect = Exclude<
  DestinationEffect,
  {
    readonly do:
      | 'send'
      | 'admit'
      | 'claim'
      | 'discard'
      | 'await-source'
      | 'close'
      | 'close-channel';
  }
>;

export interface HostEffectsDeps {
  readonly send: (message: Message, channel?: number) => void;
  /** Tells the destination machine what came of it. */
  readonly feed: (event: DestinationEvent) => void;
}

/** Carries out, on one guest and its copy, what the destination machine asks for; what fails is fed back as `broken`. */
export class HostEffects {
  readonly host: GuestHost;
  readonly #deps: HostEffectsDeps;

  constructor(host: GuestHost, deps: HostEffectsDeps) {
    this.host = host;
    this.#deps = deps;
  }

  /** `seq`, `channel`: of the frame that caused it. Only pages, growth and state hold back the next frame: an ABORT must get through the others. */
  carryOut(effect: HostEffect, seq: number, channel: number): Promise<void> | undefined {
    switch (effect.do) {
      case 'apply':
        return this.#apply(effect.message, seq, channel);
      case 'round-ended':
        this.host.receiver.endHeld();
        this.#acknowledge(seq, 0);
        this.host.receiver.reread(this.#deps.send);
        return;
      case 'gather':
        this.#guard(this.#gather(effect.prepare));
        return;
      case 'stop-gathering':
        this.host.receiver.channels.stopWaiting();
        return;
      case 'verify':
        this.#guard(this.#verify(effect.prepare));
        return;
      case 'send-leaves':
        for (const message of this.host.receiver.leafMessages()) this.#deps.send(message);
        return;
      case 'send-page-hashes':
        return this.#guard(this.#sendPageHashes(effect.message));
      case 'tell-held':
        this.#guard(this.host.receiver.tellHeld(this.#deps.send));
        return;
      case 'send-held-pages':
        return this.#guard(this.host.receiver.sendHeldPages(effect.message, this.#deps.send));
      case 'load':
        this.#guard(this.#load(effect.generation));
        return;
      case 'retreat':
        this.#guard(this.#retreat());
        return;
      case 'let-go':
        this.#guard(this.host.retreat());
        return;
      case 'release':
        this.#guard(this.host.release());
        return;
      case 'start':
        this.#start(effect.prepare);
        return;
      default:
        effect satisfies never;
    }
  }

  #guard(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => this.#broken(error));
  }

  #broken(error: unknown): void {
    this.#deps.feed({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
  }

  /** A piece of state is taken in at once: what arrived with it, PREPARE above all, need not wait for another turn. */
  #apply(
    message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' | 'STATE_DELTA' }>,
    seq: number,
    channel: number,
  ): Promise<void> | undefined {
    let applying: Promise<void> | undefined;
    try {
      applying = this.#takeIn(message, seq, channel);
    } catch (error) {
      this.#broken(error);
      return undefined;
    }
    if (applying === undefined) this.#acknowledge(seq, channel);
    else return this.#guard(applying.then(() => this.#acknowledge(seq, channel)));
  }

  #takeIn(
    message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' | 'STATE_DELTA' }>,
    seq: number,
    channel: number,
  ): Promise<void> | undefined {
    const { receiver } = this.host;
    if (message.type === 'PAGES') return receiver.applyPages(message, seq, channel);
    if (message.type === 'REGION') return receiver.changeRegion(message, seq);
    if (message.type === 'STATE') {
      receiver.takeState(message, seq);
      return undefined;
    }
    const toRehearse = receiver.takeStateDelta(message, seq);
    return toRehearse === undefined ? undefined : this.#rehearse(toRehearse);
  }

  async #rehearse(state: Uint8Array): Promise<void> {
    const loadMs = await this.host.rehearse(state);
    if (loadMs !== undefined) this.#deps.send({ type: 'REHEARSED', loadMs });
  }

  #acknowledge(seq: number, channel: number): void {
    const { receiver } = this.host;
    const { rereadPages } = receiver;
    const appliedBytes = receiver.channels.bytesOn(channel);
    this.#deps.send({ type: 'ACK', seq, appliedBytes, rereadPages }, channel);
  }

  async #gather({ generation, finalSeqs }: Prepare): Promise<void> {
    await this.host.receiver.channels.upTo(finalSeqs);
    this.#deps.feed({ type: 'gathered', generation });
  }

  async #verify(prepare: Prepare): Promise<void> {
    const digest = await this.host.verify(prepare);
    this.#deps.feed({ type: 'verified', generation: prepare.generation, digest });
  }

  /** Holds back the next frame: who asks faster than it is answered has to wait. */
  #sendPageHashes(request: HashesRequest): Promise<void> {
    return this.host.receiver.sendPageHashes(request, (message) => this.#deps.send(message));
  }

  async #load(generation: number): Promise<void> {
    await this.host.load();
    this.#deps.feed({ type: 'loaded', generation });
  }

  async #retreat(): Promise<void> {
    await this.host.retreat();
    this.#deps.send({ type: 'ABORTED', scope: 'switchover' });
  }

  async #start(prepare: Prepare): Promise<void> {
    const event = await this.host.start(prepare).then(
      (running) => ({ type: 'started', running }) as const,
      (error: unknown) =>
        ({ type: 'start-failed', error: asFerryError(error, 'ERR_START_FAILED') }) as const,
    );
    this.#deps.feed(event);
  }
}
