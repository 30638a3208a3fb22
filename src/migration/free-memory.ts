import { readFileSync } from 'node:fs';

/** The text of a file; undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** How a version of control groups names what is needed here (Linux, Documentation/admin-guide/cgroup-v1 and cgroup-v2). */
interface Hierarchy {
  readonly root: string;
  readonly line: RegExp;
  readonly limit: string;
  readonly usage: string;
  /** In memory.stat: file cache, which is given back before anything fails. */
  readonly cache: RegExp;
}

const hierarchies: readonly Hierarchy[] = [
  {
    root: '/sys/fs/cgroup',
    line: /^0::(\S*)$/m,
    limit: 'memory.max',
    usage: 'memory.current',
    cache: /^(?:in)?active_file (\d+)$/gm,
  },
  {
    root: '/sys/fs/cgroup/memory',
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\S*)$/m,
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    cache: /^total_(?:in)?active_file (\d+)$/gm,
  },
];

/**
 * Bytes this process may still take before the system, or a control group it is in, has none left; file cache counts as free. Undefined where
 * that is not known: only Linux says it.
 */
export function freeMemory(read: ReadText = readText): number | undefined {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1];
  if (available === undefined) return undefined;
  const groups = read('/proc/self/cgroup') ?? '';
  return Math.min(
    Number(available) * 1024,
    ...hierarchies.flatMap((hierarchy) => groupsFree(hierarchy, groups, read)),
  );
}

/** Of the group and all it is in. In a container the own one may be at the root, whatever it is called outside. */
function groupsFree(hierarchy: Hierarchy, groups: string, read: ReadText): number[] {
  const free: number[] = [];
  const named = hierarchy.line.exec(groups)?.[1];
  if (named === undefined) return free;
  for (let path = named.replace(/\/$/, ''); ; path = path.slice(0, path.lastIndexOf('/'))) {
    const folder = `${hierarchy.root}${path}`;
    const limit = Number.parseInt(read(`${folder}/${hierarchy.limit}`) ?? '', 10);
    const usage = Number.parseInt(read(`${folder}/${hierarchy.usage}`) ?? '', 10);
    if (Number.isFinite(limit) && Number.isFinite(usage)) {
      const stat = read(`${folder}/memory.stat`) ?? '';
      const cached = [...stat.matchAll(hierarchy.cache)];
      const cache = cached.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
      free.push(Math.max(0, limit - usage + cache));
    }
    if (path === '') return free;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
