import { startThread, type Thread, type ThreadStart } from '../guests/worker-thread.js';
import type { PageAnswer, PageOrder, PageThreadSetup } from './page-orders.js';

/** A thread that works on pages. */
export type PageThread = Thread<PageOrder>;

export type StartPageThread = ThreadStart<PageThreadSetup, PageOrder, PageAnswer>;

/** Starts a worker thread. */
export const startPageWorker: StartPageThread = (...start) => {
  const program = new URL('../threads/page-worker.js', import.meta.url);
  return startThread({ program, name: 'pageferry pages', isAwaited: true }, ...start);
};
