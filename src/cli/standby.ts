import type { Command } from 'commander';
import { FerryError } from '../errors.js';
import { fileTokens } from '../lease/token-file.js';
import type { StandbyEvent } from '../replication/events.js';
import { standby } from '../replication/standby-driver.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { checkingUsage } from './failure.js';
import { lead } from './lead.js';
import { addMember, loadModule, type MemberArguments, memberOf } from './member-options.js';
import {
  type Address,
  formatAddress,
  parseAddress,
  parseCount,
  parseSize,
  parseTargets,
} from './parse.js';

interface StandbyArguments extends MemberArguments {
  readonly listen: Address;
  readonly promise: number;
  readonly rank: number;
  readonly tokens?: string;
  readonly heartbeat?: readonly Address[];
  readonly scrub?: number;
  readonly spill?: string;
  readonly maxImage?: number;
}

export function addStandby(program: Command): void {
  addMember(
    program
      .command('standby')
      .description(
        'Follow a guest that runs elsewhere, and run it here when nobody does any more.',
      ),
  )
    .requiredOption('--listen <HOST:PORT>', 'where its primary finds this one', parseAddress)
    .option(
      '--promise <MS>',
      'how long each acknowledgement promises not to claim: so long the primary goes on without the engine',
      parseCount,
      0,
    )
    .option('--rank <MS>', 'how much later than others it claims', parseCount, 0)
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
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry standby ./orders.mjs --name orders --lease-dir ~/.orders --listen 127.0.0.1:4712',
    )
    .action((path: string, options: StandbyArguments) =>
      conduct(options.json === true, 'destination', (stage) => run(path, options, stage)),
    );
}

async function run(path: string, options: StandbyArguments, stage: Stage): Promise<void> {
  const { output, interruption } = stage;
  const { listen, promise, rank, tokens, heartbeat, scrub, spill, maxImage } = options;
  const module = await loadModule(path);
  const member = await memberOf(options, module, [listen], output);
  try {
    const waiting = await checkingUsage(() =>
      standby({
        ...{ ...member, ...listen, promiseMs: promise, rankMs: rank },
        accept: (offer) => module.receive(offer),
        ...(heartbeat === undefined ? {} : { heartbeats: heartbeat }),
        ...(tokens === undefined ? {} : { tokens: fileTokens(tokens) }),
        ...(scrub === undefined ? {} : { scrubMs: scrub }),
        ...(spill === undefined ? {} : { spillFolder: spill }),
        ...(maxImage === undefined ? {} : { maxImageBytes: maxImage }),
      }),
    );
    const end = (): void => void waiting.close();
    interruption.signal.addEventListener('abort', end);
    const { host, port } = waiting;
    output.event({ type: 'listening', host, port });
    output.line(`listening ${formatAddress({ host, port })}`);
    let last: StandbyEvent | undefined;
    for await (const event of waiting) {
      last = event;
      output.event('token' in event ? { ...event, token: `${event.token}` } : event);
      output.line(lineOf(event));
    }
    interruption.signal.removeEventListener('abort', end);
    if (last?.type === 'failed') throw new FerryError(last.code, last.message);
    if (last?.type === 'promoted') await lead(await waiting.promoted, module, stage);
  } finally {
    await member.lease.close();
  }
}

function lineOf(event: StandbyEvent): string {
  const why =
    'reasons' in event
      ? event.reasons.map(({ path, message }) => `${path}: ${message}`).join('; ')
      : 'message' in event && event.message;
  return why ? `${event.type}: ${escapeControls(why)}` : event.type;
}
