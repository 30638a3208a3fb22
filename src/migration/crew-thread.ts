import { startThread } from '../guests/worker-thread.js';
import type { StartThread } from './crew-orders.js';

/** Starts a worker thread that captures. */
export const startWorker: StartThread = (...start) => {
  // Said so that it is found from the bundle's layers too.
  const program = new URL('../threads/crew-worker.js', import.meta.url);
  return startThread({ program, name: 'pageferry', isAwaited: false }, ...start);
};
