import type { FerryError } from '../errors.js';
import type { Message } from '../protocol/messages.js';
import { protocolVersion } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import type { Clock } from './clock.js';
import { Link, type OpenTap } from './link.js';

export interface SourceConnectionsDeps {
  readonly session: Uint8Array;
  readonly connect: () => Promise<Channel>;
  readonly capabilities: number;
  readonly clock: Clock;
  readonly tap?: OpenTap | undefined;
  readonly onMessage: (message: Message) => void;
  readonly onClosed: (error: FerryError) => void;
  readonly onRoundTrip: (ms: number) => void;
}

/** The source's connections to its destination, each begun with HELLO. Only the newest is heard. */
export class SourceConnections {
  readonly #deps: SourceConnectionsDeps;
  #link: Link | undefined;
  #attempt = 0;

  constructor(deps: SourceConnectionsDeps) {
    this.#deps = deps;
  }

  /** The newest connection; undefined before the first and after `close`. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Connects and says HELLO. Rejects with what connecting rejects with. */
  async open(role: 'main' | 'ask'): Promise<Link> {
    const { session, connect, clock, tap, onMessage, onClosed, onRoundTrip } = this.#deps;
    const channel = await connect();
    this.#attempt += 1;
    const link: Link = new Link(
      channel,
      clock,
      this.#attempt,
      {
        onMessage: (message) => {
          if (this.#link === link) onMessage(message);
        },
        onClosed: (error) => {
          if (this.#link === link) onClosed(error);
        },
      },
      tap?.(this.#attempt),
    );
    link.onRoundTrip = onRoundTrip;
    this.#link = link;
    link.send({
      type: 'HELLO',
      minVersion: protocolVersion,
      maxVersion: protocolVersion,
      session,
      attempt: this.#attempt,
      channel: 0,
      role,
      capabilities: this.#deps.capabilities,
    });
    return link;
  }

  /** Closes the newest connection, if there is one; nothing of it is heard any more. */
  close(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }
}
