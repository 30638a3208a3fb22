import type { Command } from 'commander';
import type { BundleGuest } from '../bundle/bundle-guest.js';
import { FerryError } from '../errors.js';
import { type FileGuest, fileGuest } from '../guests/file.js';
import type { MigrationReport } from '../migration/events.js';
import { type MigrateOptions, resolveOptions } from '../migration/options.js';
import type { TrustOptions } from '../migration/trust.js';
import { conduct, type Stage } from './conduct.js';
import { ControlSocket } from './control-socket.js';
import { escapeControls } from './escape.js';
import { checkingUsage, errorLine, type FailedEvent, Failure } from './failure.js';
import { formatMs } from './format.js';
import { runMigration } from './migration-run.js';
import { MigrationView, sentSummary } from './migration-view.js';
import {
  type Address,
  formatAddress,
  parseConnections,
  parseCount,
  parsePid,
  parsePositive,
  parseRate,
  parseTargets,
  parseWorkers,
} from './parse.js';
import { openRecording } from './record-option.js';
import {
  closingOf,
  parseMoment,
  parseWindow,
  untilOpen,
  type Window,
  waitFor,
} from './schedule.js';
import {
  addBundle,
  type BundleArguments,
  BundleShipment,
  bundleOutcomeMs,
  checkBundleOptions,
  settledLine,
} from './send-bundle.js';
import { addTrust, readTrust, type TrustArguments } from './trust-options.js';

interface SendOptions extends TrustArguments, BundleArguments {
  readonly live?: true;
  readonly pausePid?: number;
  readonly pauseCmd?: string;
  readonly resumeCmd?: string;
  readonly maxDowntime?: number;
  readonly bytesPerSecond?: number;
  readonly connections?: number;
  readonly workers?: number;
  readonly retries: number;
  /** Milliseconds since 1970. */
  readonly at?: number;
  readonly window?: Window;
  readonly maxOutage?: number;
  readonly record?: string;
  readonly json?: true;
}

type Targets = readonly [Address, ...Address[]];

const firstRetryMs = 250;
const longestRetryMs = 10_000;

export function addSend(program: Command): void {
  const command = program
    .command('send')
    .description('Bring a file or a bundle of files to a `pageferry receive`.')
    .argument('<FILE>', 'the file, or the folder of a bundle')
    .argument('<HOST:PORT>', 'where a destination listens; several with commas', parseTargets)
    .option('--live', 'follow a file that something else keeps writing')
    .option('--pause-pid <PID>', 'the process that writes it: stopped for the last round', parsePid)
    .option('--pause-cmd <COMMAND>', 'a command that stops what writes it')
    .option('--resume-cmd <COMMAND>', 'a command that lets it go on')
    .option('--max-downtime <MS>', 'longest acceptable pause of the writer', parsePositive)
    .option('--bytes-per-second <N>', 'ceiling for live rounds, as in 10M', parseRate)
    .option('--connections <N>', 'TCP connections that carry pages, 1 to 16', parseConnections)
    .option('--workers <N>', 'threads that read and encode it, 0 to 16', parseWorkers)
    .option('--max-outage <SECONDS>', 'how long to reconnect and go on (default: 30)', parseCount)
    .option('--retries <N>', 'tries after failures that may pass', parseCount, 0)
    .option('--at <TIME>', 'begin at this time: HH:MM, or a date and time', parseMoment)
    .option('--window <FROM-TO>', 'only at these times of day; goes on the next time', parseWindow)
    .option('--record <FILE>', 'record every frame and step, for inspect and replay')
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry send disk.img 127.0.0.1:4711\n  $ pageferry send disk.img there.example:4711 --token-file token\n  $ pageferry send --bundle machine 127.0.0.1:4711',
    );
  addBundle(command);
  addTrust(command, 'send to another machine, unencrypted and unauthenticated').action(
    (file: string, targets: Targets, options: SendOptions) =>
      conduct(options.json === true, 'source', (stage) => send(file, targets, options, stage)),
  );
}

