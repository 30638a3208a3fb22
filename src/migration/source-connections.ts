import { FerryError } from '../errors.js';
import { channelNumber } from '../protocol/channel-id.js';
import type { Hello, Message } from '../protocol/messages.js';
import { protocolVersion } from '../protocol/version.js';
import type { Channel } from '../transport/channel.js';
import type { Clock } from './clock.js';
import { Link, type OpenTap } from './link.js';
import { ownerOf, proofFor, type SessionOwner } from './session-owner.js';

export interface SourceConnectionsDeps {
  readonly session: Uint8Array;
  /** Connects to the destination; `nth` counts from 0 and tells one connection from another where it can be reached in several places. */
  readonly connect: (nth: number) => Promise<Channel>;
  /** Bits of `capability` that HELLO names. */
  readonly capabilities: number;
  readonly clock: Clock;
  readonly tap?: OpenTap | undefined;
  /** The promise holds back the next message. */
  readonly onMessage: (message: Message) => void | Promise<void>;
  readonly onClosed: (error: FerryError) => void;
  /** A message on a page channel. */
  readonly onPagesMessage: (channel: number, message: Message) => void;
  readonly onPagesClosed: (channel: number, error: FerryError) => void;
  readonly onRoundTrip: (ms: number) => void;
}

/**
 * The source's connections to its destination, each begun with HELLO: the control channel, of which only the newest is heard, and page
 * channels beside it.
 */
export class SourceConnections {
  readonly #deps: SourceConnectionsDeps;
  readonly #pages = new Map<number, Link>();
  #owner: SessionOwner | undefined;
  #link: Link | undefined;
  #attempt = 0;
  #opened = 0;

  constructor(deps: SourceConnectionsDeps) {
    this.#deps = deps;
  }

  /** The newest connection; undefined before the first and after `close`. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Connects and says HELLO. Rejects with what connecting rejects with. */
  async open(role: 'main' | 'ask'): Promise<Link> {
    const { connect, onMessage, onClosed } = this.#deps;
    const channel = await connect(this.#attempt);
    this.#attempt += 1;
    // Who was accepted once is not refused later: a listener that is full or ends closes in the same way.
    let isAnswered = this.#attempt > 1;
    const link: Link = this.#linkOver(channel, {
      onMessage: (message) => {
        isAnswered = true;
        if (this.#link === link) return onMessage(message);
      },
      onClosed: (error, orderly) => {
        if (this.#link === link) onClosed(orderly && !isAnswered ? refusedUnheard(link) : error);
      },
    });
    this.#link = link;
    this.closePages();
    this.#greet(link, role, 0);
    return link;
  }

  /**
   * Opens page channel `id` of the newest connection, at another place than at the `tries` before, and says HELLO if it is `wanted` when it is connected. Rejects with
   * what connecting rejects with.
   */
  async openPages(
    id: number,
    tries: number,
    wanted: () => boolean,
    onGreeting: () => void,
  ): Promise<void> {
    const { connect, onPagesMessage, onPagesClosed } = this.#deps;
    const number = channelNumber(id);
    const control = this.#link;
    const channel = await connect(this.#attempt - 1 + number + tries);
    if (control === undefined || this.#link !== control || !wanted()) {
      channel.destroy();
      return;
    }
    onGreeting();
    const link: Link = this.#linkOver(channel, {
      onMessage: (message) => {
        if (this.#pages.get(number) === link) onPagesMessage(number, message);
      },
      onClosed: (error) => {
        if (this.#pages.get(number) === link) onPagesClosed(number, error);
      },
    });
    this.#pages.set(number, link);
    this.#greet(link, 'pages', id);
  }

  /** The newest connection is the first of the session that its other end knows of: what comes is proved by it. */
  own(): void {
    this.#owner = ownerOf(this.#link?.peer, this.#deps.session);
  }

  /** The connection of a page channel, unless it was closed here. */
  pages(number: number): Link | undefined {
    return this.#pages.get(number);
  }

  /** Ends the connection of a page channel at once; nothing of it is heard any more. */
  dropPages(number: number): void {
    const link = this.#pages.get(number);
    this.#pages.delete(number);
    link?.destroy();
  }

  /** Closes the page channels; nothing of them is heard any more. */
  closePages(): void {
    const links = [...this.#pages.values()];
    this.#pages.clear();
    for (const link of links) link.close();
  }

  /** Closes the newest connection, if there is one; nothing of it is heard any more. */
  close(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  #linkOver(channel: Channel, handlers: ConstructorParameters<typeof Link>[3]): Link {
    const { clock, tap, onRoundTrip } = this.#deps;
    this.#opened += 1;
    const link = new Link(channel, clock, this.#attempt, handlers, tap?.(this.#opened));
    link.onRoundTrip = onRoundTrip;
    return link;
  }

  #greet(link: Link, role: Hello['role'], channel: number): void {
    const { session, capabilities } = this.#deps;
    const claim = { session, attempt: this.#attempt, channel, role };
    const { peer } = link;
    this.#owner ??= ownerOf(peer, session);
    link.send({
      type: 'HELLO',
      minVersion: protocolVersion,
      maxVersion: protocolVersion,
      ...claim,
      capabilities,
      proof: proofFor(this.#owner, peer, claim),
    });
  }
}

/**
 * A handshake ends here before the listener has looked at what it proved: where nothing but its end comes then, that was not enough. One that wants
 * a handshake ends a connection without one in the same way.
 */
function refusedUnheard({ remote, peer }: Link): FerryError {
  return peer === undefined
    ? new FerryError(
        'ERR_CONNECTION_LOST',
        `${remote} closed the connection unheard: it may want a token or certificates`,
      )
    : new FerryError('ERR_AUTH', `${remote} does not accept what this end proved`);
}
