import { FerryError } from '../errors.js';
import type { MigrationEvent } from '../migration/events.js';
import type { Stage } from './conduct.js';
import { expectedSha256 } from './demo-guests.js';
import type {
  CommitBatch,
  DemoMigrateOptions,
  DemoPlan,
  FromDestination,
  FromSource,
  ToDestination,
  ToSource,
} from './demo-messages.js';
import { DemoProcess } from './demo-process.js';
import { Witness, type WitnessedSide, type WitnessReport } from './demo-witness.js';
import { asFailure, Failure, type Side } from './failure.js';

export interface DemoSetup {
  readonly plan: DemoPlan;
  readonly options: DemoMigrateOptions;
  readonly record: string | undefined;
}

/** What a demo that went well has to show. */
export interface DemoResult {
  readonly completed: Extract<MigrationEvent, { type: 'completed' }>;
  readonly guest: WitnessReport & {
    /** From the last commit at the source to the first at the destination. */
    readonly gapMs: number;
  };
  readonly destination: { readonly appliedPages: number; readonly receivedBytes: number };
}

/** How long the guest runs before the migration begins, and after it ended. */
const beforeMs = 400;
const afterMs = 400;
/** How long the source may take to give the guest back after it was told to. */
const cancelMs = 3000;
/** How long a source may take to notice that its destination is gone. */
const noticeMs = 2000;
const watchMs = 250;
/** How long after its connections a process may take to end. */
const deathMs = 300;

/** Stands outside both processes: starts them, lets them migrate, keeps count of what the guest acknowledged, judges the outcome. */
export class DemoCoordinator {
  readonly #setup: DemoSetup;
  readonly #stage: Stage;
  readonly #onEvent: (event: MigrationEvent) => void;
  readonly #witness = new Witness();
  readonly #source: DemoProcess<ToSource, FromSource>;
  readonly #destination: DemoProcess<ToDestination, FromDestination>;
  readonly #heard: Record<WitnessedSide, number> = { source: 0, destination: 0 };
  #completed: Extract<MigrationEvent, { type: 'completed' }> | undefined;
  #phase: 'starting' | 'migrating' | 'after' = 'starting';
  #inDoubt = false;

