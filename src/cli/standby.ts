import { type Command, Option } from 'commander';
import { FerryError } from '../errors.js';
import { fileTokens } from '../lease/token-file.js';
import type { StandbyEvent, StoreStandbyEvent } from '../replication/events.js';
import { standby } from '../replication/standby-driver.js';
import { storeStandby } from '../replication/store-standby.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { checkingUsage, UsageError } from './failure.js';
import { plural } from './format.js';
import { type InboxOptions, openArrivals } from './inbox.js';
import { lead } from './lead.js';
import { addMember, loadModule, type MemberArguments, memberOf } from './member-options.js';
import {
  type Address,
  formatAddress,
  parseAddress,
  parseCount,
  parsePositive,
  parseSize,
  parseTargets,
} from './parse.js';
import { withKeyOptions, withMakingOptions } from './store-options.js';

interface StandbyArguments extends MemberArguments, Omit<InboxOptions, 'name' | 'json'> {
  readonly listen: Address;
  readonly promise?: number;
  readonly rank?: number;
  readonly tokens?: string;
  readonly heartbeat?: readonly Address[];
  readonly scrub?: number;
  readonly spill?: string;
  /** Minutes. */
  readonly keep?: number;
  /** Seconds. */
  readonly every?: number;
  readonly maxImage?: number;
}

const minuteMs = 60_000;

export function addStandby(program: Command): void {
  const command = addMember(
    program
      .command('standby')
      .description(
        'Follow a guest that runs elsewhere, and run it here when nobody does any more, or keep it in a store.',
      ),
    '[MODULE]',
  )
    .requiredOption('--listen <HOST:PORT>', 'where its primary finds this one', parseAddress)
    .option(
      '--promise <MS>',
      'how long each acknowledgement promises not to claim: so long the primary goes on without the engine',
      parseCount,
    )
    .option('--rank <MS>', 'how much later than others it claims', parseCount)
    .option(
      '--heartbeat <HOST:PORT>',
      'other addresses of the owner, several with commas: where one is silent the engine is asked more often',
      parseTargets,
    )
    .option('--tokens <FILE>', 'where the highest generation seen is kept')
    .option(
      '--scrub <MS>',
      'reads the copy back in so long, again and again (default: 600000; 0: never)',
      parseCount,
    )
    .option('--spill <DIR>', 'where frames of an epoch wait that are too many for memory')
    .option('--max-image <SIZE>', 'largest guest to take (default: 1GiB)', parseSize)
    .addOption(
      new Option(
        '--store <STORE>',
        'becomes snapshots there instead, and never runs here',
      ).conflicts([
        'promise',
        'rank',
        'heartbeat',
        'scrub',
        'spill',
        'peer',
        'mode',
        'interval',
        'targetLag',
        'patience',
      ]),
    )
    .option('--keep <MINUTES>', 'how long snapshots are kept', parsePositive)
    .option('--every <SECONDS>', 'how often one is made (default: 10)', parsePositive)
    .option('--stage <DIR>', 'where the copy is (default: in the store)')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry standby ./orders.mjs --name orders --lease-dir ~/.orders --listen 127.0.0.1:4712',
    );
  withMakingOptions(withKeyOptions(command)).action(
    (path: string | undefined, options: StandbyArguments) =>
      conduct(options.json === true, 'destination', (stage) =>
        options.store === undefined
          ? run(path, options, stage)
          : keep(path, options.store, options, stage),
      ),
  );
}

async function run(
  path: string | undefined,
  options: StandbyArguments,
  stage: Stage,
): Promise<void> {
  const { output } = stage;
  const { listen, promise, rank, heartbeat, scrub, spill } = options;
  if (path === undefined) throw new UsageError('say what the guest is: MODULE, or --store STORE');
  const { keyFile, verifyKey, signKey, compression } = options;
  if (
    (options.keep ?? options.every ?? options.stage) !== undefined ||
    (keyFile ?? verifyKey ?? signKey ?? compression) !== undefined
  ) {
    throw new UsageError('--keep, --every, --stage, keys and --compression are for --store');
  }
  const module = await loadModule(path);
  const member = await memberOf(options, module, [listen], output);
  try {
    const waiting = await checkingUsage(() =>
      standby({
        ...{ ...member, ...listen, ...placesOf(options) },
        accept: (offer) => module.receive(offer),
        ...(heartbeat === undefined ? {} : { heartbeats: heartbeat }),
        ...(promise === undefined ? {} : { promiseMs: promise }),
        ...(rank === undefined ? {} : { rankMs: rank }),
        ...(scrub === undefined ? {} : { scrubMs: scrub }),
        ...(spill === undefined ? {} : { spillFolder: spill }),
      }),
    );
    const last = await tell(waiting, stage);
    if (last?.type === 'failed') throw new FerryError(last.code, last.message);
    if (last?.type === 'promoted') await lead(await waiting.promoted, module, stage);
  } finally {
    await member.lease.close();
  }
}

/** Follows the guest until it is interrupted, and keeps it in the store at `path`. */
async function keep(
  module: string | undefined,
  path: string,
  options: StandbyArguments,
  stage: Stage,
): Promise<void> {
  const { listen, keep: minutes, every, stage: place } = options;
  if (module !== undefined) throw new UsageError('a store runs nothing: MODULE or --store STORE');
  if (minutes === undefined) throw new UsageError('--keep: say for how many minutes');
  const store = await openArrivals(path, options);
  try {
    const member = await memberOf(options, {}, [listen], stage.output);
    try {
      const keeper = await checkingUsage(() =>
        storeStandby({
          ...{ ...member, ...listen, ...placesOf(options) },
          ...{ store, keepMs: minutes * minuteMs },
          ...(every === undefined ? {} : { everyMs: every * 1000 }),
          ...(place === undefined ? {} : { stage: place }),
        }),
      );
      await tell(keeper, stage);
    } finally {
      await member.lease.close();
    }
  } finally {
    await store.close();
  }
}

function placesOf({ tokens, maxImage }: StandbyArguments) {
  return {
    ...(tokens === undefined ? {} : { tokens: fileTokens(tokens) }),
    ...(maxImage === undefined ? {} : { maxImageBytes: maxImage }),
  };
}

/** Tells what happens until it ends, by itself or by an interruption. The last event. */
async function tell<E extends StandbyEvent | StoreStandbyEvent>(
  waiting: AsyncIterable<E> & {
    readonly host: string;
    readonly port: number;
    close(): Promise<void>;
  },
  { output, interruption }: Stage,
): Promise<E | undefined> {
  const end = (): void => void waiting.close();
  interruption.signal.addEventListener('abort', end);
  const { host, port } = waiting;
  output.event({ type: 'listening', host, port });
  output.line(`listening ${formatAddress({ host, port })}`);
  let last: E | undefined;
  for await (const event of waiting) {
    last = event;
    output.event('token' in event ? { ...event, token: `${event.token}` } : event);
    output.line(lineOf(event));
  }
  interruption.signal.removeEventListener('abort', end);
  return last;
}

function lineOf(event: StandbyEvent | StoreStandbyEvent): string {
  if (event.type === 'stored') {
    return `stored epoch ${event.epoch} as #${event.snapshot}: ${plural(event.pages, 'page')}`;
  }
  const why =
    'reasons' in event
      ? event.reasons.map(({ path, message }) => `${path}: ${message}`).join('; ')
      : 'message' in event && event.message;
  return why ? `${event.type}: ${escapeControls(why)}` : event.type;
}
