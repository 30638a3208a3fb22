import { FerryError } from '../errors.js';
import type { Message, Offer } from '../protocol/messages.js';
import type { ConvergenceLimits } from './convergence.js';
import { recordedSourceEvent } from './recorded-events.js';
import type { RecordedItem } from './recording-reader.js';
import { stepSource } from './source-machine.js';
import type { SourceState } from './source-states.js';

/** Before the recording shows what was offered, nothing depends on it. */
const nothingOffered: Offer = {
  type: 'OFFER',
  pageSize: 4096,
  secret: new Uint8Array(192),
  identity: { kind: '', version: '', features: [] },
  handsOver: true,
  maxStateBytes: 0,
  maxDowntimeMs: 0,
  regions: [],
};

/** Feeds a source's machine the events that were recorded, and compares where each leads. */
export class SourceReplay {
  readonly #limits: ConvergenceLimits;
  #offer: Offer = nothingOffered;
  #lastIn: Message | undefined;
  #state: SourceState = { phase: 'greeting' };
  transitions = 0;

  constructor(limits: ConvergenceLimits) {
    this.#limits = limits;
  }

  get phase(): SourceState['phase'] {
    return this.#state.phase;
  }

  /** The first difference, in words; undefined while all goes as recorded. */
  take(item: RecordedItem): string | undefined {
    if (item.kind === 'frame') {
      const { message } = item.decoded;
      if (item.direction === 'in') this.#lastIn = message;
      else if (message.type === 'OFFER') this.#offer = message;
      return undefined;
    }
    if (item.kind !== 'step') return undefined;
    const name = String(item.event['type']);
    const event = recordedSourceEvent(item.event, this.#lastIn);
    if (event === undefined) return `step ${this.transitions + 1}: no event "${name}" is known`;
    const before = this.#state.phase;
    try {
      this.#state = stepSource(this.#state, event, {
        offer: this.#offer,
        limits: this.#limits,
        generation: () => 0,
      }).state;
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      return `step ${this.transitions + 1}: ${name} while ${before}: ${error.message}`;
    }
    this.transitions += 1;
    return this.#state.phase === item.phase
      ? undefined
      : `step ${this.transitions}: ${name} while ${before} leads to ${this.#state.phase}, recorded was ${item.phase}`;
  }
}
