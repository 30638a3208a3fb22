import type { FerryError } from '../errors.js';

/** Who is at the other end of a channel, as the handshake before its first frame proved it. */
export interface ChannelPeer {
  /** "token ID" or "certificate NAME". */
  readonly identity: string;
  /** 32 bytes that only the two ends of this connection know, others for each context (TLS exporter: RFC 8446 7.5, RFC 5705). */
  exportSecret(context: Uint8Array): Uint8Array;
}

/**
 * An ordered, reliable pipe of whole frames (40-byte header + body, docs/protocol.md section 2). Set
 * the three callbacks before the first frame can arrive (in the same turn the channel was handed
 * over). None of them is called from within a call into the channel.
 */
export interface Channel {
  /** Names for messages and logs: "127.0.0.1:4711", "[::1]:4711". */
  readonly remote: string;
  /** Undefined: nothing was proved. */
  readonly peer: ChannelPeer | undefined;
  /** Bytes of the frames given to `send` that are not released yet. */
  readonly queuedBytes: number;
  /**
   * Queues one frame. The bytes must stay as they are until `released` is called, once, when they are
   * no longer needed (also after the channel closed). Returns false when the caller should wait for
   * `onWritable` before it sends more (more than two frames or 1 MiB are queued); the frame is queued
   * anyway. After close frames are dropped and released.
   */
  send(frame: Uint8Array, released?: () => void): boolean;
  /**
   * Receives into `area` from now on: frames as large as it fit, and views of the area before stay as
   * they are. It must not overlap the one before, must stay where it is (no memory that grows), and
   * belongs to the channel until it has closed. A channel starts with an area of its own: 128 KiB, or what
   * its listener says (`areaBytes`).
   * May be called from within `onFrame`. An area too small for what has arrived is a RangeError.
   */
  receiveInto(area: Uint8Array): void;
  /**
   * One whole frame whose header was checked (magic, version, lengths, header check) but not its
   * body's checksum. The view is valid until the call returns or its promise settles; no other frame
   * arrives before that. What it throws destroys the channel and is the reason it closes with.
   */
  onFrame: (frame: Uint8Array) => void | Promise<void>;
  /** After `send` returned false: there is room again. */
  onWritable: () => void;
  /**
   * Called once, when everything queued is released. `undefined`: the stream ended between two frames,
   * or `close` was called here. That is no promise that the peer meant to end: one that dies, even by a
   * reset, can look the same. After this, and after `close` or `destroy`, no frame arrives.
   */
  onClose: (reason: FerryError | undefined) => void;
  /** Sends what is queued, then ends. Idempotent. Resolves when closed; gives up after a second. */
  close(): Promise<void>;
  /** Ends at once; queued and unparsed bytes are dropped. The first reason given counts. */
  destroy(reason?: FerryError): void;
}
