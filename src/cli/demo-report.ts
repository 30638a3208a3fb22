import { styleText } from 'node:util';
import type { ByKind, Downtime } from '../migration/events.js';
import type { DemoResult } from './demo-coordinator.js';
import type { DemoPlan } from './demo-messages.js';
import { formatBytes, formatCount, formatMs, formatRate, formatSize, plural } from './format.js';
import { sentSummary } from './migration-view.js';

const barWidth = 24;
const pageBytes = 4096;

/** What the demo is about to show. */
export function demoTitle(plan: DemoPlan): string {
  if (plan.kind === 'ledger') {
    return `a ledger of ${formatSize(plan.sizeBytes)}, half of it incompressible, that changes ${formatRate(plan.bytesPerSecond)}`;
  }
  const { sizeMiB, transactionsPerSecond } = plan;
  const what =
    plan.kind === 'sqlite'
      ? `SQLite in up to ${sizeMiB} MiB`
      : `PostgreSQL in ${sizeMiB} MiB and more, with its files`;
  return `${what}, ${formatCount(transactionsPerSecond)} transactions a second`;
}

/** The report of a demo that went well, line by line. `color`: whether a terminal shows it. */
export function demoReport(
  { completed, guest, destination }: DemoResult,
  color: boolean,
): string[] {
  const bold = (text: string): string => (color ? styleText('bold', text) : text);
  const good = (text: string): string => (color ? styleText('green', text) : text);
  const row = (name: string, text: string): string => `  ${bold(name.padEnd(12))} ${text}`;
  const { before, during, after, lost, doubled, gapMs } = guest;
  const { downtime, predictedDowntimeMs } = completed;
  const lines = [''];
  if (downtime !== null) {
    const predicted =
      predictedDowntimeMs === null ? '' : `, ${formatMs(predictedDowntimeMs)} predicted`;
    lines.push(row('downtime', `${bold(formatMs(downtime.totalMs))}${predicted}`));
    lines.push(...downtimeBars(downtime));
    lines.push(row('', `the guest itself saw ${formatMs(gapMs)} between two commits`), '');
  }
  lines.push(
    row('source', sentSummary(completed)),
    row('', kindsSummary(completed.pagesByKind, completed.lastRoundPages, completed.totalPages)),
    row(
      'destination',
      `${plural(destination.appliedPages, 'page')}, ${formatBytes(destination.receivedBytes)} applied${
        completed.repaired > 0 ? `, ${completed.repaired} repaired` : ''
      }`,
    ),
    '',
    row(
      'witness',
      `${formatCount(before + during + after)} commits: ${formatCount(before)} before, ${formatCount(during)} during, ${formatCount(after)} after`,
    ),
    row(
      '',
      `${(lost + doubled === 0 ? good : bold)(`${lost} lost, ${doubled} doubled`)}; every byte is what these commits make it`,
    ),
    row('verified', `${good(completed.verified)}  sha256 ${completed.digest}`),
  );
  return lines;
}

function kindsSummary(kinds: ByKind, lastRoundPages: number, totalPages: number): string {
  const parts = Object.entries(kinds)
    .filter(([, pages]) => pages > 0)
    .map(([kind, pages]) => `${formatCount(pages)} ${kind}`);
  const share = ((lastRoundPages / Math.max(1, totalPages)) * 100).toFixed(2);
  return `${parts.join(', ')}; the last, paused round ${plural(lastRoundPages, 'page')} (${share} % of ${formatSize(totalPages * pageBytes)})`;
}

function downtimeBars(downtime: Downtime): string[] {
  const parts: readonly (readonly [string, number])[] = [
    ['pause', downtime.pauseMs],
    ['last pages', downtime.lastRoundMs],
    ['state', downtime.stateMs],
    ['verify', downtime.verifyMs],
    ['commit', downtime.commitMs],
  ];
  return parts.map(([name, ms]) => {
    const bar = '█'.repeat(Math.round((ms / Math.max(downtime.totalMs, 1e-9)) * barWidth));
    return `    ${name.padEnd(11)}${formatMs(ms).padStart(9)}  ${bar}`;
  });
}
