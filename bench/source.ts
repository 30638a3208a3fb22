import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { MigrateOptions } from '../src/index.js';
import type { Launcher } from './destination.js';
import type { Transfer, TransferTo } from './transfer.js';

/** Of the pages of its memory. */
export const zeroShare = 0.4;

/** What bench/source-process.ts is to move, once. */
export interface SourceJob {
  readonly to: TransferTo;
  readonly from: /** Memory that nobody writes: regions, each of so many bytes. */
    | { readonly kind: 'memory'; readonly regions: number; readonly regionBytes: number }
    /** Rows of a database, in memory that other threads can see. */
    | { readonly kind: 'shared-rows'; readonly bytes: number }
    | { readonly kind: 'file'; readonly path: string };
  readonly options: Omit<MigrateOptions, 'signal'>;
}

export interface SourceNews extends Transfer {
  /** Most memory the process ever had resident, its image included. */
  readonly peakBytes: number;
  /** What its main thread computed while it moved. */
  readonly threadMs: number;
}

/** Runs bench/source-process.ts. */
export async function runSource(job: SourceJob, launcher?: Launcher): Promise<SourceNews> {
  const script = new URL('./source-process.js', import.meta.url);
  const child = fork(script, [JSON.stringify(job)], launcher ?? {});
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the source ended with ${code}`);
  });
  const [message] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return message;
}
