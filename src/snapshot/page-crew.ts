import { availableParallelism } from 'node:os';
import { FerryError } from '../errors.js';
import { PageArea } from './page-area.js';
import type { PageAnswer, PageMarks, PageOrder } from './page-orders.js';
import type { RebuildOrder } from './page-rebuild.js';
import { type PageThread, type StartPageThread, startPageWorker } from './page-thread.js';
import type { LookOrder, LookResult } from './page-work.js';

/** Orders that wait or are carried out, a thread: it never waits for the next one. */
const areasPerThread = 4;
/** More threads than that wait for the one that stores. */
export const mostPageThreads = 4;

/** Pages that were looked at. */
export interface Look extends LookResult {
  readonly area: PageArea;
  /** Gives the area back: nothing of it may be looked at afterwards. */
  release(): void;
}

interface Member {
  readonly thread: PageThread;
  areas: readonly PageArea[];
  /** Indexes of areas that nobody uses. */
  free: number[];
  /** Orders it has not answered. */
  load: number;
}

interface Waiting {
  readonly member: Member;
  readonly answered: (answer: Exclude<PageAnswer, { memory: unknown }>) => void;
  readonly failed: (error: FerryError) => void;
}

/** What is known of the parent's pages: nothing; their ids, 16 bytes each; their fingerprints, 8 bytes each. */
export type ParentPages =
  | { readonly compare: 'nothing' }
  | { readonly compare: 'ids' | 'fingerprints'; readonly bytes: Uint8Array };

/** Threads that read pages, make their ids and compress them. */
export class PageCrew {
  readonly #members: Member[] = [];
  readonly #waiting = new Map<number, Waiting>();
  /** Whoever wants an area while none is free, the first first. */
  readonly #wanting: (() => void)[] = [];
  #orders = 0;
  #fault: FerryError | undefined;

  private constructor() {}

  /** ERR_NO_CAPACITY if a thread cannot be started. */
  static async start(
    threads: number,
    startThread: StartPageThread = startPageWorker,
  ): Promise<PageCrew> {
    const crew = new PageCrew();
    try {
      await Promise.all(Array.from({ length: threads }, () => crew.#add(startThread)));
    } catch (error) {
      await crew.close();
      throw error;
    }
    return crew;
  }

  #add(startThread: StartPageThread): Promise<void> {
    return new Promise((resolve, reject) => {
      const heard = (answer: PageAnswer): void => {
        if (!('memory' in answer)) {
          this.#heard(answer);
          return;
        }
        member.areas = answer.addresses.map((address) => new PageArea(answer.memory, address));
        member.free = member.areas.map((_, index) => index);
        resolve();
      };
      const lost = (reason: string): void => {
        const error = new FerryError('ERR_NO_CAPACITY', `a thread was lost: ${reason}`);
        reject(error);
        this.#fail(error);
      };
      const thread = startThread({ areas: areasPerThread }, heard, lost);
      const member: Member = { thread, areas: [], free: [], load: 0 };
      this.#members.push(member);
    });
  }

  get threads(): number {
    return this.#members.length;
  }

  /** Says what pages are known by, before the first of them. */
  begin(marks: PageMarks): void {
    for (const { thread } of this.#members) thread.tell({ do: 'begin', marks });
  }

  /**
   * Looks at pages of an open file. Waits for an area where none is free. ERR_IO, ERR_SOURCE_CHANGED.
   */
  async look(order: Omit<LookOrder, 'compare'>, parent: ParentPages): Promise<Look> {
    const { member, index, area } = await this.#takeArea();
    const release = (): void => {
      member.free.push(index);
      this.#wanting.shift()?.();
    };
    try {
      const { compare } = parent;
      if (compare !== 'nothing') area.parent(compare).set(parent.bytes);
      const look = { ...order, compare };
      const answer = await this.#ask(member, (id) => ({ id, do: 'look', area: index, look }));
      if (!('look' in answer)) throw new RangeError('no look');
      return { area, ...answer.look, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Writes pages of a snapshot to an open file. ERR_STORE_CORRUPT, ERR_IO, ERR_DISK_FULL. */
  async rebuild(rebuild: RebuildOrder): Promise<void> {
    await this.#ask(this.#idlest(), (id) => ({ id, do: 'rebuild', rebuild }));
  }

  /** Ends the threads. Orders that are under way fail with ERR_ABORTED. */
  async close(): Promise<void> {
    this.#fail(new FerryError('ERR_ABORTED', 'it was closed'));
    await Promise.all(this.#members.map(({ thread }) => thread.close()));
  }

  async #takeArea(): Promise<{ member: Member; index: number; area: PageArea }> {
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault;
      const member = this.#members
        .filter(({ free }) => free.length > 0)
        .reduce<Member | undefined>(idler, undefined);
      const index = member?.free.pop();
      const area = index === undefined ? undefined : member?.areas[index];
      if (member !== undefined && index !== undefined && area !== undefined) {
        return { member, index, area };
      }
      await new Promise<void>((resolve) => this.#wanting.push(resolve));
    }
  }

  #idlest(): Member {
    const member = this.#members.reduce<Member | undefined>(idler, undefined);
    if (member === undefined) throw new RangeError('no threads');
    return member;
  }

  #ask(
    member: Member,
    order: (id: number) => PageOrder,
  ): Promise<Exclude<PageAnswer, { memory: unknown }>> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    const id = this.#orders;
    this.#orders += 1;
    member.load += 1;
    return new Promise((answered, failed) => {
      this.#waiting.set(id, { member, answered, failed });
      member.thread.tell(order(id));
    });
  }

  #heard(answer: Exclude<PageAnswer, { memory: unknown }>): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    waiting.member.load -= 1;
    if ('code' in answer) waiting.failed(new FerryError(answer.code, answer.message));
    else waiting.answered(answer);
  }

  #fail(error: FerryError): void {
    if (this.#fault !== undefined) return;
    this.#fault = error;
    for (const { failed } of this.#waiting.values()) failed(error);
    this.#waiting.clear();
    for (const wake of this.#wanting.splice(0)) wake();
  }
}

function idler(best: Member | undefined, member: Member): Member {
  return best === undefined || member.load < best.load ? member : best;
}

/** Starts a crew while other things are done. It has to be ended, also if it cannot be started: ERR_NO_CAPACITY for whoever awaits it. */
export function startCrew(threads: number = defaultPageThreads()): {
  readonly crew: Promise<PageCrew>;
  readonly end: () => Promise<void>;
} {
  const crew = PageCrew.start(threads);
  crew.catch(() => {});
  const end = (): Promise<void> =>
    crew.then(
      (started) => started.close(),
      () => {},
    );
  return { crew, end };
}

/** One a processor, as far as that helps. */
function defaultPageThreads(): number {
  return Math.min(mostPageThreads, availableParallelism());
}
