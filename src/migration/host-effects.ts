import { asFerryError } from '../errors.js';
import type { HashesRequest, Message, Prepare, StateDelta } from '../protocol/messages.js';
import type { DestinationEffect, DestinationEvent } from './destination-states.js';
import type { GuestHost } from './guest-host.js';

/** Effects that are carried out on the guest or its copy. */
export type HostEffect = Exclude<
  DestinationEffect,
  { readonly do: 'send' | 'admit' | 'discard' | 'await-source' | 'close' }
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
        return this.#guard(this.#apply(effect.message, seq, channel));
      case 'round-ended':
        this.#acknowledge(seq, 0);
        this.host.receiver.reread(this.#deps.send);
        return;
      case 'gather':
        this.#guard(this.#gather(effect.prepare));
        return;
      case 'verify':
        this.#guard(this.#verify(effect.prepare));
        return;
      case 'send-leaves':
        for (const message of this.host.receiver.leafMessages()) this.#deps.send(message);
        return;
      case 'send-page-hashes':
        this.#guard(this.#sendPageHashes(effect.message));
        return;
      case 'load':
        this.#guard(this.#load(effect.generation));
        return;
      case 'retreat':
        this.#guard(this.#retreat());
        return;
      case 'start':
        this.#start(effect.prepare);
        return;
      default:
        effect satisfies never;
    }
  }

  #guard(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => {
      this.#deps.feed({ type: 'broken', error: asFerryError(error, 'ERR_GUEST') });
    });
  }

  async #apply(
    message: Extract<Message, { type: 'PAGES' | 'REGION' | 'STATE' | 'STATE_DELTA' }>,
    seq: number,
    channel: number,
  ): Promise<void> {
    const { receiver } = this.host;
    if (message.type === 'PAGES') await receiver.applyPages(message, seq, channel);
    else if (message.type === 'REGION') await receiver.changeRegion(message, seq);
    else if (message.type === 'STATE') receiver.takeState(message, seq);
    else await this.#takeStateDelta(message, seq);
    this.#acknowledge(seq, channel);
  }

  async #takeStateDelta(message: StateDelta, seq: number): Promise<void> {
    const toRehearse = this.host.receiver.takeStateDelta(message, seq);
    const loadMs = toRehearse === undefined ? undefined : await this.host.rehearse(toRehearse);
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

  async #sendPageHashes(request: HashesRequest): Promise<void> {
    for (const message of this.host.receiver.pageHashMessages(request)) this.#deps.send(message);
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
