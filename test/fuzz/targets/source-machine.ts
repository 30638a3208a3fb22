import { stepSource } from '../../../src/migration/source-machine.js';
import type {
  SourceEffect,
  SourceEvent,
  SourcePlan,
  SourceState,
} from '../../../src/migration/source-states.js';
import { InputReader, InputWriter } from '../input.js';
import { few } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';
import { digests, offerOf, pick, readError, readMessage } from './machine-input.js';

const writer = new InputWriter();
/** The events of a migration that goes well, as bytes: see `readEvent` and `readMessage`. */
const path = [
  [0, 0, 0],
  [0, 2, 0],
  [1, 0],
  [2],
  [3, 0],
  [0, 14, 0],
  [7, 0],
  [8],
  [0, 0, 2],
  [0, 17, 0],
] as const;

function planOf(handsOver: boolean): SourcePlan {
  return {
    offer: offerOf(handsOver),
    limits: {
      motion: 'pausable',
      maxDowntimeMs: 50,
      settle: 'first',
      onStall: 'cancel',
      stallRounds: 5,
      stallMs: 1000,
      maxRetreats: 3,
    },
    generation: () => 1,
  };
}
const plans = [planOf(true), planOf(false)] as const;

/** The source's machine from a greeting on: some way along the path, and then anything. Input: u8 plan, then events. */
export const sourceMachine: Target = {
  name: 'source-machine',
  make(random) {
    writer.u8(random.below(8) === 0 ? 1 : 0);
    for (const event of path.slice(0, random.below(path.length + 1))) {
      if (random.below(16) === 0) continue;
      for (const byte of event) writer.u8(byte);
      if (random.below(12) === 0) writer.u8(random.below(12)).u8(random.below(23));
    }
    for (let events = few(random, 24); events > 0; events--) {
      if (random.below(3) === 0)
        for (const byte of path[random.below(path.length)] ?? []) writer.u8(byte);
      else
        writer
          .u8(random.below(15))
          .u8(random.u32() & 0xff)
          .u8(random.u32() & 0xff);
    }
    return writer.take();
  },
  run(input) {
    const reader = new InputReader(input);
    const plan = plans[reader.u8() % 2] ?? plans[0];
    const watch = new Watch(plan.offer.handsOver);
    let state: SourceState = { phase: 'greeting' };
    while (!reader.isEmpty) {
      const event = readEvent(reader);
      const before: SourceState = state;
      let effects: readonly SourceEffect[];
      try {
        ({ state, effects } = stepSource(before, event, plan));
      } catch (error) {
        refusal(error);
        ({ state, effects } = stepSource(
          before,
          { type: 'broken', error: readError(reader) },
          plan,
        ));
        watch.see(before, event, effects);
        continue;
      }
      watch.see(before, event, effects);
    }
    watch.end(state);
    return state.phase;
  },
};

/** What the effects of one machine so far mean for its guest. */
class Watch {
  readonly #handsOver: boolean;
  #paused = false;
  #committed = false;
  /** Somebody who may said that it does not run there. */
  #released = false;

  constructor(handsOver: boolean) {
    this.#handsOver = handsOver;
  }

  see(before: SourceState, event: SourceEvent, effects: readonly SourceEffect[]): void {
    const answer = event.type === 'message' ? event.message : undefined;
    if (answer?.type === 'START_FAILED') this.#released = true;
    if (answer?.type === 'HELLO_ACK' && answer.standing === 'aborted') this.#released = true;
    if (event.type === 'resolved' && event.verdict === 'resume') this.#released = true;
    for (const effect of effects) {
      if (effect.do === 'pause') {
        expectThat(!this.#committed, 'paused after COMMIT');
        this.#paused = true;
      }
      if (effect.do === 'send' && effect.message.type === 'COMMIT') {
        const isReady =
          before.phase === 'preparing' &&
          answer?.type === 'READY' &&
          Buffer.compare(answer.digest, before.digest) === 0;
        const isAgain = this.#committed && before.phase === 'in-doubt';
        expectThat(isReady || isAgain, `COMMIT while ${before.phase}, at ${event.type}`);
        this.#committed = true;
      }
      if (effect.do === 'run-on') expectThat(!this.#handsOver, 'runs on what was handed over');
      if (effect.do === 'resume') {
        const may = !this.#committed || this.#released || !this.#handsOver;
        expectThat(may, 'resumed after COMMIT without a word from there');
      }
      if (effect.do === 'resume' || effect.do === 'run-on') this.#paused = false;
    }
  }

  end(state: SourceState): void {
    const isOver = state.phase === 'failed' || state.phase === 'aborting';
    if (isOver && !this.#committed) expectThat(!this.#paused, `paused for good: ${state.phase}`);
    if (state.phase === 'completed') expectThat(this.#committed, 'completed without COMMIT');
  }
}

function readEvent(input: InputReader): SourceEvent {
  switch (input.u8() % 15) {
    case 1: {
      const figure = input.u8();
      return {
        type: 'round-ended',
        outcome: {
          round: 1,
          predictedDowntimeMs: figure,
          nextDowntimeMs: figure,
          pagesSent: figure,
          durationMs: 20,
          settled: figure % 8 !== 7,
        },
      };
    }
    case 2:
      return { type: 'paused' };
    case 3:
      return { type: 'last-copied', finalSeqs: [3], digest: pick(digests, input.u8()) };
    case 4:
      return { type: 'repaired', finalSeqs: [4], digest: pick(digests, input.u8()) };
    case 5:
      return { type: 'overrun', elapsedMs: 99 };
    case 6:
      return { type: 'broken', error: readError(input) };
    case 7:
      return { type: 'closed', error: readError(input) };
    case 8:
      return { type: 'reconnected' };
    case 9:
      return { type: 'gave-up-waiting' };
    case 10:
      return { type: 'cancelled', error: readError(input) };
    case 11:
      return { type: 'resolved', verdict: input.u8() % 2 === 0 ? 'resume' : 'abandon' };
    case 13:
      return { type: 'channel-lost', channel: 1 + (input.u8() % 4) };
    case 14:
      return { type: 'resent', finalSeqs: [3, 2], digest: pick(digests, input.u8()) };
    default:
      return { type: 'message', message: readMessage(input) };
  }
}
