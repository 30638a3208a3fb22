import type { InstrumentReport, Untransferable } from '../instrument/report.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatCount, plural } from './format.js';

/** Names that are shown of a kind; a program may hide thousands. */
const mostNames = 3;

const placeNames: Readonly<Record<InstrumentReport['place'], string>> = {
  'second-memory': 'in a memory of its own: takes multi-memory (Node 22)',
  'behind-maximum': "in the program's memory, behind its maximum",
  none: 'none: writes are found by scanning',
};

/** What was done to a module, in lines for people. */
export function describeInstrumented(
  file: string,
  out: string,
  report: InstrumentReport,
): string[] {
  const { bytesBefore, bytesAfter, functions, stores, simdStores, atomics } = report;
  const { hidden, start, leftOut, willNotTravel } = report;
  const exported = Object.entries(hidden).flatMap(([kind, names]) =>
    names.length === 0 ? [] : [`${kind} ${listed(names)}`],
  );
  const rows: readonly (readonly [what: string, ...lines: readonly string[]])[] = [
    ['write log', placeNames[report.place]],
    [
      'stores',
      `${formatCount(stores)}, of them SIMD ${formatCount(simdStores)}, atomic ${formatCount(atomics)}`,
    ],
    ['bulk operations', formatCount(report.bulkOperations)],
    ['marks', formatCount(report.marks)],
    [
      'size',
      `${formatBytes(bytesBefore)}, now ${formatBytes(bytesAfter)}: x${(bytesAfter / bytesBefore).toFixed(2)}`,
    ],
    ['now exported', ...orNothing(exported)],
    ['left out', ...orNothing(leftOut.length === 0 ? [] : [`sections ${listed(leftOut)}`])],
    [
      'start function',
      start === null ? 'none' : `${start.function}, ${start.kept ? 'kept' : 'left out'}`,
    ],
    ['will not travel', ...orNothing(willNotTravel.map(describeUntransferable))],
  ];
  return [
    `${escapeControls(file)}: ${formatBytes(bytesBefore)}, ${plural(functions, 'function')}`,
    ...rows.flatMap(([what, ...lines]) =>
      lines.map((line, at) => `  ${(at === 0 ? what : '').padEnd(17)}${line}`),
    ),
    `${escapeControls(out)}: run this one, and give its bytes to wasmGuest as \`module\``,
  ];
}

function orNothing(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? ['nothing'] : lines;
}

/** Names come from the module: its author may be anybody. */
function listed(names: readonly string[]): string {
  const first = names.slice(0, mostNames).map(escapeControls).join(', ');
  const more = names.length - mostNames;
  return more > 0 ? `${first} and ${formatCount(more)} more` : first;
}

function describeUntransferable({ what, index, import: from }: Untransferable): string {
  const [kind = '', thing = ''] = what.split('-');
  const where = from === null ? '' : ` (import ${from.map(escapeControls).join('.')})`;
  return kind === 'imported'
    ? `${thing} ${index}${where} by itself: the host has it, and gives it to wasmGuest`
    : `${thing} ${index}${where} unless it is empty: ${kind}`;
}
