import type { FerryError } from '../errors.js';
import type { Message } from '../protocol/messages.js';
import { type Clock, sleep } from './clock.js';
import type { Link } from './link.js';

export interface InquiryDeps {
  readonly clock: Clock;
  /** Opens a new connection of this session: one that only asks, or one that goes on. */
  readonly connect: (role: 'ask' | 'main') => Promise<Link>;
  /** From 0 to 1. Default: Math.random. */
  readonly random?: () => number;
}

const firstBackoffMs = 50;
const longestBackoffMs = 2000;
/** How long a promise that became void is worth announcing, and one answer to that is waited for. */
const releaseTimeoutMs = 2000;
const answerTimeoutMs = 1000;

/** The source's way back to a destination it lost: to go on, to ask how a COMMIT ended, or to say that there will be none. */
export class Inquiry {
  readonly #deps: InquiryDeps;
  #backoffMs = firstBackoffMs;

  constructor(deps: InquiryDeps) {
    this.#deps = deps;
  }

  /** Connects again, with backoff, for as long as `wanted` says so, and `most` times. True once connected. */
  async reconnect(
    role: 'ask' | 'main',
    wanted: () => boolean,
    most: number = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    for (let tries = 0; tries < most; tries++) {
      await this.#backOff();
      if (!wanted()) return false;
      const connected = await this.#deps.connect(role).then(
        () => true,
        () => false,
      );
      if (connected) return true;
    }
    return false;
  }

  /** All is well again: the next way back begins at once. */
  rested(): void {
    this.#backoffMs = firstBackoffMs;
  }

  /** Best effort: a destination that gave READY keeps its copy until it hears COMMIT or ABORT. */
  async releasePromise(reason: FerryError): Promise<void> {
    const { clock } = this.#deps;
    const deadline = clock.now() + releaseTimeoutMs;
    // A long way back before leaves time for one try.
    this.rested();
    while (clock.now() < deadline) {
      await this.#backOff();
      const told = await this.#tellAbort(reason).catch(() => false);
      if (told) return;
    }
  }

  /** Not all at the same moment, where many lost the same destination. */
  async #backOff(): Promise<void> {
    const { clock, random = Math.random } = this.#deps;
    await sleep(clock, this.#backoffMs * (0.5 + random() / 2));
    this.#backoffMs = Math.min(longestBackoffMs, this.#backoffMs * 2);
  }

  async #tellAbort(reason: FerryError): Promise<boolean> {
    const link = await this.#deps.connect('ask');
    const { code, message: text } = reason;
    const told = await new Promise<boolean>((resolve) => {
      const cancel = this.#deps.clock.after(answerTimeoutMs, () => resolve(false));
      const end = (done: boolean): void => {
        cancel();
        resolve(done);
      };
      link.handlers = {
        onMessage: (message: Message) => {
          if (message.type === 'HELLO_ACK')
            link.send({ type: 'ABORT', scope: 'session', code, text });
          else end(message.type === 'ABORTED');
        },
        onClosed: () => end(false),
      };
    });
    await link.close();
    return told;
  }
}
