import { stepDestination } from '../../../src/migration/destination-machine.js';
import type {
  DestinationEffect,
  DestinationEvent,
  DestinationState,
} from '../../../src/migration/destination-states.js';
import { InputReader, InputWriter } from '../input.js';
import { few } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';
import { digests, pages, pick, readError, readMessage } from './machine-input.js';

const writer = new InputWriter();
/** The events of a migration that goes well, as bytes: see `readEvent` and `readMessage`. */
const path = [
  [0, 1, 0],
  [1],
  [2, 1, 1],
  [0, 12, 0],
  [4, 0, 0],
  [5, 0],
  [0, 16, 0],
  [8, 0],
  [11],
] as const;

/** The destination's machine from its beginning on: some way along the path, and then anything. Input: events. */
export const destinationMachine: Target = {
  name: 'destination-machine',
  make(random) {
    for (const event of path.slice(0, random.below(path.length + 1))) {
      if (random.below(16) === 0) continue;
      for (const byte of event) writer.u8(byte);
      if (random.below(12) === 0) writer.u8(random.below(14)).u8(random.below(23));
    }
    for (let events = few(random, 24); events > 0; events--) {
      if (random.below(3) === 0)
        for (const byte of path[random.below(path.length)] ?? []) writer.u8(byte);
      else
        writer
          .u8(random.below(16))
          .u8(random.u32() & 0xff)
          .u8(random.u32() & 0xff);
    }
    return writer.take();
  },
  run(input) {
    const reader = new InputReader(input);
    const watch = new Watch();
    let state: DestinationState = { phase: 'awaiting-offer' };
    while (!reader.isEmpty) {
      const event = readEvent(reader);
      const before: DestinationState = state;
      let effects: readonly DestinationEffect[];
      try {
        ({ state, effects } = stepDestination(before, event));
      } catch (error) {
        refusal(error);
        const broken: DestinationEvent = { type: 'broken', error: readError(reader) };
        ({ state, effects } = stepDestination(before, broken));
        watch.see(before, broken, state, effects);
        continue;
      }
      watch.see(before, event, state, effects);
    }
    return state.phase;
  },
};

/** What the effects of one machine so far mean for its guest. */
class Watch {
  #starts = 0;
  #discarded = false;
  /** READY stands: given, and not taken back by the source. */
  #promised = false;

  see(
    before: DestinationState,
    event: DestinationEvent,
    after: DestinationState,
    effects: readonly DestinationEffect[],
  ): void {
    const said = event.type === 'message' ? event.message : undefined;
    const isWord = event.type === 'resolved';
    if (said?.type === 'ABORT' && before.phase !== 'starting') this.#promised = false;
    for (const effect of effects) {
      if (effect.do === 'send' && effect.message.type === 'READY') this.#promised = true;
      if (effect.do === 'start') {
        this.#starts += 1;
        const isCommit =
          before.phase === 'ready' &&
          said?.type === 'COMMIT' &&
          Buffer.compare(said.digest, before.prepare.digest) === 0;
        expectThat(isCommit || (isWord && before.phase === 'ready'), `start at ${event.type}`);
        expectThat(this.#starts === 1, 'started twice');
        expectThat(this.#promised, 'started without READY');
        expectThat(!this.#discarded, 'started what was discarded');
      }
      if (effect.do === 'discard') {
        this.#discarded = true;
        expectThat(before.phase !== 'running', 'discarded while it runs');
        const mayBreak =
          isWord || event.type === 'gave-up-waiting' || event.type === 'start-failed';
        expectThat(!this.#promised || mayBreak, `the promise is broken at ${event.type}`);
      }
    }
    if (before.phase === 'running') expectThat(after.phase === 'running', 'no longer running');
    if (after.phase === 'running') expectThat(this.#starts === 1, 'runs without a start');
  }
}

function readEvent(input: InputReader): DestinationEvent {
  switch (input.u8() % 16) {
    case 1:
      return { type: 'admitted', bases: ['zero'] };
    case 2:
      return { type: 'pages', channel: input.u8() % 4, seq: input.u8() % 5, message: pages };
    case 3:
      return { type: 'gathered', generation: 1 + (input.u8() % 2) };
    case 4:
      return {
        type: 'verified',
        generation: 1 + (input.u8() % 2),
        digest: pick(digests, input.u8()),
      };
    case 5:
      return { type: 'loaded', generation: 1 + (input.u8() % 2) };
    case 6:
      return { type: 'refused', error: readError(input) };
    case 7:
      return { type: 'broken', error: readError(input) };
    case 8:
      return {
        type: 'started',
        running: {
          type: 'RUNNING',
          digest: pick(digests, input.u8()),
          verifyMs: 0,
          loadMs: 0,
          acquireMs: 0,
          resumeMs: 0,
        },
      };
    case 9:
      return { type: 'start-failed', error: readError(input) };
    case 10:
      return { type: 'closed', error: readError(input) };
    case 11:
      return { type: 'asked' };
    case 12:
      return { type: 'gave-up-waiting' };
    case 13:
      return { type: 'cancelled', error: readError(input) };
    case 14:
      return { type: 'resolved', verdict: input.u8() % 2 === 0 ? 'resume' : 'abandon' };
    case 15:
      return {
        type: 'channel-closed',
        channel: 1 + (input.u8() % 4),
        lastAppliedSeq: input.u8() % 5,
      };
    default:
      return { type: 'message', message: readMessage(input) };
  }
}
