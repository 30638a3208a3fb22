import type { CapturedFrame } from '../codec/frame-slots.js';
import type { LinearMemory } from '../core/linear-memory.js';
import { FerryError } from '../errors.js';
import type {
  CaptureNews,
  CaptureOrder,
  CrewAnswer,
  CrewNews,
  CrewOrder,
  CrewStanding,
  CrewThread,
  FrameNews,
  MemberSetup,
  QuietOrder,
  StartThread,
} from './crew-orders.js';

/** Frames a member may be ahead of what was asked for, on each channel: one under way, one to go on with. */
export const framesAhead = 2;

interface Ahead {
  /** Undefined while it is under way. */
  news: CaptureNews | undefined;
  done: Promise<void>;
}

interface Asked {
  readonly resolve: (answer: CrewAnswer) => void;
  readonly reject: (error: FerryError) => void;
}

/** A member as the thread that sends sees it. */
export class RemoteMember {
  readonly #thread: CrewThread;
  readonly #woken: () => void;
  readonly #asked: Asked[] = [];
  /** By channel, in the order they were ordered. */
  readonly #ahead: readonly Ahead[][];
  readonly #exhausted: boolean[];
  /** Counts how often there came to be dirty pages again: what was captured before says nothing of them. */
  #renewals = 0;
  readonly #frames = new WeakMap<CapturedFrame, number>();
  #released: number[] = [];
  #memory: LinearMemory | undefined;
  #standing: CrewStanding = { dirtyPages: 0, auditPagesLeft: 0 };
  #error: FerryError | undefined;

  /** `woken` is called at whatever is heard of it. */
  constructor(start: StartThread, setup: MemberSetup, woken: () => void) {
    this.#woken = woken;
    this.#ahead = Array.from({ length: setup.channels }, () => []);
    this.#exhausted = Array.from({ length: setup.channels }, () => false);
    this.#thread = start(
      setup,
      (news) => this.#heard(news),
      (reason) => this.#fail(new FerryError('ERR_GUEST', `a capture worker was lost: ${reason}`)),
    );
  }

  /** As it was behind the last order answered. */
  get standing(): CrewStanding {
    return this.#standing;
  }

  /** Carries out `order` behind all before it. Throws what it threw there, or ERR_GUEST once the thread is lost. */
  ask(order: Exclude<CrewOrder, QuietOrder>): Promise<CrewAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        reject(this.#error);
        return;
      }
      this.#asked.push({ resolve, reject });
      this.#thread.tell(order);
    });
  }

  tell(order: QuietOrder): void {
    this.#thread.tell(order);
    if (order.do !== 'sync') this.#renew();
  }

  /** There may be dirty pages again, or not: as it stands. */
  marked(): void {
    this.#exhausted.fill(this.#standing.dirtyPages === 0);
  }

  /** Has so many frames captured ahead as there may be. Throws what the member failed with. */
  order(order: Omit<CaptureOrder, 'released'>): void {
    if (this.#error !== undefined) throw this.#error;
    const ahead = this.#ahead[order.channel] ?? [];
    while (ahead.length < framesAhead && this.#exhausted[order.channel] === false) {
      const released = this.#released;
      this.#released = [];
      const renewals = this.#renewals;
      const done = this.ask({ ...order, released }).then(({ capture }) => {
        if (capture?.exhausted === true && renewals === this.#renewals)
          this.#exhausted[order.channel] = true;
        next.news = capture;
        this.#woken();
      });
      done.catch(() => {
        // It is thrown to whoever captures next.
      });
      const next: Ahead = { news: undefined, done };
      ahead.push(next);
    }
  }

  /** The next frame of the channel, and how many pages were looked at for it, if that is known. */
  take(channel: number): { frame: CapturedFrame | undefined; examinedPages: number } | undefined {
    const ahead = this.#ahead[channel] ?? [];
    const news = ahead[0]?.news;
    if (news === undefined) return undefined;
    ahead.shift();
    const { frame, examinedPages } = news;
    return { frame: frame && this.#frameOf(frame), examinedPages };
  }

  /** No dirty page of the channel is left, nor anything under way or captured. */
  isExhausted(channel: number): boolean {
    return this.#exhausted[channel] === true && this.#ahead[channel]?.length === 0;
  }

  /** Waits for what is under way, of one channel or of all; what was captured ahead is as unknown to the destination as a lost frame. */
  async settle(channel?: number): Promise<void> {
    const lanes = channel === undefined ? this.#ahead : [this.#ahead[channel] ?? []];
    const ahead = lanes.flatMap((lane) => lane.splice(0));
    for (const { done } of ahead) await done;
    for (const { news } of ahead) {
      if (news?.frame === undefined) continue;
      this.tell({ do: 'take-back', frame: news.frame.frame });
    }
  }

  /** Whether `frame` is one of this member's, which is then taken back. */
  takeBack(frame: CapturedFrame): boolean {
    const id = this.#frames.get(frame);
    if (id === undefined) return false;
    this.tell({ do: 'take-back', frame: id });
    return true;
  }

  close(): Promise<void> {
    this.#fail(new FerryError('ERR_ABORTED', 'nothing is captured any more'));
    return this.#thread.close();
  }

  #renew(): void {
    this.#renewals += 1;
    this.#exhausted.fill(false);
  }

  #frameOf(news: FrameNews): CapturedFrame {
    const { frame: id, address, byteLength, table, ...rest } = news;
    if (this.#memory === undefined) throw new FerryError('ERR_GUEST', 'a frame without a memory');
    const bytes = new Uint8Array(this.#memory.buffer, address, byteLength);
    const headerBytes = byteLength - news.bodyBytes;
    let isReleased = false;
    const frame: CapturedFrame = {
      ...rest,
      bytes,
      copyTable: () => table ?? bytes.slice(headerBytes, headerBytes + news.tableBytes),
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#released.push(id);
      },
    };
    this.#frames.set(frame, id);
    return frame;
  }

  #heard(news: CrewNews): void {
    if ('memory' in news) {
      this.#memory = news.memory;
    } else if ('error' in news) {
      this.#fail(new FerryError(news.error.code, news.error.message));
    } else {
      this.#standing = news.standing;
      this.#asked.shift()?.resolve(news.answer);
    }
  }

  #fail(error: FerryError): void {
    this.#error ??= error;
    for (const { reject } of this.#asked.splice(0)) reject(this.#error);
    this.#woken();
  }
}
