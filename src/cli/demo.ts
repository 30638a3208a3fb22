import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { FerryError } from '../errors.js';
import type { StallPolicy } from '../migration/options.js';
import { resolveOptions } from '../migration/options.js';
import { conduct, type Stage } from './conduct.js';
import { DemoCoordinator } from './demo-coordinator.js';
import { checkPlan } from './demo-guests.js';
import type { DemoMigrateOptions, DemoPlan } from './demo-messages.js';
import { demoReport, demoTitle } from './demo-report.js';
import { checkingUsage } from './failure.js';
import { MigrationView } from './migration-view.js';
import { formatAddress, parsePositive, parseRate, parseSeed } from './parse.js';

interface DemoOptions {
  readonly guest: DemoPlan['kind'];
  readonly size?: number;
  readonly writeRate?: number;
  readonly bytesPerSecond?: number;
  readonly maxDowntime?: number;
  readonly onStall?: StallPolicy;
  readonly seed?: number;
  readonly record?: string;
  readonly json?: true;
}

/** MiB; PostgreSQL needs as much. */
const defaultSizes = { ledger: 64, sqlite: 64, pglite: 128 };
/** MB/s; a session of PostgreSQL makes some 300 transactions a second on its own. */
const defaultWriteRates = { ledger: 20, sqlite: 20, pglite: 4 };
/** About what a transaction dirties. */
const pagesPerTransaction = { sqlite: 8, pglite: 10 };

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'Migrate a live guest from one process to another here, and check every byte of it.',
    )
    .addOption(
      new Option(
        '--guest <NAME>',
        'what runs: ledger, or sqlite (needs npm package sql.js), or pglite (@electric-sql/pglite)',
      )
        .choices(['ledger', 'sqlite', 'pglite'])
        .default('ledger'),
    )
    .option('--size <MiB>', 'memory of the guest (default: 64; pglite: 128)', parsePositive)
    .option(
      '--write-rate <MB/s>',
      'distinct dirty pages x 4096 a second (default: 20; pglite: 4)',
      parsePositive,
    )
    .option('--bytes-per-second <N>', 'ceiling for live rounds, as in 10M', parseRate)
    .option('--max-downtime <MS>', 'longest acceptable pause', parsePositive)
    .addOption(
      new Option(
        '--on-stall <POLICY>',
        'what to do when no round shortens the pause any more',
      ).choices(['throttle', 'force', 'cancel']),
    )
    .option(
      '--seed <N>',
      'what the guest does follows from it (default: another each time)',
      parseSeed,
    )
    .option('--record <FILE>', 'record every frame and step of the source')
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText('after', '\nExample:\n  $ pageferry demo --size 256 --write-rate 50')
    .action((options: DemoOptions) =>
      conduct(options.json === true, 'source', (stage) => demo(options, stage)),
    );
}

async function demo(options: DemoOptions, stage: Stage): Promise<void> {
  const { output } = stage;
  const plan = planOf(options);
  const engine = engineOptions(options);
  await checkingUsage(() => {
    checkPlan(plan);
    resolveOptions(engine);
  });
  output.line(`pageferry demo: ${demoTitle(plan)}\n`);
  const view = new MigrationView(output, 'pausable');
  const record = options.record === undefined ? undefined : resolve(options.record);
  const coordinator = new DemoCoordinator({ plan, options: engine, record }, stage, (event) =>
    view.show(event),
  );
  try {
    output.status('  starting both processes');
    const address = await coordinator.start();
    output.event({ type: 'listening', ...address, processes: coordinator.pids });
    output.line(`  source       process ${coordinator.pids.source}, runs the guest`);
    output.line(
      `  destination  process ${coordinator.pids.destination}, listens on ${formatAddress(address)}\n`,
    );
    const result = await coordinator.migrate(address);
    const { guest, completed } = result;
    for (const line of demoReport(result, output.live)) output.line(line);
    if (guest.lost + guest.doubled > 0) {
      throw new FerryError('ERR_DIGEST', `${guest.lost} commits lost, ${guest.doubled} doubled`);
    }
    output.event({ ...completed, guest: { ...guest, seed: plan.seed } });
  } catch (error) {
    throw await coordinator.explain(error);
  } finally {
    await coordinator.end();
  }
}

function planOf(options: DemoOptions): DemoPlan {
  const { guest, seed = randomInt(2 ** 32) } = options;
  const { size = defaultSizes[guest], writeRate = defaultWriteRates[guest] } = options;
  const bytesPerSecond = writeRate * 1e6;
  if (guest === 'ledger') {
    const sizeBytes = Math.ceil(size * 256) * 4096;
    return { kind: guest, seed, sizeBytes, bytesPerSecond };
  }
  const transactionsPerSecond = Math.ceil(bytesPerSecond / (4096 * pagesPerTransaction[guest]));
  return { kind: guest, seed, sizeMiB: size, transactionsPerSecond };
}

function engineOptions({ maxDowntime, bytesPerSecond, onStall }: DemoOptions): DemoMigrateOptions {
  return {
    ...(maxDowntime === undefined ? {} : { maxDowntimeMs: maxDowntime }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(onStall === undefined ? {} : { onStall }),
  };
}
