import { FerryError } from '../../../src/errors.js';
import { bufferGuest } from '../../../src/guests/buffer.js';
import { Sessions } from '../../../src/migration/sessions.js';
import { decodeMessage } from '../../../src/protocol/index.js';
import { type MemoryPair, memoryPair } from '../../../src/transport/memory-pair.js';
import { HandClock } from '../hand-clock.js';
import { InputReader } from '../input.js';
import { sealAgain } from '../seal.js';
import { expectThat, refusal, type Target } from '../target.js';
import { imageBytes, inOrder, makeConversation, steps } from './conversation.js';

/** Where the header has them: docs/protocol.md, section 2. */
const at = { seq: 16, attempt: 24 } as const;
const mostSteps = 64;
const mostConnections = 8;

/**
 * Hostile sources at the door of a destination that takes any of them: first frames, whole conversations, several connections. A guest starts
 * at most once, and only behind READY; everything ends, with a code. Input: see `makeConversation`.
 */
export const handshake: Target = {
  name: 'handshake',
  make: makeConversation,
  async run(input) {
    const reader = new InputReader(input);
    const place = new Place();
    for (let count = 0; !reader.isEmpty && count < mostSteps; count++) await place.step(reader);
    return place.end();
  },
};

interface Connection {
  readonly pair: MemoryPair;
  seq: number;
  /** Of its first frame. */
  attempt: number | undefined;
}

/** A destination and those who connected to it, in time of its own. */
class Place {
  readonly #clock = new HandClock();
  readonly #connections: Connection[] = [];
  readonly #guests = new Map<string, { starts: number; ready: boolean }>();
  #tasks: (() => void)[] = [];
  #outcome = 'nothing';
  /** What must not be, noticed where the destination would make something else of it. */
  #wrong: unknown;
  readonly #sessions = new Sessions({
    accept: (_offer, session) => this.#accept(session),
    limits: { maxImageBytes: 1 << 20, maxStateBytes: 8192 },
    clock: this.#clock,
    maxSessions: 2,
    emit: () => {},
    onArrival: ({ session }) => {
      this.#outcome = 'arrived';
      this.#expect(this.#guests.get(session)?.starts === 1, 'arrived without a start');
    },
    onFailure: (error) => this.#note(error),
    onStranger: (error) => this.#note(error),
    onStep: (session, _event, state) => {
      const guest = this.#guests.get(session);
      if (guest !== undefined && state.phase === 'ready') guest.ready = true;
      if (guest !== undefined && state.phase === 'receiving') guest.ready = false;
    },
  });

  async step(reader: InputReader): Promise<void> {
    const step = reader.u8() % 5;
    if (step === steps.connect) this.#connect();
    else if (step === steps.wait) await this.#clock.pass(reader.u16(), () => this.#settle());
    else {
      const connection = this.#connections.at(-1 - (reader.u8() % mostConnections));
      if (step === steps.say) this.#say(reader, connection);
      else if (step === steps.close) void connection?.pair.a.close();
      else connection?.pair.cut();
    }
    await this.#settle();
  }

  /** Everybody hangs up; what was not promised is over then. */
  async end(): Promise<string> {
    for (const { pair } of this.#connections) pair.cut();
    await this.#settle();
    const closing = this.#sessions.close(new FerryError('ERR_ABORTED', 'the input is over'));
    await this.#settle();
    await closing;
    await this.#settle();
    if (this.#wrong !== undefined) throw this.#wrong;
    for (const [session, { starts }] of this.#guests) {
      const phase = this.#sessions.get(session)?.phase ?? 'unknown';
      const isOver = ['ready', 'running', 'aborted', 'start-failed'].includes(phase);
      expectThat(isOver, `a session is left ${phase}`);
      expectThat(starts === (phase === 'running' ? 1 : 0), `${starts} starts, and it is ${phase}`);
      if (phase === 'ready') this.#outcome = 'ready';
    }
    return this.#outcome;
  }

  #accept(session: string): ReturnType<typeof bufferGuest> {
    const guest = { starts: 0, ready: false };
    this.#expect(!this.#guests.has(session), 'the session is offered twice');
    this.#guests.set(session, guest);
    return bufferGuest(new Uint8Array(imageBytes), {
      fresh: true,
      maxStateBytes: 4096,
      rehearsable: true,
      saveState: () => new Uint8Array(),
      loadState: () => {},
      resume: () => {
        guest.starts += 1;
        this.#expect(guest.starts === 1, 'started twice');
        this.#expect(guest.ready, 'started before READY');
      },
    });
  }

  #connect(): void {
    if (this.#connections.length === mostConnections) return;
    const pair = memoryPair({ schedule: (task) => this.#tasks.push(task) });
    const connection: Connection = { pair, seq: 0, attempt: undefined };
    pair.a.onFrame = (frame) => {
      try {
        decodeMessage(frame);
      } catch (error) {
        this.#wrong ??= error;
      }
    };
    this.#connections.push(connection);
    this.#sessions.greet(pair.b);
  }

  #say(reader: InputReader, connection: Connection | undefined): void {
    const bits = reader.u8();
    const frame = reader.bytes(reader.u16()).slice();
    // A channel sends frames: some bytes at the least.
    if (connection === undefined || frame.length === 0) return;
    if ((bits & inOrder) !== 0 && frame.length >= 40) {
      const view = new DataView(frame.buffer, frame.byteOffset);
      connection.seq += 1;
      connection.attempt ??= view.getUint32(at.attempt, true);
      view.setUint32(at.seq, connection.seq, true);
      view.setUint32(at.attempt, connection.attempt, true);
    }
    sealAgain(frame, bits);
    connection.pair.a.send(frame);
  }

  #note(error: FerryError): void {
    try {
      this.#outcome = refusal(error);
    } catch (mistake) {
      this.#wrong ??= mistake;
    }
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#wrong ??= new Error(what);
  }

  /** Until nothing is under way: promises of the product take no real time. */
  async #settle(): Promise<void> {
    do {
      const tasks = this.#tasks;
      this.#tasks = [];
      for (const task of tasks) task();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#tasks.length > 0);
  }
}
