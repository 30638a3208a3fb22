import type { Socket } from 'node:net';
import {
  type FrameHeader,
  Framer,
  headerBytes,
  type MessageName,
  maxFrameBytes,
  readHeader,
} from '../../src/protocol/index.js';
import { type Crossing, CrossingServer } from '../links/crossing.js';

/** One frame on its way through. */
export interface PassingFrame {
  readonly connection: number;
  readonly from: 'source' | 'destination';
  readonly type: MessageName;
  readonly header: FrameHeader;
  /** Where it begins in all that its end has sent on this connection. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What becomes of a frame: `hold` keeps it and all behind it until `release`. */
export type Fate =
  | 'pass'
  | 'hold'
  | 'swallow'
  /** The connection is reset for both. */
  | 'cut'
  /** This direction ends before the frame, as if in order, and says nothing more; the other goes on. */
  | 'half-close'
  /** These bytes go on instead; `end`: then both streams end, as if in order. */
  | { readonly send: Uint8Array; readonly end?: boolean };

export type Tamper = (frame: PassingFrame) => Fate;

/** A TCP proxy before a destination that knows where frames begin and does to them what `tamper` says. */
export class FrameProxy {
  readonly #tamper: Tamper;
  readonly #server: CrossingServer;
  readonly #pipes = new Set<Pipe>();
  readonly #seen: PassingFrame[] = [];
  #waiting: { readonly wanted: (frame: PassingFrame) => boolean; resolve(): void }[] = [];

  private constructor(target: number, tamper: Tamper) {
    this.#tamper = tamper;
    this.#server = new CrossingServer(target, (...ends) => this.#join(...ends));
  }

  /** Listens on `port`; by default on a free one. */
  static async open(target: number, tamper: Tamper, port?: number): Promise<FrameProxy> {
    const proxy = new FrameProxy(target, tamper);
    await proxy.#server.listen(port);
    return proxy;
  }

  get port(): number {
    return this.#server.port;
  }

  get frames(): readonly PassingFrame[] {
    return this.#seen;
  }

  /** Resolves once a frame of this type came by, whatever became of it. */
  saw(type: MessageName): Promise<void> {
    const wanted = (frame: PassingFrame): boolean => frame.type === type;
    if (this.#seen.some(wanted)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ wanted, resolve }));
  }

  /** Lets everything held go on. */
  release(): void {
    for (const pipe of this.#pipes) pipe.release();
  }

  /** Resets every connection. */
  cut(): void {
    this.#server.cut();
  }

  close(): void {
    this.#server.close();
  }

  #join(source: Socket, destination: Socket, connection: number): Crossing {
    const judge = (from: PassingFrame['from']) => {
      return (bytes: Uint8Array, at: number): Fate => {
        const header = readHeader(bytes);
        const frame = { connection, from, type: header.type, header, at, bytes };
        this.#note(frame);
        return this.#tamper(frame);
      };
    };
    const pipes = [
      new Pipe(source, destination, judge('source')),
      new Pipe(destination, source, judge('destination')),
    ];
    for (const pipe of pipes) this.#pipes.add(pipe);
    const cut = (): void => {
      for (const pipe of pipes) pipe.cut();
    };
    return { cut, lost: cut };
  }

  #note(frame: PassingFrame): void {
    this.#seen.push({ ...frame, bytes: frame.bytes.slice(0, headerBytes) });
    const due = this.#waiting.filter(({ wanted }) => wanted(frame));
    this.#waiting = this.#waiting.filter(({ wanted }) => !wanted(frame));
    for (const { resolve } of due) resolve();
  }
}

/** One direction of one connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #judge: (bytes: Uint8Array, at: number) => Fate;
  readonly #framer = new Framer(new Uint8Array(2 * maxFrameBytes));
  #at = 0;
  #state: 'open' | 'holding' | 'over' = 'open';
  /** Behind a held frame: what is to be written once it is released. */
  #held: Uint8Array[] = [];
  #endHeld = false;

  constructor(from: Socket, to: Socket, judge: (bytes: Uint8Array, at: number) => Fate) {
    this.#from = from;
    this.#to = to;
    this.#judge = judge;
    from.on('data', (chunk) => this.#take(chunk));
    from.on('end', () => this.#end());
  }

  release(): void {
    if (this.#state !== 'holding') return;
    this.#state = 'open';
    for (const bytes of this.#held.splice(0)) this.#write(bytes);
    if (this.#endHeld) this.#to.end();
  }

  cut(): void {
    this.#state = 'over';
    this.#from.resetAndDestroy();
    this.#to.resetAndDestroy();
  }

  #take(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0; ) {
      rest = rest.subarray(this.#framer.push(rest));
      for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
        if (this.#state !== 'over') this.#pass(frame.slice());
      }
    }
  }

  #pass(frame: Uint8Array): void {
    const fate = this.#judge(frame, this.#at);
    this.#at += frame.length;
    if (fate === 'pass') this.#write(frame);
    else if (fate === 'cut') this.cut();
    else if (fate === 'hold') {
      this.#state = 'holding';
      this.#held.push(frame);
    } else if (fate === 'half-close') {
      this.#state = 'over';
      this.#to.end();
    } else if (fate !== 'swallow') {
      this.#write(fate.send);
      if (fate.end !== true) return;
      this.#state = 'over';
      this.#to.end();
      this.#from.end();
    }
  }

  #write(bytes: Uint8Array): void {
    if (this.#state === 'holding') {
      this.#held.push(bytes);
      return;
    }
    if (this.#to.destroyed || this.#to.write(bytes)) return;
    this.#from.pause();
    this.#to.once('drain', () => this.#from.resume());
  }

  #end(): void {
    if (this.#state === 'holding') this.#endHeld = true;
    else this.#to.end();
  }
}
