import fc from 'fast-check';
import { expect, test } from 'vitest';
import { barChart, lineChart } from '../../bench/svg.js';

const positive = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

/** Every number of these attributes. */
function numbers(svg: string, attributes: RegExp): number[] {
  return [...svg.matchAll(attributes)].map(([, value]) => Number(value));
}

test.each(['linear', 'log'] as const)('every point lies within the picture (%s)', (scale) => {
  const lines = fc.array(
    fc.record({
      name: fc.string(),
      points: fc.array(fc.record({ x: positive, y: positive }), { minLength: 1, maxLength: 9 }),
    }),
    { minLength: 1, maxLength: 9 },
  );
  fc.assert(
    fc.property(lines, (all) => {
      const axis = { label: 'x', scale };
      const svg = lineChart({ title: 't', x: axis, y: axis, lines: all });
      const count = all.reduce((sum, { points }) => sum + points.length, 0);
      const across = numbers(svg, /cx="([^"]*)"/g);
      const down = numbers(svg, /cy="([^"]*)"/g);
      expect(across).toHaveLength(count);
      for (const x of across) expect(x >= 70 && x <= 530).toBe(true);
      for (const y of down) expect(y >= 56 && y <= 350).toBe(true);
    }),
  );
});

test('the parts of a bar lie end to end and are as long as they are large', () => {
  const bars = [
    { name: 'a', parts: [1, 2, 5].map((value) => ({ name: String(value), value })) },
    { name: 'b', parts: [{ name: '2', value: 4 }] },
  ];
  const svg = barChart({ title: 't', label: 'MB', bars });
  const drawn = [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height/g)].filter(
    ([, x]) => Number(x) < 540,
  );
  const [first, second, third, fourth] = drawn.map(([, x, width]) => [Number(x), Number(width)]);
  expect((second?.[1] ?? 0) / (first?.[1] ?? 1)).toBeCloseTo(2, 1);
  expect((first?.[0] ?? 0) + (first?.[1] ?? 0)).toBeCloseTo(second?.[0] ?? 0, 0);
  expect((second?.[0] ?? 0) + (second?.[1] ?? 0)).toBeCloseTo(third?.[0] ?? 0, 0);
  expect(fourth?.[0]).toBe(first?.[0]);
});

test('words from outside do not become tags', () => {
  const points = [{ x: 1, y: 1 }];
  const axis = { label: '<b>&' };
  const svg = lineChart({ title: '</svg>', x: axis, y: axis, lines: [{ name: '"<i>', points }] });
  expect(svg.match(/<\/svg>/g)).toHaveLength(1);
  expect(svg).not.toMatch(/<[bi]>/);
});

test('a chart of nothing, or of nothing on a logarithmic axis, is a RangeError', () => {
  const axis = { label: 'x' };
  expect(() => lineChart({ title: 't', x: axis, y: axis, lines: [] })).toThrow(RangeError);
  const points = [{ x: 0, y: 1 }];
  const log = { label: 'x', scale: 'log' } as const;
  expect(() => lineChart({ title: 't', x: log, y: axis, lines: [{ name: 'a', points }] })).toThrow(
    RangeError,
  );
});
