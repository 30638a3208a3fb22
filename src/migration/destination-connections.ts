import { FerryError } from '../errors.js';
import type { Hello, Message, SessionStanding } from '../protocol/messages.js';
import { ourCapabilities, protocolVersion } from '../protocol/version.js';
import type { Link } from './link.js';

export interface DestinationConnectionsDeps {
  /** The promise holds back the next frame. */
  readonly onMessage: (message: Message, seq: number) => void | Promise<void>;
  readonly onLost: (error: FerryError) => void;
  /** A connection of the session closed; `orderly`: by both sides' will. */
  readonly onClosed: (orderly: boolean) => void;
}

/** The connections of one session, each newer one in place of the one before. Only the newest is heard. */
export class DestinationConnections {
  readonly #deps: DestinationConnectionsDeps;
  #link: Link | undefined;
  #attempt = 0;
  #capabilities = 0;

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

  /** Takes over a connection that said HELLO, and answers. Throws if its attempt is not newer than the last, or would bring pages again. */
  take(link: Link, hello: Hello, standing: SessionStanding, lastAppliedSeq: number): void {
    if (hello.attempt <= this.#attempt) {
      throw new FerryError(
        'ERR_UNEXPECTED_MESSAGE',
        `attempt ${hello.attempt} after attempt ${this.#attempt}`,
      );
    }
    if (hello.role === 'main' && this.#attempt > 0) {
      throw new FerryError(
        'ERR_UNSUPPORTED',
        'pages cannot go on after a cut; the session is only open to be asked',
      );
    }
    const older = this.#link;
    this.#capabilities = hello.capabilities & ourCapabilities;
    this.#attempt = hello.attempt;
    this.#link = link;
    older?.destroy();
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
    link.send({
      type: 'HELLO_ACK',
      version: protocolVersion,
      standing,
      capabilities: this.#capabilities,
      lastAppliedSeq,
    });
  }

  send(message: Message): void {
    this.#link?.send(message);
  }

  close(): void {
    const link = this.#link;
    link?.close().then(() => {
      this.#forget(link);
      this.#deps.onClosed(true);
    });
  }

  /** A closed link still holds the area it read into. */
  #forget(link: Link): void {
    if (this.#link === link) this.#link = undefined;
  }
}
