import { asFerryError, type FerryError } from '../errors.js';
import { Framer, firstAreaBytes } from '../protocol/index.js';

/** What an intake reports to its channel. */
export interface IntakeHandler {
  onFrame(frame: Uint8Array): void | Promise<void>;
  /** Reading may go on: the frame that paused it is done, and so is all that had arrived. */
  onResume(): void;
  /** The bytes are no protocol, or `onFrame` failed. Nothing is delivered any more. */
  onFailure(reason: FerryError): void;
}

/** Bytes that can be read while the area is full. */
const spillBytes = 4096;
const nothing = new Uint8Array(0);

/**
 * The receiving half of a channel: bytes in, frames out one at a time, pausing while one is handled.
 * Every transport reads through this, so that they differ in how bytes arrive and in nothing else.
 */
export class Intake {
  readonly #framer: Framer;
  #spill: Uint8Array | undefined;
  #handler: IntakeHandler | undefined;
  #state: 'reading' | 'handling' | 'stopped' = 'reading';
  /** Bytes that arrived and did not fit the framer yet. */
  #rest: Uint8Array = nothing;

  /** `areaBytes`: the largest frame that is taken, until `useArea` says otherwise. */
  constructor(areaBytes: number = firstAreaBytes) {
    this.#framer = new Framer(new Uint8Array(areaBytes));
  }

  /** Names the channel behind; call once, before the first bytes arrive. */
  attach(handler: IntakeHandler): void {
    this.#handler = handler;
  }

  /** Whether the stream, should it end now, ends inside a frame. */
  get insideFrame(): boolean {
    return this.#framer.pendingBytes + this.#rest.length > 0;
  }

  /** Where to read the next bytes to; never empty. What comes there must be accepted before the next call. */
  space(): Uint8Array {
    const space = this.#framer.space();
    // Behind a paused frame the area may be full, or about to be filled with the rest of what came.
    const mustSpill = this.#state === 'stopped' || this.#rest.length > 0 || space.length === 0;
    if (!mustSpill) return space;
    this.#spill ??= new Uint8Array(spillBytes);
    return this.#spill;
  }

  /** Takes bytes in. False: stop reading until `onResume`. Once stopped bytes are dropped. */
  accept(chunk: Uint8Array): boolean {
    if (this.#state === 'stopped') return true;
    this.#rest = chunk;
    return this.#deliver();
  }

  /** See `Channel.receiveInto`. */
  useArea(area: Uint8Array): void {
    this.#framer.useArea(area);
  }

  /** No frame is delivered any more. */
  stop(): void {
    this.#state = 'stopped';
    this.#rest = nothing;
  }

  /** Delivers frames until one takes time, or there is none. True: more bytes are wanted. */
  #deliver(): boolean {
    try {
      while (this.#state === 'reading') {
        this.#rest = this.#rest.subarray(this.#framer.push(this.#rest));
        const frame = this.#framer.next();
        if (frame !== undefined) this.#handle(frame);
        else if (this.#rest.length === 0) return true;
      }
    } catch (error) {
      this.#fail(error);
    }
    return this.#state === 'stopped';
  }

  #handle(frame: Uint8Array): void {
    const done = this.#handler?.onFrame(frame);
    if (done === undefined) return;
    if (this.#state === 'reading') this.#state = 'handling';
    done.then(
      () => this.#handled(),
      (error: unknown) => this.#fail(error),
    );
  }

  #handled(): void {
    if (this.#state === 'stopped') return;
    this.#state = 'reading';
    if (this.#deliver()) this.#handler?.onResume();
  }

  #fail(error: unknown): void {
    if (this.#state === 'stopped') return;
    this.stop();
    this.#handler?.onFailure(asFerryError(error, 'ERR_IO'));
  }
}