async function send(
  file: string,
  targets: Targets,
  options: SendOptions,
  stage: Stage,
): Promise<void> {
  checkBundleOptions(options);
  await checkingUsage(() => resolveOptions(engineOptions(options)));
  const trust = await readTrust(options, targets, stage.output);
  const { at, window } = options;
  const { output, interruption } = stage;
  if (at !== undefined) {
    output.event({ type: 'waiting', untilMs: at });
    output.line(`waiting until ${new Date(at).toLocaleString()}`);
    await waitFor(() => at - Date.now(), interruption.signal);
  }
  let retriesLeft = options.retries;
  let waitMs = firstRetryMs;
  for (;;) {
    const closing = await openWindow(window, stage);
    try {
      return await sendOnce(file, targets, { ...options, trust }, stage, closing?.signal);
    } catch (error) {
      const isClosed = closing?.signal.aborted === true && !interruption.signal.aborted;
      if (isClosed && error instanceof Failure && error.event.code === 'ERR_ABORTED') {
        output.event({ type: 'window-closed' });
        output.line('  the window closed: it goes on when it opens again');
        waitMs = firstRetryMs;
        continue;
      }
      if (!(error instanceof Failure) || retriesLeft === 0 || !mayPass(error.event)) throw error;
      retriesLeft -= 1;
      const { code, message } = error.event;
      output.event({ type: 'retrying', code, message, inMs: waitMs, retriesLeft });
      output.line(`${errorLine(code, message)} Trying again in ${formatMs(waitMs)}.`);
      await pause(waitMs, interruption.signal);
      waitMs = Math.min(longestRetryMs, waitMs * 2);
    } finally {
      closing?.done();
    }
  }
}

/** Waits until the window is open. What is aborted when it closes. */
async function openWindow(
  window: Window | undefined,
  { output, interruption }: Stage,
): Promise<ReturnType<typeof closingOf> | undefined> {
  if (window === undefined) return undefined;
  const ms = untilOpen(window, new Date());
  if (ms > 0) {
    output.event({ type: 'waiting', untilMs: Date.now() + ms });
    output.line(`waiting until ${new Date(Date.now() + ms).toLocaleString()}`);
    await waitFor(() => untilOpen(window, new Date()), interruption.signal);
  }
  return closingOf(window);
}

async function sendOnce(
  file: string,
  [target, ...addresses]: Targets,
  options: SendOptions & { readonly trust: TrustOptions },
  stage: Stage,
  closing: AbortSignal | undefined,
): Promise<void> {
  const { output, interruption } = stage;
  let session: string | null = null;
  const peer = formatAddress(target);
  const shipment = options.bundle === true ? new BundleShipment(file, options, stage) : undefined;
  const control = new ControlSocket('source');
  let guest: FileGuest | BundleGuest | undefined;
  try {
    guest = (await shipment?.open()) ?? (await openFile(file, options, () => ({ session, peer })));
    const recording = openRecording(options.record, output, {
      side: 'source',
      guest,
      options: engineOptions(options),
    });
    const view = new MigrationView(output, guest.motion);
    output.status(`connecting to ${peer}`);
    const report = await runMigration({
      guest,
      options: {
        ...engineOptions(options),
        ...target,
        addresses,
        ...options.trust,
        signal: AbortSignal.any([interruption.signal, ...(closing === undefined ? [] : [closing])]),
      },
      recording,
      control,
      onEvent: (event) => {
        if (event.type === 'offered') session = event.session;
        view.show(event);
      },
      onNotice: (text) => output.line(`  ${text}`),
    });
    const source = await shipment?.arrived();
    output.event({ type: 'completed', ...report, ...(source === undefined ? {} : { source }) });
    output.line(`${reportLine(file, report)}${source === undefined ? '' : settledLine(source)}`);
  } catch (error) {
    await shipment?.failed(error);
    throw error;
  } finally {
    await control.close();
    await guest?.close();
  }
}

async function openFile(
  file: string,
  options: SendOptions,
  commandInput: () => Readonly<Record<string, unknown>>,
): Promise<FileGuest> {
  const { live, pausePid, pauseCmd, resumeCmd } = options;
  return checkingUsage(() =>
    fileGuest(file, {
      live: live === true,
      commandInput,
      ...(pausePid === undefined ? {} : { pausePid }),
      ...(pauseCmd === undefined ? {} : { pauseCommand: pauseCmd }),
      ...(resumeCmd === undefined ? {} : { resumeCommand: resumeCmd }),
    }),
  );
}

function engineOptions(options: SendOptions): MigrateOptions {
  const { bundle, maxDowntime, bytesPerSecond, connections, workers, maxOutage } = options;
  return {
    ...(bundle === undefined ? {} : { outcomeTimeoutMs: bundleOutcomeMs }),
    ...(maxDowntime === undefined ? {} : { maxDowntimeMs: maxDowntime }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(connections === undefined ? {} : { connections }),
    ...(workers === undefined ? {} : { workers }),
    ...(maxOutage === undefined ? {} : { maxOutageMs: maxOutage * 1000 }),
  };
}

/** Once COMMIT was sent another try could only make it worse. */
function mayPass(event: FailedEvent): boolean {
  return event.retryable && event.phase !== 'committed' && event.phase !== 'in-doubt';
}

function reportLine(file: string, report: MigrationReport): string {
  const pause = report.downtimeMs === null ? '' : `, writer paused ${formatMs(report.downtimeMs)}`;
  return `sent ${escapeControls(file)}: ${sentSummary(report)}${pause}; verified ${report.verified}, digest ${report.digest}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new FerryError('ERR_ABORTED', 'cancelled between two tries'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
