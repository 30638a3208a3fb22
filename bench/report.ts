import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { Result } from './harness.js';

/** What `--json` writes. */
export interface Report {
  readonly machine: string;
  readonly node: string;
  readonly commit: string;
  readonly results: readonly Result[];
}

/** Results measured here and now. */
export function reportOf(results: readonly Result[]): Report {
  return { machine: machine(), node: process.version, commit: commit(), results };
}

/** One report of several of one machine: where two have a result of the same name, the later is taken. RangeError unless they are of one. */
export function joined(reports: readonly Report[]): Report {
  const [first, ...others] = reports;
  if (first === undefined) throw new RangeError('no report');
  if (others.some(({ machine, node }) => machine !== first.machine || node !== first.node)) {
    throw new RangeError('these were measured on different machines');
  }
  const results = new Map(
    reports.flatMap((report) => report.results.map((result) => [result.name, result] as const)),
  );
  const commits = [...new Set(reports.map(({ commit }) => commit))];
  return { ...first, commit: commits.join(', '), results: [...results.values()] };
}

function machine(): string {
  const all = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${all.length} x ${all[0]?.model.trim()}, ${gib} GiB, ${process.platform} ${process.arch}`;
}

/** The commit measured, "-dirty" where the tree differs from it; "unknown" outside a checkout. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

/** Three digits or more. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** One result as a line for people. */
export function formatLine({ name, value, unit, versus }: Result): string {
  const peers = versus.map((v) => `${v.peer} ${figure(v.value)} (${figure(v.ratio)}x)`);
  return `  ${name}: ${figure(value)} ${unit}${peers.length > 0 ? `; ${peers.join(', ')}` : ''}`;
}
