import { FerryError } from '../errors.js';
import { decodeMessage } from '../protocol/decode.js';
import { maxChannels } from '../protocol/limits.js';
import type { Accept, Message } from '../protocol/messages.js';
import type { Channel } from '../transport/channel.js';
import { memoryPair } from '../transport/index.js';
import { type Clock, systemClock } from './clock.js';
import type { RecordedItem } from './recording-reader.js';
import { type AnswerMessage, answerOf, isAnswer } from './replay-answers.js';
import { ReplayGate } from './replay-gate.js';
import { replayGuest } from './replay-guest.js';
import { Sessions } from './sessions.js';

type Frame = Extract<RecordedItem, { kind: 'frame' }>;
type Step = Extract<RecordedItem, { kind: 'step' }>;

/** Longest wait for an answer that the recording shows. */
const answerTimeoutMs = 60_000;

/** One recorded connection, replayed: our end of a channel in memory, and what the destination answered on it. */
interface Line {
  readonly channel: Channel;
  readonly answers: string[];
  session: string;
}

/** Every outcome of a session that followed from the recorded destination's circumstances rather than from the frames. */
interface Circumstances {
  readonly accept: ReplayGate<Accept['bases']>;
  readonly load: ReplayGate<void>;
  readonly start: ReplayGate<void>;
}

/**
 * Runs a recording's frames from the source through framer, decoder and real destination sessions over channels in memory. The recorded
 * answers say when the next frame is due, and what must be answered.
 */
export class DestinationReplay {
  readonly #sessions: Sessions;
  readonly #lines = new Map<number, Line>();
  readonly #circumstances = new Map<string, Circumstances>();
  readonly #phases = new Map<string, string[]>();
  #wake: () => void = () => {};
  frames = 0;
  transitions = 0;

  constructor() {
    this.#sessions = new Sessions({
      accept: async (offer, session) => {
        const { accept, load, start } = this.#circumstancesOf(session);
        const bases = await accept.wait();
        return replayGuest(offer, bases, {
          load: () => load.wait(),
          start: () => start.wait(),
        });
      },
      limits: {
        maxImageBytes: Number.MAX_SAFE_INTEGER,
        maxStateBytes: Number.MAX_SAFE_INTEGER,
        maxSessionBytes: Number.POSITIVE_INFINITY,
      },
      clock: timeless,
      maxSessions: Number.POSITIVE_INFINITY,
      maxConnections: maxChannels,
      emit: () => {},
      onArrival: () => {},
      onFailure: () => {},
      onStep: (session, _event, state) => {
        this.transitions += 1;
        const phases = this.#phases.get(session) ?? [];
        if (phases.at(-1) !== state.phase) phases.push(state.phase);
        this.#phases.set(session, phases);
      },
    });
  }

  /** The phases a session went through, repetitions left out. */
  phasesOf(session: string): readonly string[] {
    return this.#phases.get(session) ?? [];
  }

  get sessions(): readonly string[] {
    return [...this.#phases.keys()];
  }

  /** Sends one frame of the source and waits until it arrived. */
  async send({ connection, frame, decoded }: Frame): Promise<void> {
    const line = this.#lines.get(connection) ?? this.#connect(connection);
    const { message } = decoded;
    if (message.type === 'HELLO') line.session = Buffer.from(message.session).toString('hex');
    if (message.type === 'PREPARE') this.#circumstancesOf(line.session).load.shut();
    this.frames += 1;
    const bytes = Uint8Array.from(frame);
    await new Promise<void>((resolve) => line.channel.send(bytes, resolve));
  }

  /** Waits for the destination to answer as recorded. The first difference, in words. */
  async expect({ connection, decoded }: Frame): Promise<string | undefined> {
    const { message } = decoded;
    const line = this.#lines.get(connection);
    if (line === undefined || !isAnswer(message)) return undefined;
    this.#settle(line.session, message);
    const expected = answerOf(message);
    const answer = await this.#nextAnswer(line);
    if (answer === expected) return undefined;
    return `after ${this.frames} frames the destination answers ${answer}, recorded was ${expected}`;
  }

  /** A recorded step of the destination that no frame causes. */
  async circumstance({ session, event }: Step): Promise<void> {
    if (session === undefined) return;
    const { start } = this.#circumstancesOf(session);
    const driver = this.#sessions.get(session);
    const { type, error, verdict } = event;
    if (type === 'started') start.open();
    else if (error instanceof FerryError) {
      if (type === 'start-failed') start.refuse(error);
      if (type === 'refused') this.#circumstancesOf(session).accept.refuse(error);
      if (type === 'cancelled') driver?.cancel(error);
      if (type === 'closed') this.#hangUp(session);
    } else if (type === 'resolved' && (verdict === 'resume' || verdict === 'abandon')) {
      driver?.resolve(verdict);
    }
    await turns();
  }

  /** Closes what is still open and lets everything come to rest. */
  async end(): Promise<void> {
    for (const { channel } of this.#lines.values()) channel.destroy();
    await turns();
  }

  #connect(connection: number): Line {
    const { a, b } = memoryPair();
    const line: Line = { channel: a, answers: [], session: '' };
    a.onFrame = (frame) => {
      const { message } = decodeMessage(frame);
      if (!isAnswer(message)) return;
      line.answers.push(answerOf(message));
      this.#wake();
    };
    a.onClose = () => this.#wake();
    this.#lines.set(connection, line);
    this.#sessions.greet(b);
    return line;
  }

  #circumstancesOf(session: string): Circumstances {
    const known = this.#circumstances.get(session);
    if (known !== undefined) return known;
    const made = {
      accept: new ReplayGate<Accept['bases']>(),
      load: new ReplayGate<void>(),
      start: new ReplayGate<void>(),
    };
    this.#circumstances.set(session, made);
    return made;
  }

  #settle(session: string, message: Extract<Message, { type: AnswerMessage }>): void {
    const { accept, load, start } = this.#circumstancesOf(session);
    switch (message.type) {
      case 'ACCEPT':
        accept.open(message.bases);
        return;
      case 'REJECT':
        accept.refuse(new FerryError(message.code, message.text));
        return;
      case 'READY':
      case 'ABORTED':
        load.open();
        return;
      case 'FAILED': {
        const error = new FerryError(message.code, message.text);
        load.refuse(error);
        this.#sessions.get(session)?.cancel(error);
        return;
      }
      case 'RUNNING':
        start.open();
        return;
      case 'START_FAILED':
        start.refuse(new FerryError(message.code, message.text));
        return;
      case 'HELLO_ACK':
      case 'HASHES':
      case 'CHANNEL_CLOSED':
        return;
      default:
        message satisfies never;
    }
  }

  #hangUp(session: string): void {
    for (const line of this.#lines.values()) {
      if (line.session === session) line.channel.destroy();
    }
  }

  async #nextAnswer(line: Line): Promise<string> {
    const deadline = performance.now() + answerTimeoutMs;
    while (line.answers.length === 0 && performance.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return line.answers.shift() ?? 'nothing';
  }
}

/** A clock whose timers never ring: what followed from time is in the recording. */
const timeless: Clock = { ...systemClock, after: () => () => {} };

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
