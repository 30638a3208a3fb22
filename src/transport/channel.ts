import type { FerryError } from '../errors.js';

/**
 * An ordered, reliable pipe of whole frames (40-byte header + body, docs/protocol.md section 2). Set the three callbacks before the
 * first frame can arrive (in the same turn the channel was handed over).
 */
export interface Channel {
  /** Names for messages and logs: "127.0.0.1:4711". */
  readonly remote: string;
  /** Bytes handed to `send` that the system has not taken yet. */
  readonly queuedBytes: number;
  /**
   * Queues one frame. The bytes must stay as they are until `released` is called, once, when they are no longer needed (also after
   * the channel closed). Returns false when the caller should wait for `onWritable` before it sends more; the frame is queued anyway.
   * After close frames are dropped and released.
   */
  send(frame: Uint8Array, released?: () => void): boolean;
  /**
   * One whole frame whose header was checked (magic, version, lengths, header check) but not its body's checksum. The view is valid
   * until the call returns or its promise settles; no other frame arrives before that.
   */
  onFrame: (frame: Uint8Array) => void | Promise<void>;
  onWritable: () => void;
  /** Called once. `undefined`: the peer ended in an orderly way, or `close` was called here. */
  onClose: (reason: FerryError | undefined) => void;
  /** Sends what is queued, then ends. Idempotent. Resolves when closed; gives up after a second. */
  close(): Promise<void>;
  /** Ends at once; queued and unparsed bytes are dropped. */
  destroy(reason?: FerryError): void;
}
