import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, type TestContext } from 'vitest';
import { newToken } from '../../src/index.js';
import { record } from '../evidence/record.js';
import { type Blow, type Ending, outcomeOf, type Step, steps, type Victim } from './blows.js';
import type { Host } from './host.js';
import { Voyage } from './voyage.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const seed = 21;
const plan = { seed, sizeBytes: 256 * 4096, bytesPerSecond: 2e6 };
/** A link slow enough for rounds to be announced, and pauses that a busy machine does not overrun. */
const unhurried = { bytesPerSecond: 2e6, maxDowntimeMs: 10_000 };
/** A peer is taken for lost after 5 s of silence. */
const silenceMs = 6000;
const quickMs = 1000;
const patientMs = 60_000;

interface Row {
  readonly name: string;
  readonly blow: Blow;
  readonly victim: Victim;
  readonly step: Step;
  readonly underTls: boolean;
}

const blows: readonly Blow[] = ['kill', 'restart', 'freeze', 'freeze too long'];
const victims: readonly Victim[] = ['source', 'destination', 'relay'];

const rows: readonly Row[] = steps.flatMap((step) =>
  blows.flatMap((blow) =>
    victims.flatMap((victim) =>
      (step.underTls ? [false, true] : [false]).flatMap((underTls) => {
        if (outcomeOf(blow, victim, step) === undefined) return [];
        const name = `${blow} of the ${victim} when ${step.name}${underTls ? ', under TLS' : ''}`;
        return [{ name, blow, victim, step, underTls }];
      }),
    ),
  ),
);

/** What every run tries; a nightly one tries all. */
const sample: readonly string[] = [
  'kill of the source when round 1 is over, under TLS',
  'kill of the source when PREPARE is under way',
  'kill of the source when READY is under way',
  'kill of the source when the guest is about to start, under TLS',
  'kill of the destination when ACCEPT is under way',
  'kill of the destination when the guest is paused, under TLS',
  'kill of the destination when COMMIT is under way',
  'kill of the destination when RUNNING is under way',
  'kill of the destination when it is completed',
  'kill of the relay when COMMIT is under way',
  'restart of the destination when round 1 is over, under TLS',
  'restart of the destination when READY is under way',
  'restart of the relay when round 2 is over, under TLS',
  'restart of the relay when READY is under way',
  'restart of the relay when the source is in doubt',
  'freeze of the source when its state is loaded, under TLS',
  'freeze of the destination when COMMIT is under way',
  'freeze of the relay when round 1 is over',
  'freeze too long of the destination when round 1 is over',
];
const tried = nightly ? rows : rows.filter(({ name }) => sample.includes(name));

async function expectEnding(host: Host, ending: Ending): Promise<void> {
  if (ending === 'dead') return;
  if (ending === 'in doubt') {
    await host.event('in-doubt', ({ type }) => type === 'in-doubt');
    return;
  }
  const { type, code } = await host.event('the end', (event) =>
    ['completed', 'arrived', 'failed'].includes(event.type),
  );
  if (ending === 'completed') expect(type).not.toBe('failed');
  else expect(code).toMatch(ending);
}

/** What is held on its way goes on, or there is a relay again. */
async function goOn(voyage: Voyage, relayIsDead: boolean): Promise<void> {
  if (relayIsDead) await voyage.startRelay();
  else voyage.relay.order('release');
}

function passGates({ source, destination }: Voyage): void {
  for (const host of [source, destination]) host.order({ type: 'go' });
}

async function strike(voyage: Voyage, { blow, victim, step }: Row): Promise<void> {
  const struck = voyage[victim];
  const { relayIsDead = false } = step;
  if (blow === 'kill') {
    await struck.kill();
    // What is held is lost on its way.
    voyage.relay.order('cut');
    // Or its guest would be loaded before it knows that it is alone.
    if (step.loads && victim !== 'destination') {
      await voyage.destination.inPhase('interrupted', 'aborted');
    }
    passGates(voyage);
  } else if (blow === 'restart') {
    await struck.kill();
    if (victim === 'destination') {
      voyage.relay.order('cut');
      await voyage.startDestination();
    }
    await goOn(voyage, victim === 'relay' || relayIsDead);
    passGates(voyage);
  } else {
    struck.signal('SIGSTOP');
    passGates(voyage);
    if (victim !== 'relay') await goOn(voyage, relayIsDead);
    if (blow === 'freeze') await sleep(silenceMs);
    else await expectEnding(...otherEnd(voyage, victim, step));
    struck.signal('SIGCONT');
    if (victim === 'relay') await goOn(voyage, false);
  }
}

/** Who gives up while `victim` is frozen, and how. */
function otherEnd(voyage: Voyage, victim: Victim, step: Step): [Host, Ending] {
  const outcome = outcomeOf('freeze too long', victim, step);
  const side = victim === 'source' ? 'destination' : 'source';
  return [voyage[side], outcome?.[side] ?? 'dead'];
}

describe.concurrent('three processes, one of which suffers', () => {
  it('is tried in a sample that exists', () => {
    const names = rows.map(({ name }) => name);
    expect(sample.filter((name) => !names.includes(name))).toEqual([]);
  });

  // `it.for` would cut their names short.
  for (const row of tried) it(row.name, { timeout: 60_000 }, (context) => tryOne(row, context));
});

async function tryOne(row: Row, { task, onTestFailed }: TestContext): Promise<void> {
  const { blow, victim, step, underTls } = row;
  const {
    source,
    destination,
    words = [],
    owner,
  } = outcomeOf(blow, victim, step) ?? {
    source: 'dead',
    destination: 'dead',
    owner: undefined,
  };
  const isHealed = (blow === 'freeze' || blow === 'restart') && step.standing !== 'opening';
  const patience = { maxOutageMs: isHealed ? patientMs : (step.outageMs ?? quickMs) };
  await using voyage = await Voyage.begin({
    plan,
    ...(underTls ? { trust: { token: newToken() } } : {}),
    source: { ...unhurried, ...patience },
    destination: patience,
    ...step.options,
  });
  onTestFailed(() => console.error(voyage.story()));
  record(task, {
    what: 'blows to one of three processes',
    seeds: [seed],
    counts: { [`${blow} of a ${victim}`]: 1 },
  });
  await step.reached(voyage);
  await strike(voyage, row);
  await expectEnding(voyage.source, source);
  await expectEnding(voyage.destination, destination);
  for (const [side, word] of words) {
    voyage[side].order({ type: 'resolve', word });
    await voyage[side].event('the end', ({ type }) => type === 'arrived' || type === 'failed');
  }
  await voyage.expectOneOwner(owner === undefined ? undefined : voyage[owner]);
}
