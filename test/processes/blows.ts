import type { MessageName } from '../../src/protocol/index.js';
import type { RelayFault } from './relay-messages.js';
import type { Voyage, VoyageOptions } from './voyage.js';

export type Victim = 'source' | 'destination' | 'relay';
/**
 * `kill`: with SIGKILL, for good. `restart`, not of sources: killed and started again in the same place. `freeze`: SIGSTOP until the others have taken it for
 * lost, then SIGCONT. `freeze too long`: until they gave up.
 */
export type Blow = 'kill' | 'restart' | 'freeze' | 'freeze too long';

/**
 * Who is bound by what when the blow falls. `opening`: there is nothing yet that could be gone on with. `open`: the guest is the source's. `ready`: as well, but
 * the destination has promised to keep it. `committed`: COMMIT was sent and has not arrived. `starting`: it has, and the guest does not run yet. `running`:
 * it does, and the source was not told. `over`: it was.
 */
export type Standing = 'opening' | 'open' | 'ready' | 'committed' | 'starting' | 'running' | 'over';

/** A moment of a migration that somebody announces, and that lasts until everybody is told to go on. */
export interface Step {
  readonly name: string;
  readonly standing: Standing;
  /** Seen also where nobody knows frames. */
  readonly underTls: boolean;
  /** It takes an outage, which may last so long on a busy machine. */
  readonly outageMs?: number;
  /** The destination may be in the middle of loading, or about to. */
  readonly loads?: true;
  /** The relay is dead by then. */
  readonly relayIsDead?: true;
  readonly options?: Pick<VoyageOptions, 'sourceGates' | 'destinationGates' | 'faults'>;
  reached(voyage: Voyage): Promise<unknown>;
}

const held = (name: MessageName, from: RelayFault['from']): RelayFault => ({
  what: 'hold',
  name,
  from,
  skip: 0,
  at: 0,
});

function onItsWay(name: MessageName, from: RelayFault['from'], standing: Standing): Step {
  return {
    name: `${name} is under way`,
    standing,
    underTls: false,
    options: { faults: [held(name, from)] },
    reached: (voyage) => voyage.fault(name),
  };
}

const says = (voyage: Voyage, type: string, round?: number): Promise<unknown> =>
  voyage.source.event(`${type} ${round ?? ''}`, (event) => {
    return event.type === type && (round === undefined || event.round === round);
  });

/** Rounds come to no end before they are told to go on. */
const waiting: Step['options'] = { sourceGates: ['pause'] };
/** What may come to an end is not decided before they are: a guest that is asked to pause would keep its source from going on. */
const undecided: Step['options'] = { destinationGates: ['acquire'] };

async function interrupted(voyage: Voyage): Promise<void> {
  await says(voyage, 'round', 1);
  await voyage.relay.kill();
  await says(voyage, 'interrupted');
}

export const steps: readonly Step[] = [
  onItsWay('OFFER', 'source', 'opening'),
  onItsWay('ACCEPT', 'destination', 'opening'),
  ...[1, 2].map(
    (round): Step => ({
      name: `round ${round} is over`,
      standing: 'open',
      underTls: true,
      options: waiting,
      reached: (voyage) => says(voyage, 'round', round),
    }),
  ),
  {
    name: 'its connection is lost',
    standing: 'open',
    underTls: true,
    loads: true,
    relayIsDead: true,
    options: undecided,
    reached: interrupted,
  },
  {
    name: 'it goes on after its connection was lost',
    standing: 'open',
    underTls: true,
    loads: true,
    outageMs: 10_000,
    options: undecided,
    async reached(voyage) {
      await interrupted(voyage);
      await voyage.startRelay();
      await says(voyage, 'resumed');
    },
  },
  {
    name: 'the guest is about to pause',
    standing: 'open',
    underTls: true,
    options: waiting,
    reached: (voyage) => voyage.source.at('pause'),
  },
  {
    name: 'the guest is paused',
    standing: 'open',
    underTls: true,
    options: { sourceGates: ['release'] },
    reached: (voyage) => voyage.source.at('release'),
  },
  // Released it makes the destination load.
  { ...onItsWay('PREPARE', 'source', 'open'), loads: true },
  {
    name: 'its state is loaded',
    standing: 'open',
    underTls: true,
    loads: true,
    options: undecided,
    reached: (voyage) => voyage.destination.at('acquire'),
  },
  onItsWay('READY', 'destination', 'ready'),
  onItsWay('COMMIT', 'source', 'committed'),
  {
    name: 'the guest is about to start',
    standing: 'starting',
    underTls: true,
    options: { destinationGates: ['resume'] },
    reached: (voyage) => voyage.destination.at('resume'),
  },
  onItsWay('RUNNING', 'destination', 'running'),
  {
    name: 'the source is in doubt',
    standing: 'running',
    underTls: false,
    relayIsDead: true,
    options: { faults: [held('RUNNING', 'destination')] },
    async reached(voyage) {
      await voyage.fault('RUNNING');
      await voyage.relay.kill();
      await says(voyage, 'in-doubt');
    },
  },
  {
    name: 'it is completed',
    standing: 'over',
    underTls: true,
    reached: (voyage) => says(voyage, 'completed'),
  },
];

