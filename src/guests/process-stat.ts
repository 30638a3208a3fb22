import { readdirSync, readFileSync } from 'node:fs';

interface ProcessStat {
  /** One letter: R, S, D, T (stopped), Z (ended) ... */
  readonly state: string;
  /** Clock ticks since boot at which it started: with the process id it names one process for ever. */
  readonly startTime: string;
}

/** Fields of a /proc stat file. The command's name, in parentheses, may hold anything, also spaces and parentheses. Linux only. */
function readStat(path: string): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

/** When process `pid` started; undefined if there is none, or it ended and only its entry is left. */
export function processStartTime(pid: number): string | undefined {
  const stat = readStat(`/proc/${pid}/stat`);
  return stat === undefined || stat.state === 'Z' ? undefined : stat.startTime;
}

/** True once no thread of process `pid` can run before it is continued. */
export function isStopped(pid: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return true;
  }
  return threads.every((thread) => {
    const stat = readStat(`/proc/${pid}/task/${thread}/stat`);
    return stat === undefined || 'TtZX'.includes(stat.state);
  });
}
