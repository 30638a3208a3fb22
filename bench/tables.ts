// The tables that pages have of results: Markdown.
import {
  bundleGoals,
  byteGoals,
  type Goal,
  kernelGoals,
  migrationGoals,
  replicationGoals,
  storeGoals,
} from './goals.js';
import type { Result } from './harness.js';
import { parts, profileName } from './profiler.js';
import { figure, type Report } from './report.js';
import { standings, wanted } from './standings.js';

/** A row of a table; a peer's name may be a pipeline. */
function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The results that have a goal and a peer: all of them, or the first of each suite. */
export function formatTable(results: readonly Result[], which: 'all' | 'first' = 'all'): string {
  const goals = [
    ...kernelGoals,
    ...byteGoals,
    ...migrationGoals,
    ...storeGoals,
    ...bundleGoals,
    ...replicationGoals,
  ];
  const suiteOf = ({ name }: Result) => name.replace(/\/.*/, '');
  const rows = results
    .filter(({ name, versus }) => versus.length > 0 && goals.some((goal) => goal.name.test(name)))
    .filter((each, at, found) => {
      return which === 'all' || found.findIndex((one) => suiteOf(one) === suiteOf(each)) === at;
    })
    .map(({ name, value, unit, versus }) => {
      const peers = versus.map((v) => `${v.peer} ${figure(v.value)} (**${figure(v.ratio)}x**)`);
      return row(name, `${figure(value)} ${unit}`, peers.join(', '));
    });
  return [
    '| what | pageferry | others (ratio above 1: pageferry is better) |',
    '|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Where and of what these results are. */
export function provenance({ machine, node, commit }: Report): string {
  return `Measured at commit \`${commit}\`, Node ${node.replace(/^v/, '')}, ${machine}. A shared machine: trust the ratios.`;
}

/** Each goal beside what was measured and, where it was missed, what eats the rest. Goals without results say so. */
export function goalTable(goals: readonly Goal[], results: readonly Result[]): string {
  const rows = goals.flatMap((goal) => {
    const found = standings(goal, results);
    if (found.length === 0) {
      return [row(goal.what, wanted(goal.limit), 'not measured', '', goal.rest)];
    }
    return found.map((each) => {
      const { result, reached, met } = each;
      const measured = `${result.name}: ${figure(result.value)} ${result.unit}`;
      const outcome = met ? reached : `**${reached}**`;
      return row(goal.what, each.wanted, measured, outcome, goal.rest);
    });
  });
  return [
    '| what | goal | measured | reached (**bold**: missed) | what eats the rest |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** What the machine can do at best: of memory and of a socket. */
export function limitTable(results: readonly Result[]): string {
  const rows = results
    .filter(({ name, unit }) => name.startsWith('limits/') && unit === 'GB/s')
    .map(
      ({ name, value, unit }) => `| ${name.replace('limits/', '')} | ${figure(value)} ${unit} |`,
    );
  return ['| what | |', '|---|---|', ...rows].join('\n');
}

/** What large things took, in time and in memory beside their data. */
export function sizeTable(results: readonly Result[]): string {
  const sizes = results.filter(({ name }) => /^size\/[a-z]+-\d+GiB$/.test(name));
  const rows = sizes.map(({ name, value, unit }) => {
    const beside = ['source', 'destination'].map((end) => {
      const found = results.find((result) => result.name === `${name}-memory-${end}`);
      return found === undefined ? '' : `${figure(found.value)} ${found.unit}`;
    });
    return `| ${name.replace('size/', '')} | ${figure(value)} ${unit} | ${beside.join(' | ')} |`;
  });
  return [
    '| what | time for its data | at the source | at the destination |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Where the time of profiled migrations goes, at both ends. */
export function profileTable(results: readonly Result[]): string {
  const migrations = [
    ...new Set(results.flatMap(({ name }) => /^profile\/(.*)-source-/.exec(name)?.[1] ?? [])),
  ];
  const columns = migrations.flatMap((migration) =>
    (['source', 'destination'] as const).map((end) => ({ migration, end })),
  );
  const rows = parts.map((part) => {
    const cells = columns.map(({ migration, end }) => {
      const found = results.find(({ name }) => name === profileName(migration, end, part));
      return found === undefined ? '' : `${found.value.toFixed(0)} ${found.unit}`;
    });
    return row(part, ...cells);
  });
  return [
    row('', ...columns.map(({ migration, end }) => `${migration}, ${end}`)),
    `|${'---|'.repeat(columns.length + 1)}`,
    ...rows,
  ].join('\n');
}

/** What the order of a round's pages would save, by the model. */
export function orderTable(results: readonly Result[]): string {
  const rows = results
    .filter(({ name }) => name.startsWith('order/'))
    .map(({ name, value, versus }) => {
      const [other] = versus;
      return row(
        name.replace('order/', ''),
        figure(value),
        other === undefined ? '' : figure(other.value),
      );
    });
  return [row('pages sent', 'hottest last', 'by address'), '|---|---|---|', ...rows].join('\n');
}
