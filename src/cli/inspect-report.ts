import type { Count, RecordingSummary } from '../migration/recording-summary.js';
import { escapeControls } from './escape.js';
import type { Side } from './failure.js';
import { formatBytes, formatCount, formatMs, formatSize, plural } from './format.js';

const downtimeParts = ['pauseMs', 'lastRoundMs', 'stateMs', 'verifyMs', 'commitMs'] as const;

/** A recording in lines for people. */
export function describeRecording(
  side: Side,
  byteLength: number,
  summary: RecordingSummary,
): string[] {
  const { durationMs, connections, sessions, offers, messages, pages, rounds, timeline } = summary;
  const lines = [
    `recording of a ${side}: ${formatBytes(byteLength)}, ${formatMs(durationMs)}, ${plural(connections, 'connection')}`,
  ];
  for (const session of sessions) lines.push(`  session ${session}`);
  for (const { identity, regions, handsOver } of offers) {
    const bytes = regions.reduce((sum, region) => sum + region.byteLength, 0);
    const names = regions.map(({ name }) => escapeControls(name)).join(', ');
    lines.push(
      `  offered ${escapeControls(identity.kind)} of ${formatSize(bytes)} (${names}), ${handsOver ? 'to be handed over' : 'to be copied'}`,
    );
  }
  for (const direction of ['out', 'in'] as const) {
    lines.push('', direction === 'out' ? 'sent' : 'received', ...countLines(messages[direction]));
  }
  lines.push('', 'pages', ...countLines(pages), '', 'rounds');
  for (const { round, pages: count, bytes } of rounds) {
    lines.push(
      `  ${String(round).padEnd(14)}${formatCount(count).padStart(12)}  ${formatBytes(bytes)}`,
    );
  }
  lines.push('', 'timeline');
  for (const { atMs, phase, session } of timeline) {
    const of = session !== undefined && sessions.length > 1 ? `  ${session}` : '';
    lines.push(`  ${formatMs(atMs).padStart(10)}  ${escapeControls(phase)}${of}`);
  }
  lines.push(...outcomeLines(side, summary.outcome));
  return lines;
}

function countLines(counts: Readonly<Partial<Record<string, Count>>>): string[] {
  return Object.entries(counts).flatMap(([name, sum]) =>
    sum === undefined
      ? []
      : [`  ${name.padEnd(14)}${formatCount(sum.count).padStart(12)}  ${formatBytes(sum.bytes)}`],
  );
}

function outcomeLines(side: Side, outcome: RecordingSummary['outcome']): string[] {
  if (outcome === undefined) {
    // Destinations record steps, not events: the timeline says how each session ended.
    return side === 'source' ? ['', 'it ends before the outcome is known'] : [];
  }
  const { type, code, message, downtime } = outcome;
  if (type === 'failed') return ['', `failed: ${code}: ${escapeControls(String(message))}`];
  const lines = ['', `completed, verified ${outcome['verified']}, digest ${outcome['digest']}`];
  if (typeof downtime !== 'object' || downtime === null) return lines;
  const parts = new Map<string, unknown>(Object.entries(downtime));
  const total = parts.get('totalMs');
  if (typeof total === 'number') lines.push(`downtime ${formatMs(total)}`);
  for (const part of downtimeParts) {
    const ms = parts.get(part);
    if (typeof ms === 'number')
      lines.push(`  ${part.slice(0, -2).padEnd(14)}${formatMs(ms).padStart(12)}`);
  }
  return lines;
}
