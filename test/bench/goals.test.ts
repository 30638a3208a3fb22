import { expect, test } from 'vitest';
import {
  bundleGoals,
  byteGoals,
  type Goal,
  kernelGoals,
  migrationGoals,
  replicationGoals,
  storeGoals,
} from '../../bench/goals.js';
import { ofRounds, result } from '../../bench/harness.js';
import { standings } from '../../bench/standings.js';
import { formatTable, goalTable } from '../../bench/tables.js';

const all = [
  ...kernelGoals,
  ...byteGoals,
  ...migrationGoals,
  ...storeGoals,
  ...bundleGoals,
  ...replicationGoals,
];

function reached(goals: readonly Goal[], results: Parameters<typeof standings>[1]) {
  return goals
    .flatMap((goal) => standings(goal, results))
    .map((each) => [each.result.name, each.wanted, each.reached, each.met]);
}

test('a goal is a share of a peer, a multiple of a peer or of another result, or a limit', () => {
  const results = [
    result('link/100Mbit-20ms', 'MB/s', 'higher', 9, { 'iperf3 -P1': 10 }),
    result('link/100Mbit-20ms-extra-downtime', 'ms', 'lower', 30, { '1.5 RTT + 10 ms': 40 }),
    result('downtime/64-pages', 'ms', 'lower', 2, {}),
    result('downtime/64-pages-p99', 'ms', 'lower', 7, {}),
    result('busy/marks-timers-late-p99', 'ms', 'lower', 5, {}),
    result('size/memory-1GiB', 's/GiB', 'lower', 2, {}),
    result('size/memory-4GiB', 's/GiB', 'lower', 2.2, { '1 GiB': 2 }),
    result('size/memory-4GiB-memory-source', 'MiB', 'lower', 99, {}),
    result('predict/grid-downtime-near', '% of runs', 'higher', 60, {}),
    result('predict/grid-before-time-near', '% of runs', 'higher', 40, {}),
    result('nobody/asked', 's', 'lower', 1, {}),
  ];
  expect(reached(migrationGoals, results)).toEqual([
    ['downtime/64-pages-p99', 'at most 3.00 x downtime/64-pages', '3.50 x', false],
    ['link/100Mbit-20ms', 'at least 0.950 x iperf3 -P1', '0.900 x', false],
    ['link/100Mbit-20ms-extra-downtime', 'at most 1.00 x 1.5 RTT + 10 ms', '0.750 x', true],
    ['predict/grid-downtime-near', 'at least 50.0 % of runs', '60.0 % of runs', true],
    ['predict/grid-before-time-near', 'at least 50.0 % of runs', '40.0 % of runs', false],
    ['busy/marks-timers-late-p99', 'at most 5.00 ms', '5.00 ms', true],
    ['size/memory-4GiB', 'at most 1.15 x 1 GiB', '1.10 x', true],
  ]);
});

test('a multiple of a peer is that of the rounds, not of their medians', () => {
  const rounds = ofRounds('delta-bytes/sparse-time', 'ms', 'lower', [1, 10, 4], {
    'Buffer.compare, page by page': [1, 20, 2],
  });
  expect(reached(byteGoals, [rounds])).toEqual([
    ['delta-bytes/sparse-time', 'at most 1.50 x Buffer.compare, page by page', '1.00 x', true],
  ]);
});

test('the table says which goals were missed, which nobody measured, and what eats the rest', () => {
  const results = [result('scan/1MiB-in-arena', 'GB/s', 'higher', 8, { 'C (memcmp)': 10 })];
  const rows = goalTable(kernelGoals, results).split('\n');
  expect(rows[2]).toMatch(
    /^\| dirty scan, .* \| at least 0\.900 x C \(memcmp\) \| scan\/1MiB-in-arena: 8\.00 GB\/s \| \*\*0\.800 x\*\* \| memcmp .*\|$/,
  );
  expect(rows[3]).toMatch(
    /^\| dirty scan, .* \| at least 0\.400 x C \(memcmp\) \| not measured \| {2}\| .+ \|$/,
  );
  expect(rows).toHaveLength(2 + kernelGoals.length);
});

test('a pipeline stays within its cell', () => {
  const cold = result('pipeline/cold', 'ms', 'lower', 300, { 'cat | nc': 350 });
  const [, , first = ''] = formatTable([cold]).split('\n');
  expect(first).toBe('| pipeline/cold | 300 ms | cat \\| nc 350 (**1.17x**) |');
  const cells = goalTable(migrationGoals, [cold])
    .split('\n')
    .map((line) => line.match(/(?<!\\)\|/g));
  for (const bars of cells) expect(bars).toHaveLength(6);
});

test('the table of peers has the results with a goal and a peer', () => {
  const table = formatTable([
    result('scan/1MiB-in-arena', 'GB/s', 'higher', 8, { 'C (memcmp)': 10 }),
    result('limits/embedded-wasm', 'KiB', 'lower', 8, {}),
    result('nobody/asked', 's', 'lower', 1, { peer: 2 }),
  ]);
  expect(table.split('\n').slice(2)).toEqual([
    '| scan/1MiB-in-arena | 8.00 GB/s | C (memcmp) 10.0 (**0.800x**) |',
  ]);
});

test("README's table has the first of them of each suite", () => {
  const results = ['scan/1MiB-foreign', 'scan/64MiB-foreign', 'lz4/compress-json'].map((name) =>
    result(name, 'GB/s', 'higher', 8, { 'C (memcmp)': 10 }),
  );
  const table = formatTable(
    [result('lz4/nobody-asked', 's', 'lower', 1, { peer: 2 }), ...results],
    'first',
  );
  expect(table.match(/(?:scan|lz4)\/[\w-]+/g)).toEqual(['scan/1MiB-foreign', 'lz4/compress-json']);
});

test('every goal says what eats the rest, without a measurement that somebody typed', () => {
  for (const { rest } of all) {
    expect(rest).toMatch(/^[\w`][^|]{10,}$/);
    expect(rest).not.toMatch(/\d ?(?:x|%|[num]?s|[kMG]i?B)(?!\w)/);
  }
});
