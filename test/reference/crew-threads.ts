import { runMember } from '../../src/migration/crew-member.js';
import type { CrewNews, StartThread } from '../../src/migration/crew-orders.js';

export interface CrewThreads extends StartThread {
  /** All of them are lost now. */
  lose(reason: string): void;
  /** Orders to capture so far. */
  captures(): number;
  /** What was heard so far. */
  news(): number;
}

/**
 * Workers on this thread: messages are copied as between threads, and what a worker says is heard when `wait` lets it. The one of which the
 * `lostAt`th news of all would be heard is lost instead.
 */
export function crewThreads(
  wait: () => Promise<unknown> | undefined,
  lostAt: number = Number.POSITIVE_INFINITY,
): CrewThreads {
  let captures = 0;
  let heardNews = 0;
  const all: ((reason: string) => void)[] = [];
  const start: StartThread = (setup, heard, lost) => {
    let isClosed = false;
    let last = Promise.resolve();
    const lose = (reason: string): void => {
      if (isClosed) return;
      isClosed = true;
      lost(reason);
    };
    all.push(lose);
    const deliver = async (news: CrewNews): Promise<void> => {
      await wait();
      heardNews += 1;
      if (heardNews === lostAt) lose('it was lost');
      if (!isClosed) heard(news);
    };
    const take = runMember(structuredClone(setup), (news) => {
      const copy = 'memory' in news ? news : structuredClone(news);
      last = last.then(() => deliver(copy));
    });
    return {
      tell(order) {
        if (order.do === 'capture') captures += 1;
        const copy = structuredClone(order);
        if (!isClosed) take(copy);
      },
      async close() {
        isClosed = true;
      },
    };
  };
  return Object.assign(start, {
    captures: () => captures,
    news: () => heardNews,
    lose: (reason: string) => {
      for (const lose of all) lose(reason);
    },
  });
}
