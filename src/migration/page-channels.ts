import { asFerryError, FerryError } from '../errors.js';
import type { Message, Reject } from '../protocol/messages.js';
import { capability } from '../protocol/version.js';
import type { Clock } from './clock.js';
import type { SourceConnections } from './source-connections.js';
import type { Transfer } from './transfer.js';

export interface PageChannelsDeps {
  readonly clock: Clock;
  /** Page channels and the control channel together. */
  readonly connections: number;
  readonly links: SourceConnections;
  /** What the pages are of; undefined before ACCEPT. */
  readonly transfer: () => Transfer | undefined;
  /** The destination does not take a page channel. */
  readonly onRefused: (message: Reject) => void;
  /** A page channel could not be opened or broke: the attempt is over. */
  readonly onLost: (error: FerryError) => void;
}

/** How long a page channel may take from the connection to its HELLO_ACK. */
const greetingTimeoutMs = 10_000;

/** The source's page channels: opened when the destination has accepted, and lost together with the attempt. */
export class PageChannels {
  readonly #deps: PageChannelsDeps;
  readonly #greeting = new Set<number>();
  /** Counts attempts: what an earlier one still tells is no news. */
  #attempt = 0;
  #cancelTimer: () => void = () => {};

  constructor(deps: PageChannelsDeps) {
    this.#deps = deps;
  }

  /** Opens all of them. `capabilities`: what both ends can do. ERR_UNSUPPORTED if that leaves them out. */
  open(capabilities: number): void {
    const { connections, clock, onLost } = this.#deps;
    if (connections === 1) return;
    if ((capabilities & capability.channels) === 0) {
      throw new FerryError('ERR_UNSUPPORTED', 'the destination takes pages on one connection only');
    }
    this.#attempt += 1;
    const attempt = this.#attempt;
    for (let channel = 1; channel < connections; channel++) {
      this.#greeting.add(channel);
      this.#deps.links.openPages(channel).catch((error: unknown) => {
        if (this.#attempt === attempt) onLost(asFerryError(error, 'ERR_CONNECTION_LOST'));
      });
    }
    this.#cancelTimer = clock.after(greetingTimeoutMs, () => {
      onLost(new FerryError('ERR_PEER_TIMEOUT', 'no HELLO_ACK on a page channel'));
    });
  }

  /** Nothing more is to be sent on them. */
  close(): void {
    this.#attempt += 1;
    this.#cancelTimer();
    this.#greeting.clear();
    this.#deps.links.closePages();
  }

  onMessage(channel: number, message: Message): void {
    const { links, transfer, onRefused, onLost } = this.#deps;
    const link = links.pages(channel);
    const isGreeting = this.#greeting.has(channel);
    if (message.type === 'ACK' && !isGreeting) {
      transfer()?.acknowledged(channel, message.seq, message.rereadPages);
    } else if (message.type === 'HELLO_ACK' && isGreeting && link !== undefined) {
      this.#greeting.delete(channel);
      if (this.#greeting.size === 0) this.#cancelTimer();
      transfer()?.open(channel, link);
    } else if (message.type === 'REJECT' && isGreeting) {
      onRefused(message);
    } else {
      const what = `${message.type} on page channel ${channel}`;
      onLost(new FerryError('ERR_UNEXPECTED_MESSAGE', what));
    }
  }
}
