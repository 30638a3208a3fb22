import { hostname } from 'node:os';
import { pathToFileURL } from 'node:url';
import { type Command, Option } from 'commander';
import type { Guest } from '../guests/guest.js';
import { embeddedLease } from '../lease/embedded.js';
import { EtcdLeases } from '../lease/etcd.js';
import { isMember } from '../lease/owner-record.js';
import type { LeaseProvider } from '../lease/provider.js';
import type { Offer } from '../protocol/messages.js';
import type { Primary } from '../replication/primary-driver.js';
import { newMember } from '../replication/protect.js';
import type { MemberOptions } from '../replication/protect-options.js';
import { checkingUsage, UsageError } from './failure.js';
import type { Output } from './output.js';
import { type Address, parsePositive, parseTargets } from './parse.js';
import { addTrust, readTrust, type TrustArguments } from './trust-options.js';

/** What a module that is protected exports. */
export interface GuestModule {
  /** The guest as it begins its life, for the first primary; paused. */
  readonly create: () => Guest | Promise<Guest>;
  /** An empty one for what a primary offers, at a standby; paused. */
  readonly receive: (offer: Offer) => Guest | Promise<Guest>;
  /** The guest runs here from now on: open its doors. What it returns closes them. */
  readonly serve?: (primary: Primary) => unknown;
  /** How it shows that it works, and what is done once it does. */
  readonly health?: MemberOptions['health'];
  readonly announce?: MemberOptions['announce'];
}

export interface MemberArguments extends TrustArguments {
  readonly name: string;
  readonly member?: string;
  readonly peer?: readonly Address[];
  readonly leaseDir?: string;
  readonly etcd?: readonly string[];
  readonly ttl?: number;
  readonly mode: 'output-commit' | 'async';
  readonly interval?: number;
  readonly targetLag?: number;
  readonly patience?: number;
  readonly json?: true;
}

/** Options that a primary and a standby share: either may be the other next. */
export function addMember(command: Command, module = '<MODULE>'): Command {
  command
    .argument(module, 'a JavaScript module that exports create, receive and serve')
    .requiredOption('--name <NAME>', 'of the guest, the same everywhere')
    .option('--member <NAME>', 'of this one (default: the name of this machine)')
    .option('--peer <HOST:PORT>', 'where standbys listen, several with commas', parseTargets)
    .addOption(
      new Option(
        '--lease-dir <DIR>',
        'who owns the guest, between processes of this machine: a folder of this user',
      ).conflicts('etcd'),
    )
    .option('--etcd <URL...>', 'the same, between machines: client URLs of an etcd cluster')
    .option('--ttl <MS>', 'how long an owner may give no sign', parsePositive)
    .addOption(
      new Option('--mode <MODE>', 'when outputs leave')
        .choices(['output-commit', 'async'])
        .default('output-commit'),
    )
    .option('--interval <MS>', 'longest time between two epochs (default: 50)', parsePositive)
    .option(
      '--target-lag <MS>',
      'what a failover may lose at most with async: the interval follows it',
      parsePositive,
    )
    .option('--patience <MS>', 'when a silent standby is dropped (default: 1000)', parsePositive)
    .option('--json', 'events as NDJSON on stdout');
  return addTrust(command, 'to and from other machines, unencrypted and unauthenticated');
}

/** What those come to. The lease is the caller's to close. */
export async function memberOf(
  options: MemberArguments,
  module: Pick<GuestModule, 'health' | 'announce'>,
  places: readonly Address[],
  output: Output,
): Promise<MemberOptions & { readonly lease: LeaseProvider }> {
  const { name, mode, interval, targetLag, patience, peer: peers = [] } = options;
  const own = options.member ?? hostname().replace(/[^A-Za-z0-9._-]/g, '-');
  const member = newMember(own);
  if (!isMember(member)) throw new UsageError(`--member: ${own} cannot be a name`);
  const trust = await readTrust(options, [...peers, ...places], output);
  return {
    ...{ name, member, mode, peers, keeper: {}, ...trust },
    lease: await checkingUsage(() => leaseOf(options)),
    ...(module.health === undefined ? {} : { health: module.health }),
    ...(module.announce === undefined ? {} : { announce: module.announce }),
    ...(interval === undefined ? {} : { intervalMs: interval }),
    ...(targetLag === undefined ? {} : { targetLagMs: targetLag }),
    ...(patience === undefined ? {} : { patienceMs: patience }),
  };
}

/** Loads a user's module. A UsageError where it is none. */
export async function loadModule(path: string): Promise<GuestModule> {
  let found: Partial<Record<keyof GuestModule, unknown>>;
  try {
    found = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new UsageError(`cannot load ${path}: ${(error as Error).message}`, { cause: error });
  }
  for (const name of ['create', 'receive'] as const) {
    if (typeof found[name] !== 'function') throw new UsageError(`${path} exports no ${name}()`);
  }
  return found as GuestModule;
}

async function leaseOf({ leaseDir, etcd, ttl }: MemberArguments): Promise<LeaseProvider> {
  const ttlMs = ttl === undefined ? {} : { ttlMs: ttl };
  if (etcd !== undefined) return new EtcdLeases({ endpoints: etcd, ...ttlMs });
  if (leaseDir !== undefined) return embeddedLease({ folder: leaseDir, ...ttlMs });
  throw new UsageError('say who decides: --lease-dir DIR or --etcd URL');
}