  constructor(setup: DemoSetup, stage: Stage, onEvent: (event: MigrationEvent) => void) {
    this.#setup = setup;
    this.#stage = stage;
    this.#onEvent = onEvent;
    this.#source = new DemoProcess('source', './demo-source.js', (message) => {
      if (message.type === 'migrating') this.#witness.migrationBegins();
      else this.#hear('source', message);
    });
    this.#destination = new DemoProcess('destination', './demo-destination.js', (message) =>
      this.#hear('destination', message),
    );
  }

  get pids(): { readonly source: number; readonly destination: number } {
    return { source: this.#source.pid, destination: this.#destination.pid };
  }

  /** Both children, up and ready; the guest runs at the source. */
  async start(): Promise<{ readonly host: string; readonly port: number }> {
    const { plan } = this.#setup;
    this.#source.send({ type: 'run', plan });
    this.#destination.send({ type: 'listen', plan });
    const [{ host, port }] = await this.#unlessStopped(
      Promise.all([this.#destination.next('listening'), this.#source.next('running')]),
    );
    return { host, port };
  }

  /** The migration and the check of what came of it. Rejects with a Failure. */
  async migrate(address: { readonly host: string; readonly port: number }): Promise<DemoResult> {
    await this.#unlessStopped(sleep(beforeMs));
    this.#phase = 'migrating';
    const { options, record } = this.#setup;
    const arrival = this.#destination.next('arrived');
    arrival.catch(() => {});
    const ending = this.#source.next('ended');
    this.#source.send({ type: 'migrate', ...address, options, record });
    const { failed, refused, lastCommitMs } = await this.#outcome(ending);
    if (failed !== undefined) {
      // A cut connection may be the first sign of a destination that died.
      await Promise.race([this.#destination.lost, sleep(deathMs)]);
      throw new Failure(failed, refused);
    }
    this.#phase = 'after';
    const destination = await this.#unlessStopped(arrival);
    await this.#unlessStopped(sleep(afterMs));
    const { guest, firstCommitMs } = await this.#unlessStopped(this.#check());
    if (this.#completed === undefined) throw new FerryError('ERR_GUEST', 'no report came');
    const gapMs = firstCommitMs - lastCommitMs;
    return { completed: this.#completed, guest: { ...guest, gapMs }, destination };
  }

  /** `error` as what is to be reported, after a look at where the guest runs now. */
  async explain(error: unknown): Promise<Failure> {
    const { event, refused } = asFailure(error, 'source');
    const before = { ...this.#heard };
    await sleep(watchMs);
    const runs = (side: Side): boolean => this.#heard[side] > before[side];
    const guestRunsAt = runs('source') ? 'source' : runs('destination') ? 'destination' : null;
    const phase = event.phase === 'starting' ? this.#phase : event.phase;
    return new Failure({ ...event, phase, guestRunsAt }, refused);
  }

  async end(): Promise<void> {
    await Promise.all([this.#source.end({ type: 'end' }), this.#destination.end({ type: 'end' })]);
  }

  #hear(side: WitnessedSide, message: { readonly type: string }): void {
    const from = message as FromSource | FromDestination;
    if (from.type === 'commits' || from.type === 'found') this.#count(side, from);
    else if (from.type === 'notice') this.#stage.output.line(`  ${side}: ${from.text}`);
    else if (from.type === 'event') {
      if (from.event.type === 'completed') this.#completed = from.event;
      if (from.event.type === 'in-doubt') this.#inDoubt = true;
      this.#onEvent(from.event);
    }
  }

  #count(side: WitnessedSide, { type, first, digests }: CommitBatch): void {
    for (const [at, digest] of digests.entries()) {
      if (type === 'found') this.#witness.find(first + at, digest);
      else this.#witness.acknowledge(side, first + at, digest);
    }
    if (type === 'commits') this.#heard[side] += digests.length;
  }

  /** How the source says that it ended. A destination that dies is the failure, but the source is heard first. */
  #outcome(
    ending: Promise<Extract<FromSource, { type: 'ended' }>>,
  ): Promise<Extract<FromSource, { type: 'ended' }>> {
    const { signal } = this.#stage.interruption;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#source.send({ type: 'cancel' });
        setTimeout(() => reject(stopped()), cancelMs).unref();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      ending.then(resolve, reject);
      this.#destination.lost.catch(async (error: unknown) => {
        await Promise.race([ending, sleep(noticeMs)]).catch(() => {});
        const { event } = asFailure(error, 'destination');
        if (!this.#inDoubt) return reject(error);
        const message = `${event.message} after it was told to start the guest`;
        reject(new Failure({ ...event, code: 'ERR_OUTCOME_UNKNOWN', phase: 'in-doubt', message }));
      });
    });
  }

  /** Pauses the guest where it is now and compares all it holds with what its commits must have made of it. */
  async #check(): Promise<{ readonly guest: WitnessReport; readonly firstCommitMs: number }> {
    const { plan } = this.#setup;
    const content = this.#destination.next('content');
    content.catch(() => {});
    this.#destination.send({ type: 'account' });
    const { seq, firstCommitMs } = await this.#destination.next('paused');
    const expected = expectedSha256(plan, seq, (at, digest) => this.#witness.find(at, digest));
    const { problems, sha256 } = await content;
    const wrong =
      sha256 === expected ? problems : [`its memory is not what ${seq} commits make it`];
    if (wrong.length > 0) {
      throw new FerryError(
        'ERR_DIGEST',
        `the guest at the destination is damaged: ${wrong.join('; ')}`,
      );
    }
    return { guest: this.#witness.report(), firstCommitMs };
  }

  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stage.interruption;
    const aborted = new Promise<never>((_resolve, reject) => {
      if (signal.aborted) reject(stopped());
      signal.addEventListener('abort', () => reject(stopped()), { once: true });
    });
    return Promise.race([work, aborted, this.#source.lost, this.#destination.lost]);
  }
}

function stopped(): FerryError {
  return new FerryError('ERR_ABORTED', 'the demo was stopped');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
