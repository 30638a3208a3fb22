import { randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { FerryError } from '../errors.js';
import { EtcdLeases } from '../lease/etcd.js';
import { conduct, type Stage } from './conduct.js';
import { checkPlan } from './demo-guests.js';
import type { DemoPlan } from './demo-messages.js';
import {
  type Blow,
  type BlowReport,
  DrillCoordinator,
  type TakeoverReport,
} from './drill-coordinator.js';
import { DrillEtcd } from './drill-etcd.js';
import type { DrillPlan } from './drill-messages.js';
import { checkingUsage, UsageError } from './failure.js';
import { formatMs, plural } from './format.js';
import type { Output } from './output.js';
import { parseCount, parsePositive, parseSeed } from './parse.js';

interface DrillOptions {
  readonly guest: DemoPlan['kind'];
  readonly kills: number;
  readonly freezes: number;
  readonly partitions: number;
  readonly corruptions: number;
  readonly leaderKills: number;
  readonly mode: 'output-commit' | 'async';
  readonly size?: number;
  readonly rate: number;
  readonly lease: 'local' | 'etcd';
  readonly etcd?: readonly string[];
  readonly ttl?: number;
  readonly interval: number;
  readonly maxRto?: number;
  readonly seed?: number;
  readonly json?: true;
}

/** How long a primary works before it is struck, milliseconds. */
const leastWorkMs = 100;
const mostWorkMs = 600;
/** How soon damage of a copy is to be found. */
const hastyScrubMs = 1000;
/** About what a transaction of the ledger writes. */
const ledgerBytesPerTransaction = 8192;

export function addDrill(program: Command): void {
  program
    .command('drill')
    .description(
      'Kill, freeze and cut off the primary of a replicated guest on purpose, and see that its standby takes over, and nothing is lost.',
    )
    .addOption(
      new Option(
        '--guest <NAME>',
        'what runs: ledger, or sqlite (needs npm package sql.js), or pglite (@electric-sql/pglite)',
      )
        .choices(['ledger', 'sqlite', 'pglite'])
        .default('ledger'),
    )
    .option('--kills <N>', 'how often the primary is killed', parseCount, 5)
    .option('--freezes <N>', 'how often it is frozen, after the kills', parseCount, 0)
    .option(
      '--partitions <N>',
      'how often it is cut off from all others: from its standby, and from etcd',
      parseCount,
      0,
    )
    .option(
      '--corruptions <N>',
      'how often what it sends to its standby, and the copy there, is damaged, turn about',
      parseCount,
      0,
    )
    .option(
      '--leader-kills <N>',
      'how often it is killed together with the leader of etcd, of which three members are started then',
      parseCount,
      0,
    )
    .addOption(
      new Option('--mode <MODE>', 'when outputs leave')
        .choices(['output-commit', 'async'])
        .default('output-commit'),
    )
    .addOption(
      new Option('--lease <ENGINE>', 'who decides who owns it: this machine, or etcd')
        .choices(['local', 'etcd'])
        .default('local'),
    )
    .option(
      '--etcd <URL...>',
      'client URLs of a cluster that runs (default with --lease etcd: one is started)',
    )
    .option('--size <MiB>', 'memory of the guest (default: 64; pglite: 128)', parsePositive)
    .option('--rate <N>', 'transactions a second', parsePositive, 200)
    .option(
      '--ttl <MS>',
      'how long an owner may give no sign (default: 1000; etcd: 2000)',
      parsePositive,
    )
    .option('--interval <MS>', 'longest time between two epochs', parsePositive, 50)
    .option('--max-rto <MS>', 'fail if a standby takes longer to run the guest', parsePositive)
    .option(
      '--seed <N>',
      'what the guest does follows from it (default: another each time)',
      parseSeed,
    )
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText('after', '\nExample:\n  $ pageferry drill --guest sqlite --kills 20 --max-rto 500')
    .action((options: DrillOptions) =>
      conduct(options.json === true, 'source', (stage) => drill(options, stage)),
    );
}

async function drill(options: DrillOptions, { output, interruption }: Stage): Promise<void> {
  const { mode, interval } = options;
  const blows = blowsOf(options);
  const guest = planOf(options);
  await checkingUsage(() => checkPlan(guest));
  const folder = await mkdtemp(join(tmpdir(), 'pageferry-drill-'));
  try {
    await using etcd = await etcdOf(options, folder);
    const lease = await leaseOf(options, folder, etcd?.endpoints);
    const name = `drill-${randomBytes(8).toString('hex')}`;
    const scrubMs = options.corruptions > 0 ? hastyScrubMs : 0;
    const plan = { guest, mode, name, lease, intervalMs: interval, scrubMs };
    const coordinator = new DrillCoordinator(plan, interruption.signal, etcd);
    await strikeAll(options, plan, blows, coordinator, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Strikes, tells of each blow, and judges what came of all. */
async function strikeAll(
  options: DrillOptions,
  plan: DrillPlan,
  blows: readonly Blow[],
  coordinator: DrillCoordinator,
  output: Output,
): Promise<void> {
  const { guest, mode, lease } = plan;
  const reports: BlowReport[] = [];
  try {
    output.status('  starting');
    await coordinator.start();
    output.line(`pageferry drill: ${guest.kind}, ${mode}, lease ${lease.kind}\n`);
    for (const [at, blow] of blows.entries()) {
      const report = await coordinator.strike(blow, randomInt(leastWorkMs, mostWorkMs));
      reports.push(report);
      output.event({ type: 'struck', number: at + 1, ...report });
      output.line(`  ${blowLine(at + 1, report)}`);
    }
    const account = await coordinator.account();
    const takeovers = reports.filter((report) => report.isPromoted);
    const rtoMs = rtoOf(takeovers);
    const lost = Math.max(
      account.lost,
      takeovers.reduce((sum, report) => sum + report.lost, 0),
    );
    const found = { ...account, lost, promoted: takeovers.length, rtoMs };
    const kept = reports.length - takeovers.length;
    output.line('');
    if (takeovers.length > 0) {
      output.line(
        `  ${plural(takeovers.length, 'takeover')}: in ${formatMs(rtoMs.median)} (median), ${formatMs(rtoMs.worst)} (worst)`,
      );
    }
    if (kept > 0) output.line(`  ${plural(kept, 'disturbance')}: the primary went on by itself`);
    output.line(
      `  ${plural(account.transactions, 'transaction')} told of: ${lost} lost, overlap ${account.overlap}; ${account.refused} of fenced ones refused`,
    );
    judge(options, found);
    const { kills, freezes, partitions, corruptions, leaderKills } = options;
    const struck = { kills, freezes, partitions, corruptions, leaderKills };
    const what = { guest: guest.kind, mode, lease: lease.kind, ...struck };
    const byBlow = Object.fromEntries(
      [...new Set(blows)].map((blow) => [blow, countOf(reports, blow)]),
    );
    output.event({ type: 'completed', ...what, ...found, byBlow });
  } finally {
    await coordinator.end();
  }
}

/** Where nobody says which one runs, one is started. */
async function etcdOf(
  { lease, etcd, leaderKills }: DrillOptions,
  folder: string,
): Promise<DrillEtcd | undefined> {
  if (lease !== 'etcd' || etcd !== undefined) return undefined;
  return DrillEtcd.start(folder, leaderKills > 0 ? 3 : 1);
}

/** ERR_LEASE_UNKNOWN where etcd does not answer. */
async function leaseOf(
  { lease, etcd, ttl = lease === 'etcd' ? 2000 : 1000 }: DrillOptions,
  folder: string,
  started: readonly string[] = [],
): Promise<DrillPlan['lease']> {
  if (lease === 'local') {
    if (etcd !== undefined) throw new UsageError('--etcd is for --lease etcd');
    if (!(ttl >= 100 && ttl <= 600_000)) throw new UsageError('--ttl: 100 to 600000');
    return { kind: 'local', folder: join(folder, 'leases'), ttlMs: ttl };
  }
  const endpoints = etcd ?? started;
  const engine = await checkingUsage(() => new EtcdLeases({ endpoints, ttlMs: ttl }));
  try {
    await engine.read('drill');
  } finally {
    await engine.close();
  }
  return { kind: 'etcd', endpoints, ttlMs: ttl };
}

/** ERR_DIGEST for what must never be; ERR_PEER_TIMEOUT where it took too long. */
function judge(
  { mode, maxRto }: DrillOptions,
  found: {
    readonly lost: number;
    readonly overlap: number;
    readonly rtoMs: { readonly worst: number };
  },
): void {
  const { lost, overlap, rtoMs } = found;
  if (overlap > 0) throw new FerryError('ERR_DIGEST', `${overlap} effects of two owners at a time`);
  if (mode === 'output-commit' && lost > 0) {
    throw new FerryError('ERR_DIGEST', `${lost} transactions that were told of are lost`);
  }
  if (maxRto !== undefined && rtoMs.worst > maxRto) {
    const what = `a standby took ${formatMs(rtoMs.worst)} to run the guest; at most ${formatMs(maxRto)} are allowed`;
    throw new FerryError('ERR_PEER_TIMEOUT', what);
  }
}

/** A UsageError for what cannot be done here. */
function blowsOf(options: DrillOptions): readonly Blow[] {
  const { kills, freezes, partitions, corruptions, leaderKills, lease, etcd = [] } = options;
  if (leaderKills > 0 && (lease !== 'etcd' || etcd.length > 0)) {
    throw new UsageError('--leader-kills is for --lease etcd, with members that are started here');
  }
  if (partitions > 0 && !etcd.every((url) => /^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url))) {
    throw new UsageError('--partitions needs an etcd of this machine, asked over http:');
  }
  const blows = [
    // First, so that what was damaged is gone on with.
    ...Array<Blow>(corruptions).fill('corruption'),
    ...Array<Blow>(kills).fill('kill'),
    ...Array<Blow>(freezes).fill('freeze'),
    ...Array<Blow>(partitions).fill('partition'),
    ...Array<Blow>(leaderKills).fill('leader-kill'),
  ];
  if (blows.length === 0) throw new UsageError('say what to do: --kills N or --freezes N');
  return blows;
}

function rtoOf(takeovers: readonly TakeoverReport[]): { median: number; worst: number } {
  const rto = takeovers.map(({ promotedMs }) => promotedMs).sort((a, b) => a - b);
  return { median: rto[rto.length >> 1] ?? 0, worst: rto.at(-1) ?? 0 };
}

/** Of one kind of blow. */
function countOf(all: readonly BlowReport[], blow: Blow): object {
  const reports = all.filter((report) => report.blow === blow);
  const takeovers = reports.filter((report) => report.isPromoted);
  const lost = takeovers.reduce((sum, report) => sum + report.lost, 0);
  const rtoMs = takeovers.length === 0 ? {} : { rtoMs: rtoOf(takeovers) };
  return { struck: reports.length, promoted: takeovers.length, lost, ...rtoMs };
}

function blowLine(number: number, { blow, ...report }: BlowReport): string {
  if (!report.isPromoted) {
    const { place, code, droppedMs, rejoinedMs } = report;
    const how = code === undefined ? '' : `of the ${place}: noticed (${code}), `;
    return `${blow} ${number}: ${how}alone after ${formatMs(droppedMs)}, in sync again after ${formatMs(rejoinedMs)}`;
  }
  const { detectedMs, promotedMs, effectMs, lost } = report;
  return `${blow} ${number}: claimed after ${formatMs(detectedMs)}, runs after ${formatMs(promotedMs)}, first output after ${formatMs(effectMs)}; ${lost} lost`;
}

function planOf(options: DrillOptions): DemoPlan {
  const { guest, rate, seed = randomInt(2 ** 32) } = options;
  const { size = guest === 'pglite' ? 128 : 64 } = options;
  if (guest !== 'ledger') {
    return { kind: guest, seed, sizeMiB: size, transactionsPerSecond: rate };
  }
  const sizeBytes = Math.ceil(size * 256) * 4096;
  return { kind: guest, seed, sizeBytes, bytesPerSecond: rate * ledgerBytesPerTransaction };
}
