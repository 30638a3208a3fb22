import { readFileSync } from 'node:fs';

/** Milliseconds this process's main thread has computed so far; NaN where the system does not say (it is Linux that does). */
export function threadMs(): number {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(
      ' ',
    );
    return Number(nanoseconds) / 1e6;
  } catch {
    return Number.NaN;
  }
}
