import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { between, rendered, reportPath } from '../../bench/documents.js';
import { result } from '../../bench/harness.js';
import { plots } from '../../bench/plots.js';
import { joined, type Report } from '../../bench/report.js';

const read = (path: string) => readFileSync(path, 'utf8');
const kept: Report = JSON.parse(read(reportPath));
const files = [...rendered(kept, read)];

describe('what the bench writes', () => {
  it('is two pages, the results, and the pictures that have some', () => {
    const drawn = plots.filter(({ draw }) => draw(kept.results) !== undefined);
    const pictures = drawn.map(({ file }) => `docs/${file}.svg`);
    const paths = files.map(([path]) => path).sort();
    expect(paths).toEqual([reportPath, 'README.md', 'docs/performance.md', ...pictures].sort());
  });

  it.each(files)('%s is what it makes of the kept results', (path, text) => {
    expect(read(path) === text).toBe(true);
  });

  it('changes with the results', () => {
    const [first] = kept.results.filter(({ name }) => name.startsWith('limits/'));
    const results = kept.results.map((each) =>
      each === first ? { ...each, value: each.value * 2 } : each,
    );
    const page = rendered({ ...kept, results }, read).get('docs/performance.md');
    expect(page).not.toBe(read('docs/performance.md'));
  });

  it('goes between its marks and nowhere else', () => {
    const page = 'a\n<!-- t -->\nold\n<!-- /t -->\nb';
    expect(between(page, 't', 'new')).toBe('a\n<!-- t -->\nnew\n<!-- /t -->\nb');
    expect(() => between('no marks', 't', 'new')).toThrow(RangeError);
    expect(() => between(page + page, 't', 'new')).toThrow(RangeError);
  });
});

describe('reports', () => {
  const report = (commit: string, value: number, name = 'a/b'): Report => ({
    machine: '2 x Z80',
    node: 'v20.1.0',
    commit,
    results: [result(name, 's', 'lower', value, {})],
  });

  it('are joined in their order, the later one winning', () => {
    const all = joined([report('x', 1), report('x', 2, 'c/d'), report('y', 3)]);
    expect(all.commit).toBe('x, y');
    expect(all.results.map(({ name, value }) => [name, value])).toEqual([
      ['a/b', 3],
      ['c/d', 2],
    ]);
  });

  it('of different machines are not', () => {
    expect(() => joined([report('x', 1), { ...report('x', 1), node: 'v22' }])).toThrow(RangeError);
    expect(() => joined([])).toThrow(RangeError);
  });
});

it('every picture can be drawn from results of the names that it asks for, and none from none', () => {
  const results = [
    result('capture/marks-1%-dirty', 'GB/s', 'higher', 2, { C: 1 }),
    result('bytes/ledger-raw', 'MB', 'lower', 2, {}),
    result('bytes/ledger-sent', 'MB', 'lower', 1.5, {}),
    result('downtime/64-pages', 'ms', 'lower', 2, { floor: 1 }),
    result('size/memory-1GiB', 's/GiB', 'lower', 2, {}),
  ];
  for (const { draw } of plots) {
    expect(draw(results)).toMatch(/^<svg .*<\/svg>\n$/s);
    expect(draw([])).toBeUndefined();
  }
});
