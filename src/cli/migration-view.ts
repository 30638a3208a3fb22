import type { Motion } from '../migration/convergence.js';
import type { MigrationEvent } from '../migration/events.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatCount, formatMs, formatRate, formatSize, plural } from './format.js';
import type { Output } from './output.js';
import { Progress } from './progress.js';

type Round = Extract<MigrationEvent, { type: 'round' }>;

const pageBytes = 4096;

/** Shows a migration while it runs: events to programs, lines and a bar to people. Not how it ended: that is the command's to say. */
export class MigrationView {
  readonly #output: Output;
  readonly #motion: Motion;
  readonly #progress: Progress = new Progress();
  #lastRound: Round | undefined;

  constructor(output: Output, motion: Motion) {
    this.#output = output;
    this.#motion = motion;
  }

  show(event: MigrationEvent): void {
    if (event.type === 'completed' || event.type === 'failed') return;
    this.#output.event(event);
    switch (event.type) {
      case 'offered':
        this.#output.status(`offered ${formatSize(event.totalBytes)}, waiting for the destination`);
        return;
      case 'progress':
        this.#output.status(this.#bar(event));
        return;
      case 'round':
        this.#progress.round(event);
        this.#lastRound = event;
        this.#output.line(this.#roundLine(event));
        return;
      case 'stalled':
        this.#output.line(`  stalled: ${event.action}`);
        return;
      case 'retreated':
        this.#output.line(
          `  pause given back after ${formatMs(event.elapsedMs)}: it would overrun ${formatMs(event.limitMs)}`,
        );
        return;
      case 'interrupted':
        this.#output.line(
          `  interrupted: ${escapeControls(event.message)}; connecting again, the guest runs on here`,
        );
        return;
      case 'compared':
        this.#output.line(
          `  ${formatCount(event.samePages)} of ${formatCount(event.totalPages)} pages are there already`,
        );
        return;
      case 'resumed':
        this.#output.line(
          `  connected again after ${formatMs(event.outageMs)}: ${formatCount(event.lostPages)} pages may be lost and go again`,
        );
        return;
      case 'switchover':
        this.#output.line(switchoverLine(event));
        return;
      case 'in-doubt':
        this.#output.line(`  in doubt: ${escapeControls(event.message)}`);
        return;
      default:
        event satisfies never;
    }
  }

  #bar(event: Extract<MigrationEvent, { type: 'progress' }>): string {
    const { percent, bytesPerSecond, etaMs } = this.#progress.step(event);
    const filled = Math.round(percent / 5);
    const parts = [
      `  ${'█'.repeat(filled)}${'░'.repeat(20 - filled)} ${percent.toFixed(0).padStart(3)} %`,
      formatRate(bytesPerSecond),
    ];
    if (etaMs !== null) parts.push(`${formatMs(etaMs)} to go`);
    if (this.#lastRound !== undefined) parts.push(...this.#outlook(this.#lastRound));
    return parts.join('   ');
  }

  #roundLine(event: Round): string {
    const { round, pagesSent, sentBytes, durationMs } = event;
    return [
      `  round ${String(round).padStart(2)}`,
      `${formatCount(pagesSent).padStart(9)} ${pagesSent === 1 ? 'page ' : 'pages'}`,
      formatBytes(sentBytes).padStart(8),
      `in ${formatMs(durationMs).padStart(7)}`,
      ...this.#outlook(event),
    ].join('   ');
  }

  /** What is still to come: how much changes meanwhile, and the pause where there will be one. */
  #outlook(event: Round): string[] {
    if (this.#motion === 'still') return [];
    const { dirtyPages, predictedDowntimeMs } = event;
    const dirty = `${formatCount(dirtyPages)} dirty (${formatRate(dirtyRate(event))})`;
    if (this.#motion === 'unpausable') return [dirty];
    return [dirty, `pause ${formatMs(predictedDowntimeMs)} expected`];
  }
}

function switchoverLine(event: Extract<MigrationEvent, { type: 'switchover' }>): string {
  if (event.forced) return '  switchover, forced: however long it takes';
  return event.predictedDowntimeMs === null
    ? '  last check'
    : `  switchover: a pause of ${formatMs(event.predictedDowntimeMs)} is expected`;
}

/** Bytes a second that the guest changed while the round ran. */
function dirtyRate({ dirtyPages, durationMs }: Round): number {
  return durationMs > 0 ? (dirtyPages * pageBytes * 1000) / durationMs : 0;
}

/** "12 pages, 3 rounds": what a finished migration sent. */
export function sentSummary(report: {
  readonly pagesSent: number;
  readonly bytesSent: number;
  readonly compressed: {
    readonly frames: number;
    readonly rawBytes: number;
    readonly bytes: number;
  };
  readonly rounds: number;
  readonly totalMs: number;
}): string {
  const { pagesSent, bytesSent, compressed, rounds, totalMs } = report;
  const { frames, rawBytes, bytes } = compressed;
  const spared = frames > 0 ? ` (LZ4 spared ${formatBytes(rawBytes - bytes)})` : '';
  return `${plural(pagesSent, 'page')} as ${formatBytes(bytesSent)}${spared} in ${plural(rounds, 'round')} and ${formatMs(totalMs)}`;
}
