import { messageType } from '../../src/protocol/messages.js';
import { type MemoryPair, memoryPair } from '../../src/transport/memory-pair.js';
import type { Crash, Scenario } from './scenario.js';
import { typeOffset } from './tamper.js';
import type { VirtualClock } from './virtual-clock.js';

/** How often a link over which nothing comes any more is looked at, virtual milliseconds. */
const silentTurnMs = 50;

type Fate = 'link' | Crash['side'];

/** Every connection of one simulated migration, from 0 in the order they were made. */
export class SimLinks {
  readonly pairs: MemoryPair[] = [];
  readonly #scenario: Scenario;
  readonly #clock: VirtualClock;
  readonly #onCrash: (side: Crash['side']) => void;
  #hasTurned = false;

  /** `onCrash`: so much has arrived that this side's process ends. */
  constructor(scenario: Scenario, clock: VirtualClock, onCrash: (side: Crash['side']) => void) {
    this.#scenario = scenario;
    this.#clock = clock;
    this.#onCrash = onCrash;
  }

  open(): MemoryPair {
    const { pairs } = this;
    const { cuts, cutAfterBytes, cutConnection = 0, silences, crash, lingersMs } = this.#scenario;
    const {
      latencyMs = 0.1,
      pagesLatencyMs = latencyMs,
      latenciesMs,
      bytesPerTurn,
    } = this.#scenario;
    const at = pairs.length;
    const cut = cuts?.[at] ?? (at === cutConnection ? cutAfterBytes : undefined);
    const silence = silences?.[at] ?? Number.POSITIVE_INFINITY;
    const turnMs = latenciesMs?.[at] ?? (at === 0 ? latencyMs : pagesLatencyMs);
    /** What ends once so many bytes have arrived. */
    let due: { readonly bytes: number; readonly fate: Fate } | undefined =
      crash?.connection === at ? { bytes: crash.afterBytes, fate: crash.side } : undefined;
    const delivered = (): number => pairs[at]?.deliveredBytes ?? 0;
    const pair = memoryPair({
      schedule: (task) => {
        this.#clock.after(delivered() >= silence ? silentTurnMs : turnMs, () => {
          task();
          if (due === undefined || delivered() < due.bytes) return;
          const { fate } = due;
          due = undefined;
          if (fate === 'link') pair.cut();
          else this.#onCrash(fate);
        });
      },
      fragment: (available) => {
        const most = Math.min(silence, due?.bytes ?? silence) - delivered();
        return Math.min(available, bytesPerTurn ?? available, Math.max(0, most));
      },
      ...(cut === undefined ? {} : { cutAfterBytes: cut }),
      ...(lingersMs === undefined
        ? {}
        : { lingers: (end: () => void) => void this.#clock.after(lingersMs, end) }),
    });
    this.#watch(pair, (moreBytes, fate) => {
      due = { bytes: delivered() + moreBytes, fate };
    });
    pairs.push(pair);
    return pair;
  }

  /** One side's process is gone: what it had sent goes on arriving where links linger, and the other side is told. */
  lose(side: Crash['side']): void {
    for (const pair of this.pairs) {
      if (side === 'destination') pair.b.destroy();
      else if (this.#scenario.lingersMs === undefined) pair.a.destroy();
      else pair.cut();
    }
  }

  /** Says once when the message has been sent that the scenario waits for. */
  #watch(pair: MemoryPair, turned: (moreBytes: number, fate: Fate) => void): void {
    const { turn } = this.#scenario;
    if (turn === undefined) return;
    for (const channel of [pair.a, pair.b]) {
      const send = channel.send.bind(channel);
      channel.send = (frame, released) => {
        if (!this.#hasTurned && frame[typeOffset] === messageType[turn.on]) {
          this.#hasTurned = true;
          turned(turn.moreBytes, turn.ends);
        }
        return send(frame, released);
      };
    }
  }
}
