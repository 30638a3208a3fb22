import { setTimeout as sleep } from 'node:timers/promises';

const patienceMs = 10_000;

/** Resolves once `holds`; fails with `what` if it does not within 10 s. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const from = performance.now(); performance.now() - from < patienceMs; await sleep(20)) {
    if (await holds()) return;
  }
  throw new Error(`${what}: not within ${patienceMs} ms`);
}
