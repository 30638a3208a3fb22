import { FerryError } from '../errors.js';
import type { Hello, Message, SessionStanding } from '../protocol/messages.js';
import { capability, ourCapabilities, protocolVersion } from '../protocol/version.js';
import type { Link } from './link.js';

export interface DestinationConnectionsDeps {
  /** The promise holds back the next frame. */
  readonly onMessage: (message: Message, seq: number) => void | Promise<void>;
  /** A message on a page channel. */
  readonly onPagesMessage: (channel: number, message: Message, seq: number) => void | Promise<void>;
  readonly onLost: (error: FerryError) => void;
  /** A page channel that was not closed here is no more. */
  readonly onPagesLost: (error: FerryError) => void;
  /** A connection of the session closed; `orderly`: by both sides' will. */
  readonly onClosed: (orderly: boolean) => void;
}

/**
 * The connections of one session: the control channel, each newer one in place of the one before, of which only the newest is heard; and the
 * page channels of its attempt.
 */
export class DestinationConnections {
  readonly #deps: DestinationConnectionsDeps;
  readonly #pages = new Map<number, Link>();
  #link: Link | undefined;
  #attempt = 0;
  #capabilities = 0;
  /** Until the HELLO of the newest connection is answered nothing else is said on it: what is still being done was asked on another. */
  #isAnswered = false;

  constructor(deps: DestinationConnectionsDeps) {
    this.#deps = deps;
  }

  /** The newest connection; undefined once it closed. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** What both ends of the newest connection can do: bits of `capability`. */
  get capabilities(): number {
    return this.#capabilities;
  }

  /** Whether page channels were agreed on. Patches would need an order that channels do not have among each other. */
  get takesPages(): boolean {
    const { channels, patches } = capability;
    return (this.#capabilities & (channels | patches)) === channels;
  }

  /** Takes over a connection that said HELLO; it is answered with `answer`. Throws if its attempt is not newer than the last. */
  take(link: Link, hello: Hello): void {
    if (hello.attempt <= this.#attempt) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `attempt ${hello.attempt} after attempt ${this.#attempt}`,
      );
    }
    const older = this.#link;
    this.#capabilities = hello.capabilities & ourCapabilities;
    this.#attempt = hello.attempt;
    this.#link = link;
    this.#isAnswered = false;
    older?.destroy();
    for (const pages of this.#forgetPages()) pages.destroy();
    link.handlers = {
      onMessage: (message, seq) => {
        if (this.#link === link) return this.#deps.onMessage(message, seq);
      },
      onClosed: (error, orderly) => {
        if (this.#link !== link) return;
        this.#deps.onLost(error);
        this.#forget(link);
        this.#deps.onClosed(orderly);
      },
    };
  }

  /** Answers the HELLO of the connection taken last. */
  answer(standing: SessionStanding, lastAppliedSeq: number): void {
    this.#isAnswered = true;
    if (this.#link !== undefined) greet(this.#link, this.#capabilities, standing, lastAppliedSeq);
  }

  /** Takes a page channel of the attempt under way, and answers. ERR_UNEXPECTED_MESSAGE for one of another attempt, or that is there already; ERR_UNSUPPORTED. */
  takePages(link: Link, hello: Hello): void {
    const { channel, attempt } = hello;
    if (attempt !== this.#attempt || this.#link?.open !== true || this.#pages.has(channel)) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `channel ${channel} of attempt ${attempt} while attempt ${this.#attempt} is under way`,
      );
    }
    if (!this.takesPages) {
      throw new FerryError('ERR_UNSUPPORTED', 'page channels were not agreed on');
    }
    this.#pages.set(channel, link);
    link.handlers = {
      onMessage: (message, seq) => {
        if (this.#pages.get(channel) === link) {
          return this.#deps.onPagesMessage(channel, message, seq);
        }
      },
      onClosed: (error) => {
        if (this.#pages.get(channel) === link) this.#deps.onPagesLost(error);
      },
    };
    greet(link, this.#capabilities, 'receiving', 0);
  }

  /** ERR_UNEXPECTED_MESSAGE unless a PREPARE of `channels` channels names those that are here, no more and no fewer. */
  checkChannels(channels: number): void {
    const numbers = [0, ...this.#pages.keys()];
    if (numbers.length === channels && Math.max(...numbers) === channels - 1) return;
    throw new FerryError(
      'ERR_UNEXPECTED_MESSAGE',
      `PREPARE of ${channels} channels, with ${numbers.length} of them here`,
    );
  }

  send(message: Message, channel = 0): void {
    if (channel !== 0) this.#pages.get(channel)?.send(message);
    else if (this.#isAnswered) this.#link?.send(message);
  }

  /** Closes the control channel, and behind it the page channels: whoever reads their end has read what was said before it. */
  close(): void {
    const link = this.#link;
    if (link === undefined) {
      this.#closePages();
      return;
    }
    link.close().then(() => {
      if (this.#link === link) this.#closePages();
      this.#forget(link);
      this.#deps.onClosed(true);
    });
  }

  #closePages(): void {
    for (const link of this.#forgetPages()) link.close();
  }

  #forgetPages(): Link[] {
    const links = [...this.#pages.values()];
    this.#pages.clear();
    return links;
  }

  /** A closed link still holds the area it read into. */
  #forget(link: Link): void {
    if (this.#link === link) this.#link = undefined;
  }
}

function greet(
  link: Link,
  capabilities: number,
  standing: SessionStanding,
  lastAppliedSeq: number,
): void {
  link.send({
    type: 'HELLO_ACK',
    version: protocolVersion,
    standing,
    capabilities,
    lastAppliedSeq,
  });
}
