/** The program of a thread that `Keeper` starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { keep } from '../lease/keeper-thread.js';

parentPort?.on(
  'message',
  keep(workerData, () => parentPort?.postMessage('lost')),
);
