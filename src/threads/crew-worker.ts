/** The program of a worker that `startWorker` starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { runMember } from '../migration/crew-member.js';

parentPort?.on(
  'message',
  runMember(workerData, (news) => parentPort?.postMessage(news)),
);
