import type { FerryError } from '../../src/errors.js';
import { decodeMessage } from '../../src/protocol/index.js';
import type { Channel } from '../../src/transport/index.js';

/** One end of a channel under test, with everything that happened to it. */
export class End {
  readonly channel: Channel;
  readonly frames: Uint8Array[] = [];
  closes = 0;
  reason: FerryError | undefined;
  writable = 0;
  /** What the next frames are handled by; default: nothing. */
  handle: (frame: Uint8Array) => void | Promise<void> = () => {};
  readonly closed: Promise<void>;
  #changed: () => void = () => {};

  constructor(channel: Channel) {
    this.channel = channel;
    channel.onFrame = (frame) => {
      this.frames.push(frame.slice());
      this.#changed();
      return this.handle(frame);
    };
    channel.onWritable = () => {
      this.writable++;
      this.#changed();
    };
    this.closed = new Promise((resolve) => {
      channel.onClose = (reason) => {
        this.closes++;
        this.reason = reason;
        this.#changed();
        resolve();
      };
    });
  }

  /** Resolves once `condition` holds; looked at after everything that happens. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  tokens(): number[] {
    return this.frames.map((frame) => {
      const { message } = decodeMessage(frame);
      return message.type === 'PING' ? message.token : -1;
    });
  }
}
