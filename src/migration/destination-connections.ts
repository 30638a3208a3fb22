import { FerryError } from '../errors.js';
import { channelNumber, nextChannelId } from '../protocol/channel-id.js';
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

/** The connection of a page channel. */
interface PagesLink {
  readonly id: number;
  readonly link: Link;
}

/**
 * The connections of one session: the control channel, each newer one in place of the one before, of which only the newest is heard; and the
 * page channels of its attempt.
 */
export class DestinationConnections {
  readonly #deps: DestinationConnectionsDeps;
  /** By number; one that is lost stays until its source says so. */
  readonly #pages = new Map<number, PagesLink>();
  /** By number, the page channel that is being closed. */
  readonly #closing = new Map<number, number>();
  /** By number, the id of the connection that may come next, where there was one. */
  readonly #next = new Map<number, number>();
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

  /** Whether a page channel may be lost by itself. */
  get reroutes(): boolean {
    return this.takesPages && (this.#capabilities & capability.reroutes) !== 0;
  }

  /** Whether a connection of this attempt takes the place of the one there is. */
  isNewer(attempt: number): boolean {
    return attempt > this.#attempt;
  }

  /** Takes over a connection that said HELLO; it is answered with `answer`. Throws if its attempt is not newer than the last. */
  take(link: Link, hello: Hello): void {
    if (!this.isNewer(hello.attempt)) {
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
    this.#closing.clear();
    this.#next.clear();
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

  /**
   * Takes a page channel of the attempt under way, and answers. ERR_UNEXPECTED_MESSAGE for one of another attempt, or whose number another has or had as
   * the same; ERR_UNSUPPORTED.
   */
  takePages(link: Link, hello: Hello): void {
    const { channel: id, attempt } = hello;
    const channel = channelNumber(id);
    if (attempt !== this.#attempt || this.#link?.open !== true || !this.#isNext(id)) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `channel ${id} of attempt ${attempt} while attempt ${this.#attempt} is under way`,
      );
    }
    if (!this.takesPages) {
      throw new FerryError('ERR_UNSUPPORTED', 'page channels were not agreed on');
    }
    this.#pages.set(channel, { id, link });
    link.handlers = {
      onMessage: (message, seq) => {
        if (this.#pages.get(channel)?.link === link) {
          return this.#deps.onPagesMessage(channel, message, seq);
        }
      },
      onClosed: (error) => {
        if (this.#pages.get(channel)?.link === link) this.#deps.onPagesLost(error);
      },
    };
    greet(link, this.#capabilities, 'receiving', 0);
  }

  /** ERR_UNEXPECTED_MESSAGE unless page channel `id` may be closed: it is here, or would be the next of its number. */
  checkClosing(id: number): void {
    if (this.reroutes && (this.#pages.get(channelNumber(id))?.id === id || this.#isNext(id)))
      return;
    throw new FerryError('ERR_UNEXPECTED_MESSAGE', `CHANNEL_CLOSE of channel ${id}`);
  }

  /** Ends what is left of page channel `id`: nothing more of it is heard, and nobody takes its number until `closed`. False if it was never here. */
  beginClosing(id: number): boolean {
    const number = channelNumber(id);
    const pages = this.#pages.get(number);
    this.#pages.delete(number);
    this.#closing.set(number, id);
    pages?.link.destroy();
    return pages !== undefined;
  }

  /** What had arrived of page channel `id` is done with. False if that is of no interest any more: another attempt began. */
  closed(id: number): boolean {
    const number = channelNumber(id);
    if (this.#closing.get(number) !== id) return false;
    this.#closing.delete(number);
    this.#next.set(number, nextChannelId(id));
    return true;
  }

  /** Neither here nor being closed, and the one its number waits for. */
  #isNext(id: number): boolean {
    const number = channelNumber(id);
    const isFree = !this.#pages.has(number) && !this.#closing.has(number);
    return isFree && id === (this.#next.get(number) ?? number);
  }

  /**
   * ERR_UNEXPECTED_MESSAGE unless a PREPARE of these frames names every channel that is here, and of others, where they may be lost by themselves, says that they
   * have none. Gives the numbers of those others.
   */
  checkChannels(finalSeqs: readonly number[]): number[] {
    const absent = [...finalSeqs.keys()].filter((number) => number > 0 && !this.#pages.has(number));
    const isWhole = finalSeqs.length - absent.length === this.#pages.size + 1;
    const isRight = absent.every((number) => finalSeqs[number] === 0 && !this.#closing.has(number));
    if (isWhole && isRight && (absent.length === 0 || this.reroutes)) return absent;
    throw new FerryError(
      'ERR_UNEXPECTED_MESSAGE',
      `PREPARE of ${finalSeqs.length} channels, with ${this.#pages.size + 1} here`,
    );
  }

  send(message: Message, channel = 0): void {
    if (channel !== 0) this.#pages.get(channel)?.link.send(message);
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
    const links = [...this.#pages.values()].map(({ link }) => link);
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
