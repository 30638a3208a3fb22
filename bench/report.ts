import type { Result } from './harness.js';

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** One result as a line for people. */
export function formatLine({ name, value, unit, versus }: Result): string {
  const peers = versus.map((v) => `${v.peer} ${figure(v.value)} (${figure(v.ratio)}x)`);
  return `  ${name}: ${figure(value)} ${unit}${peers.length > 0 ? `; ${peers.join(', ')}` : ''}`;
}

/** All results as the table of the README. */
export function formatTable(results: readonly Result[]): string {
  const rows = results.map(({ name, value, unit, versus }) => {
    const peers = versus.map((v) => `${v.peer} ${figure(v.value)} (**${figure(v.ratio)}x**)`);
    return `| ${name} | ${figure(value)} ${unit} | ${peers.join(', ')} |`;
  });
  return [
    '| what | pageferry | others (ratio above 1: pageferry is better) |',
    '|---|---|---|',
    ...rows,
  ].join('\n');
}