/** How a side ends, or stands until somebody decides: a code of failure, or one of these. */
export type Ending = 'completed' | 'in doubt' | 'dead' | RegExp;

export interface Outcome {
  readonly source: Ending;
  readonly destination: Ending;
  /** Who is told what after that, by an operator who knows what happened. */
  readonly words?: readonly (readonly ['source' | 'destination', 'resume' | 'abandon'])[];
  /** Where the guest runs in the end, and nowhere else. Undefined: it is lost. */
  readonly owner: 'source' | 'destination' | undefined;
}

const sourceLost = /^ERR_SOURCE_LOST$/;
const connectionLost = /^ERR_CONNECTION_LOST$/;
const timedOut = /^ERR_PEER_TIMEOUT$/;
const either = /^ERR_(SOURCE_LOST|CONNECTION_LOST)$/;
const moved: Outcome = { source: 'completed', destination: 'completed', owner: 'destination' };

const killed: Readonly<Record<Victim, Readonly<Record<Standing, Outcome>>>> = {
  source: {
    opening: { source: 'dead', destination: either, owner: undefined },
    open: { source: 'dead', destination: sourceLost, owner: undefined },
    ready: {
      source: 'dead',
      destination: 'in doubt',
      words: [['destination', 'resume']],
      owner: 'destination',
    },
    committed: {
      source: 'dead',
      destination: 'in doubt',
      words: [['destination', 'resume']],
      owner: 'destination',
    },
    starting: { source: 'dead', destination: 'completed', owner: 'destination' },
    running: { source: 'dead', destination: 'completed', owner: 'destination' },
    over: { source: 'dead', destination: 'completed', owner: 'destination' },
  },
  destination: {
    opening: { source: connectionLost, destination: 'dead', owner: 'source' },
    open: { source: connectionLost, destination: 'dead', owner: 'source' },
    ready: { source: connectionLost, destination: 'dead', owner: 'source' },
    committed: {
      source: 'in doubt',
      destination: 'dead',
      words: [['source', 'resume']],
      owner: 'source',
    },
    starting: {
      source: 'in doubt',
      destination: 'dead',
      words: [['source', 'resume']],
      owner: 'source',
    },
    // Whoever resumed it here would take back what others have seen.
    running: {
      source: 'in doubt',
      destination: 'dead',
      words: [['source', 'abandon']],
      owner: undefined,
    },
    over: { source: 'completed', destination: 'dead', owner: undefined },
  },
  relay: {
    opening: { source: connectionLost, destination: either, owner: 'source' },
    open: { source: connectionLost, destination: sourceLost, owner: 'source' },
    ready: {
      source: connectionLost,
      destination: 'in doubt',
      words: [['destination', 'abandon']],
      owner: 'source',
    },
    committed: {
      source: 'in doubt',
      destination: 'in doubt',
      words: [
        ['source', 'abandon'],
        ['destination', 'resume'],
      ],
      owner: 'destination',
    },
    starting: {
      source: 'in doubt',
      destination: 'completed',
      words: [['source', 'abandon']],
      owner: 'destination',
    },
    running: {
      source: 'in doubt',
      destination: 'completed',
      words: [['source', 'abandon']],
      owner: 'destination',
    },
    over: moved,
  },
};

type Bound = Exclude<Standing, 'over'>;

const restarted: Readonly<Partial<Record<Victim, Readonly<Record<Bound, Outcome>>>>> = {
  relay: {
    opening: killed.relay.opening,
    open: moved,
    ready: moved,
    committed: moved,
    starting: moved,
    running: moved,
  },
  // Without a journal it knows of nothing: before COMMIT it is offered the guest once more, and then it is as good as dead.
  destination: {
    opening: killed.destination.opening,
    open: moved,
    ready: moved,
    committed: killed.destination.committed,
    starting: killed.destination.starting,
    running: killed.destination.running,
  },
};

/** What must have become of it. Undefined: such a blow shows nothing there, or nothing for sure. */
export function outcomeOf(blow: Blow, victim: Victim, step: Step): Outcome | undefined {
  const { standing, loads = false, relayIsDead = false } = step;
  switch (blow) {
    case 'kill':
      return killed[victim][standing];
    case 'restart':
      return standing === 'over' ? undefined : restarted[victim]?.[standing];
    case 'freeze':
      if (standing === 'opening' || standing === 'over') return undefined;
      return victim === 'relay' && relayIsDead ? undefined : moved;
    case 'freeze too long':
      // Who is loading may give READY before it knows that it is alone, and keeps that.
      if (standing !== 'open' || loads) return undefined;
      return victim === 'source'
        ? { source: /^ERR_/, destination: sourceLost, owner: 'source' }
        : { source: timedOut, destination: sourceLost, owner: 'source' };
    default:
      return blow satisfies never;
  }
}
