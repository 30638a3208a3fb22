import type { Result } from './harness.js';
import { figure } from './report.js';
import { barChart, type Line, lineChart } from './svg.js';

/** A picture of some results: file name without its ending, what it shows, and how it is drawn. Undefined where the results are not there. */
export interface Plot {
  readonly file: string;
  readonly shows: string;
  readonly draw: (results: readonly Result[]) => string | undefined;
}

interface Found {
  readonly groups: readonly string[];
  readonly result: Result;
}

/** The results whose names match, with what the pattern's groups matched. */
function find(results: readonly Result[], pattern: RegExp): readonly Found[] {
  return results.flatMap((result) => {
    const match = pattern.exec(result.name);
    return match === null ? [] : [{ groups: match.slice(1).map((group) => group ?? ''), result }];
  });
}

/** Lines by name, in the order they were first heard of. */
class Lines {
  readonly #lines = new Map<string, { x: number; y: number }[]>();

  add(name: string, x: number, y: number): void {
    const points = this.#lines.get(name) ?? [];
    if (!points.some((point) => point.x === x)) points.push({ x, y });
    this.#lines.set(name, points);
  }

  get all(): readonly Line[] {
    return [...this.#lines].map(([name, points]) => ({ name, points }));
  }
}

const pageMebibytes = 4096 / 2 ** 20;

export const plots: readonly Plot[] = [
  {
    file: 'throughput-by-dirty-ratio',
    shows: 'Capture throughput by dirty ratio',
    draw(results) {
      const lines = new Lines();
      const found = find(results, /^capture\/(.+)-(\d+)%-dirty$/);
      for (const { groups, result } of found) {
        const [who = '', percent] = groups;
        lines.add(`pageferry, ${who}`, Number(percent), result.value);
      }
      for (const { groups, result } of found) {
        const percent = Number(groups[1]);
        for (const { peer, value } of result.versus) lines.add(peer, percent, value);
      }
      if (lines.all.length === 0) return undefined;
      return lineChart({
        title: 'Capturing 64 MiB, by the share of pages with 8 changed bytes',
        x: { label: 'dirty pages, %', scale: 'log' },
        y: { label: 'GB/s', scale: 'log' },
        lines: lines.all,
      });
    },
  },
  {
    file: 'bytes-by-kind',
    shows: 'Bytes by page kind',
    draw(results) {
      const bars = new Map<string, { name: string; value: number }[]>();
      const sent = new Map<string, number>();
      for (const { groups, result } of find(results, /^bytes\/(.+)-([a-z]+)$/)) {
        const [workload = '', kind = ''] = groups;
        if (kind === 'sent') sent.set(workload, result.value);
        else
          bars.set(workload, [...(bars.get(workload) ?? []), { name: kind, value: result.value }]);
      }
      if (bars.size === 0) return undefined;
      return barChart({
        title: 'Payload of whole migrations by page kind, and what was sent of it',
        label: 'MB before compression',
        bars: [...bars].map(([name, parts]) => {
          return { name: `${name}: ${figure(sent.get(name) ?? Number.NaN)} MB sent`, parts };
        }),
      });
    },
  },
  {
    file: 'downtime-by-dirty-set',
    shows: 'Downtime by dirty set',
    draw(results) {
      const lines = new Lines();
      for (const { groups, result } of find(results, /^downtime\/(\d+)-pages(-p99)?$/)) {
        const [pages, p99] = groups;
        if (Number(pages) === 0) continue;
        const mebibytes = Number(pages) * pageMebibytes;
        const which = p99 === '' ? 'median' : 'p99';
        lines.add(`pause, ${which}`, mebibytes, result.value);
        for (const { value } of result.versus) lines.add(`floor, ${which}`, mebibytes, value);
      }
      if (lines.all.length === 0) return undefined;
      return lineChart({
        title: 'From pause to RUNNING, by what changed just before',
        x: { label: 'changed pages, MiB', scale: 'log' },
        y: { label: 'ms', scale: 'log' },
        lines: lines.all,
      });
    },
  },
  {
    file: 'time-by-size',
    shows: 'Time by size',
    draw(results) {
      const lines = new Lines();
      for (const { groups, result } of find(results, /^size\/(memory|file)-(\d+)GiB$/)) {
        const [what, gibibytes] = groups;
        const name = what === 'file' ? 'a file with 1 GiB of data' : 'memory, 60 % data';
        lines.add(name, Number(gibibytes), result.value);
      }
      if (lines.all.length === 0) return undefined;
      return lineChart({
        title: 'Time for each GiB of data, by size, cold',
        x: { label: 'size, GiB', scale: 'log' },
        y: { label: 's / GiB of data' },
        lines: lines.all,
      });
    },
  },
];
