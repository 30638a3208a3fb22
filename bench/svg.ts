// A small writer of charts: lines over two axes, and stacked bars. Text, lines and rectangles are all it knows.

export interface Axis {
  readonly label: string;
  /** `log`: only values above 0 can be shown. Default linear, from 0. */
  readonly scale?: 'linear' | 'log';
}

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

export interface BarChart {
  readonly title: string;
  readonly label: string;
  /** One bar each, of parts that lie end to end. */
  readonly bars: readonly {
    readonly name: string;
    readonly parts: readonly { readonly name: string; readonly value: number }[];
  }[];
}

const width = 720;
const height = 400;
const frame = { left: 70, right: 190, top: 56, bottom: 50 };
const plotWidth = width - frame.left - frame.right;
const plotHeight = height - frame.top - frame.bottom;
const legendX = width - frame.right + 16;
/** Told apart by colour-blind people too (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

function colourOf(index: number): string {
  return colours[index % colours.length] ?? '#000000';
}

/** Lines with a mark at each point. RangeError where there is no point. */
export function lineChart({ title, x, y, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const across = scaleOf(
    x,
    points.map((point) => point.x),
    plotWidth,
  );
  const up = scaleOf(
    y,
    points.map((point) => point.y),
    plotHeight,
  );
  const place = (point: { x: number; y: number }) => ({
    x: frame.left + across.at(point.x),
    y: frame.top + plotHeight - up.at(point.y),
  });
  const drawn = lines.flatMap((line, index) => {
    const colour = colourOf(index);
    const placed = [...line.points].sort((a, b) => a.x - b.x).map(place);
    const path = placed.map((point) => `${round(point.x)},${round(point.y)}`).join(' ');
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...placed.map(
        (point) => `<circle cx="${round(point.x)}" cy="${round(point.y)}" r="3" fill="${colour}"/>`,
      ),
    ];
  });
  const ticks = [
    ...across.ticks.map((value) => {
      const at = round(frame.left + across.at(value));
      return `<path d="M${at} ${frame.top}v${plotHeight}" stroke="#ddd"/>${text(at, frame.top + plotHeight + 18, number(value), 'middle')}`;
    }),
    ...up.ticks.map((value) => {
      const at = round(frame.top + plotHeight - up.at(value));
      return `<path d="M${frame.left} ${at}h${plotWidth}" stroke="#ddd"/>${text(frame.left - 8, at + 4, number(value), 'end')}`;
    }),
  ];
  return document(title, [
    ...ticks,
    text(frame.left + plotWidth / 2, height - 10, x.label, 'middle'),
    text(frame.left - 54, frame.top - 16, y.label, 'start'),
    ...drawn,
    ...legend(lines.map(({ name }) => name)),
  ]);
}

/** Horizontal bars. RangeError where there is nothing to show. */
export function barChart({ title, label, bars }: BarChart): string {
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const across = scaleOf({ label }, totals, plotWidth);
  const names = [...new Set(bars.flatMap(({ parts }) => parts.map((part) => part.name)))];
  const step = plotHeight / bars.length;
  const drawn = bars.flatMap(({ name, parts }, bar) => {
    const top = frame.top + bar * step;
    let from = 0;
    const rects = parts.map((part) => {
      const left = across.at(from);
      from += part.value;
      const colour = colourOf(names.indexOf(part.name));
      return `<rect x="${round(frame.left + left)}" y="${round(top + step * 0.45)}" width="${round(across.at(from) - left)}" height="${round(step * 0.4)}" fill="${colour}"/>`;
    });
    return [text(frame.left + 4, round(top + step * 0.36), name, 'start'), ...rects];
  });
  const ticks = across.ticks.map((value) => {
    const at = round(frame.left + across.at(value));
    return `<path d="M${at} ${frame.top}v${plotHeight}" stroke="#ddd"/>${text(at, frame.top + plotHeight + 18, number(value), 'middle')}`;
  });
  return document(title, [
    ...ticks,
    text(frame.left + plotWidth / 2, height - 10, label, 'middle'),
    ...drawn,
    ...legend(names),
  ]);
}

interface Scale {
  /** Where a value is, in pixels from the axis' beginning. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** An axis of so many pixels that has room for all `values`, with ticks at 1, 2 and 5 times powers of ten. */
function scaleOf({ scale = 'linear' }: Axis, values: readonly number[], pixels: number): Scale {
  if (values.length === 0) throw new RangeError('a chart of nothing');
  const most = Math.max(...values);
  if (scale === 'linear') {
    const step = niceStep(most / 5);
    const end = Math.max(step, Math.ceil(most / step) * step);
    const count = Math.round(end / step);
    const ticks = Array.from({ length: count + 1 }, (_, index) => index * step);
    return { at: (value) => (value / end) * pixels, ticks };
  }
  const least = Math.min(...values);
  if (!(least > 0)) throw new RangeError(`${least} on a logarithmic axis`);
  const first = Math.floor(Math.log10(least));
  const last = Math.max(first + 1, Math.ceil(Math.log10(most)));
  const span = last - first;
  const marks = span > 3 ? [1] : [1, 2, 5];
  const ticks = Array.from({ length: span }, (_, index) => 10 ** (first + index));
  return {
    at: (value) => ((Math.log10(value) - first) / span) * pixels,
    ticks: [...ticks.flatMap((power) => marks.map((mark) => mark * power)), 10 ** last],
  };
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  if (!(step > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(step));
  return ([1, 2, 5].find((mark) => mark * power >= step) ?? 10) * power;
}

function legend(names: readonly string[]): string[] {
  return names.flatMap((name, index) => {
    const y = frame.top + 10 + index * 20;
    return [
      `<rect x="${legendX}" y="${y - 9}" width="10" height="10" fill="${colourOf(index)}"/>`,
      text(legendX + 16, y, name, 'start'),
    ];
  });
}

function document(title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${frame.left}" y="18" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

function escaped(words: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return words.replace(/[&<>"]/g, (sign) => entities[sign] ?? sign);
}
