/** The program of a worker that `startPageWorker` starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { runPageThread } from '../snapshot/page-member.js';

parentPort?.on(
  'message',
  runPageThread(workerData, (answer) => parentPort?.postMessage(answer)),
);
