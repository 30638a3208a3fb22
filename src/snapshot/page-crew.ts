import { availableParallelism } from 'node:os';
import { FerryError } from '../errors.js';
import { PageArea } from './page-area.js';
import type { PageAnswer, PageOrder, PageThreadSetup } from './page-orders.js';
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
    setup: Omit<PageThreadSetup, 'areas'>,
    startThread: StartPageThread = startPageWorker,
  ): Promise<PageCrew> {
    const crew = new PageCrew();
    try {
      await Promise.all(Array.from({ length: threads }, () => crew.#add(setup, startThread)));
    } catch (error) {
      await crew.close();
      throw error;
    }
    return crew;
  }

  #add(setup: Omit<PageThreadSetup, 'areas'>, startThread: StartPageThread): Promise<void> {
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
      const thread = startThread({ ...setup, areas: areasPerThread }, heard, lost);
      const member: Member = { thread, areas: [], free: [], load: 0 };
      this.#members.push(member);
    });
  }

  /**
   * Looks at pages of an open file; `parentIds`: 16 bytes for each of the parent's. Waits for an area where none is free. ERR_IO, ERR_SOURCE_CHANGED.
   */
  async look(order: Omit<LookOrder, 'hasParent'>, parentIds?: Uint8Array): Promise<Look> {
    const { member, index, area } = await this.#takeArea();
    const release = (): void => {
      member.free.push(index);
      this.#wanting.shift()?.();
    };
    try {
      if (parentIds !== undefined) area.parentIds.set(parentIds);
      const look = { ...order, hasParent: parentIds !== undefined };
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

/** One a processor, as far as that helps. */
export function defaultPageThreads(): number {
  return Math.min(mostPageThreads, availableParallelism());
}
