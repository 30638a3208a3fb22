import { FerryError } from '../errors.js';
import { newMember } from '../replication/protect.js';
import { expectedSha256 } from './demo-guests.js';
import type { CommitBatch } from './demo-messages.js';
import { DemoProcess } from './demo-process.js';
import type { DrillEtcd } from './drill-etcd.js';
import {
  type DrillPlan,
  type FromMember,
  type FromWitness,
  machineMs,
  type ToMember,
  type ToWitness,
} from './drill-messages.js';
import { DrillNet } from './drill-net.js';
import { freePort } from './free-port.js';

/** What is done to a primary: besides, it may be cut off from all others, its engine may lose its leader in the same moment, and what it sends may be damaged. */
export type Blow = 'kill' | 'freeze' | 'partition' | 'leader-kill' | 'corruption';

export type BlowReport = TakeoverReport | KeptReport;

/** Its standby took over. Milliseconds from the blow on. */
export interface TakeoverReport {
  readonly blow: Blow;
  readonly isPromoted: true;
  /** The standby began to claim; it owned the guest, which runs. */
  readonly detectedMs: number;
  readonly promotedMs: number;
  /** The first transaction there was done; and reached the witness. */
  readonly workedMs: number;
  readonly effectMs: number;
  /** Transactions that the witness had accepted, and the new primary had not. */
  readonly lost: number;
}

/** It went on by itself, and has its standby in sync again. Milliseconds from the blow on. */
export interface KeptReport {
  readonly blow: Blow;
  readonly isPromoted: false;
  /** What was damaged, if anything: what the primary sent, or the standby's copy. */
  readonly place?: 'wire' | 'copy';
  /** Why the standby's connection ended there; undefined: it heard nothing of it. */
  readonly code?: string;
  /** Nobody else was in sync any more; and again. */
  readonly droppedMs: number;
  readonly rejoinedMs: number;
}

export interface DrillReport {
  /** Accepted by the witness after one with a higher token; refused for that. */
  readonly overlap: number;
  readonly refused: number;
  /** Accepted by the witness, and not in the guest at the end. */
  readonly lost: number;
  readonly transactions: number;
}

type Member = DemoProcess<ToMember, FromMember>;

const startMs = 60_000;
const takeoverMs = 60_000;

/** Stands outside all processes of a drill: starts them, strikes, and judges what came of it. */
export class DrillCoordinator {
  readonly #plan: DrillPlan;
  readonly #signal: AbortSignal;
  readonly #members: (Member | undefined)[] = [];
  readonly #all: DemoProcess<never, never>[] = [];
  readonly #witness: DemoProcess<ToWitness, FromWitness>;
  /** What a primary said last of how many members are in sync. */
  readonly #inSync = new Map<Member, number>();
  readonly #accepted = new Map<number, number>();
  readonly #found = new Map<number, number>();
  readonly #etcd: DrillEtcd | undefined;
  #net: DrillNet | undefined;
  /** Where the next damage is done: turn about. */
  #place: 'wire' | 'copy' = 'wire';
  #ports: number[] = [];
  #witnessPort = 0;
  /** The one that has the guest. */
  #primary = 0;

  /** `etcd`: what was started for the drill, if it was. */
  constructor(plan: DrillPlan, signal: AbortSignal, etcd?: DrillEtcd) {
    this.#plan = plan;
    this.#etcd = etcd;
    this.#signal = signal;
    this.#witness = new DemoProcess('source', './drill-witness.js', (message) => {
      if (message.type === 'commits') keep(this.#accepted, message);
    });
  }

  /** A primary with a standby in sync, and the witness. */
  async start(): Promise<void> {
    this.#witness.send({ type: 'listen' });
    this.#witnessPort = (await this.#soon(this.#witness.next('listening'), startMs)).port;
    this.#ports = [await freePort(), await freePort()];
    this.#net = await DrillNet.lay(this.#ports, this.#plan.lease);
    const standby = this.#spawn(1, 'standby');
    await this.#soon(standby.next('ready'), startMs);
    const primary = this.#spawn(0, 'primary');
    await this.#protected(primary);
  }

  /** Strikes the primary after `afterMs` of work; it goes on, or its standby takes over; then there is one in sync again. */
  async strike(blow: Blow, afterMs: number): Promise<BlowReport> {
    await this.#soon(sleep(afterMs), 2 * afterMs + startMs);
    const isPartOfOne = blow === 'partition' && this.#plan.lease.kind === 'local';
    return blow === 'corruption' || isPartOfOne ? this.#disturb(blow) : this.#replace(blow);
  }

  /** Between two members only: nobody may take over. */
  async #disturb(blow: Blow): Promise<KeptReport> {
    const slot = this.#primary;
    const [owner, other] = [this.#memberAt(slot), this.#memberAt(1 - slot)];
    await this.#protected(owner);
    const changed = owner.next('in-sync');
    const lost = other.next('lost');
    for (const each of [changed, lost]) each.catch(() => {});
    const place = this.#place;
    const from = machineMs();
    if (blow === 'partition') this.#net?.isolate(slot);
    else if (place === 'wire') this.#net?.damage(slot);
    else other.send({ type: 'damage' });
    // What is silent is heard of by nobody but who waits for answers.
    let why = {};
    if (blow === 'corruption') {
      const { code } = await this.#soon(lost, takeoverMs);
      why = { place, code };
      this.#place = place === 'wire' ? 'copy' : 'wire';
    }
    await this.#soon(changed, takeoverMs);
    const droppedMs = machineMs() - from;
    this.#net?.heal(slot);
    await this.#protected(owner);
    return { blow, isPromoted: false, ...why, droppedMs, rejoinedMs: machineMs() - from };
  }

  async #replace(blow: Blow): Promise<TakeoverReport> {
    const struck = this.#primary;
    const victim = this.#memberAt(struck);
    const heir = this.#memberAt(1 - struck);
    await this.#protected(victim);
    const claiming = heir.next('claiming');
    const promoted = heir.next('promoted');
    const working = heir.next('first-commit');
    for (const each of [claiming, promoted, working]) each.catch(() => {});
    const fenced = victim.next('fenced');
    fenced.catch(() => {});
    const restart = blow === 'leader-kill' ? await this.#etcd?.killLeader() : undefined;
    const from = machineMs();
    if (blow === 'partition') this.#net?.isolate(struck);
    else victim.signal(blow === 'freeze' ? 'SIGSTOP' : 'SIGKILL');
    const { at: claimedAt } = await this.#soon(claiming, takeoverMs);
    const { at: promotedAt, token } = await this.#soon(promoted, takeoverMs);
    const { at: workedAt, seq } = await this.#soon(working, takeoverMs);
    // Before anybody is in sync again its outputs wait for nobody.
    const effect = await this.#firstEffect(token);
    victim.signal('SIGCONT');
    this.#net?.heal(struck);
    // It was alive all the time, and has to see that it may not act any more.
    if (blow === 'partition') await this.#soon(fenced, takeoverMs);
    await victim.end({ type: 'end' });
    await restart?.();
    this.#primary = 1 - struck;
    const next = this.#spawn(struck, 'standby');
    await this.#soon(next.next('ready'), startMs);
    await this.#protected(heir);
    return {
      ...{ blow, isPromoted: true },
      detectedMs: claimedAt - from,
      promotedMs: promotedAt - from,
      workedMs: workedAt - from,
      effectMs: effect.at - from,
      lost: Math.max(0, effect.before - (seq - 1)),
    };
  }

  /** Pauses the guest and compares what it holds with what the witness accepted. ERR_DIGEST if it is damaged. */
  async account(): Promise<DrillReport> {
    const primary = this.#memberAt(this.#primary);
    // Else it goes on with what the primary lets go of.
    await this.#memberAt(1 - this.#primary).end({ type: 'end' });
    const content = primary.next('content');
    content.catch(() => {});
    primary.send({ type: 'account' });
    const { seq } = await this.#soon(primary.next('paused'), startMs);
    const expected = expectedSha256(this.#plan.guest, seq, (at, digest) => {
      this.#found.set(at, digest);
    });
    const { problems, sha256 } = await this.#soon(content, startMs);
    const wrong =
      sha256 === expected ? problems : [`its memory is not what ${seq} commits make it`];
    if (wrong.length > 0) {
      throw new FerryError('ERR_DIGEST', `the guest is damaged: ${wrong.join('; ')}`);
    }
    const { overlap, refused } = await this.#accountOf(0);
    let lost = 0;
    for (const [at, digest] of this.#accepted) if (this.#found.get(at) !== digest) lost += 1;
    return { overlap, refused, lost, transactions: this.#accepted.size };
  }

  async end(): Promise<void> {
    await Promise.all(this.#all.map((each) => each.end({ type: 'end' } as never)));
    this.#net?.close();
  }

  #spawn(slot: number, as: 'primary' | 'standby'): Member {
    const member: Member = new DemoProcess('source', './drill-member.js', (message) => {
      if (message.type === 'found') keep(this.#found, message);
      if (message.type === 'in-sync') this.#inSync.set(member, message.members);
    });
    this.#members[slot] = member;
    this.#all.push(member as unknown as DemoProcess<never, never>);
    const port = this.#ports[slot] ?? 0;
    const peers = this.#net?.peersOf(slot) ?? [];
    const plan = { ...this.#plan, lease: this.#net?.leaseOf(slot) ?? this.#plan.lease };
    member.send({
      ...{ type: 'run', as, plan, port, peers, witness: this.#witnessPort },
      member: newMember(`m${slot}`),
    });
    return member;
  }

  /** Waits until a standby could go on, should the primary die now. */
  async #protected(primary: Member): Promise<void> {
    while (this.#inSync.get(primary) !== 2) {
      await this.#soon(primary.next('in-sync'), startMs);
    }
  }

  /** Of `token`, once there is one. */
  async #firstEffect(token: number): Promise<Extract<FromWitness, { type: 'accepted' }>> {
    for (const until = machineMs() + takeoverMs; ; await sleep(2)) {
      const accepted = await this.#accountOf(token);
      if (accepted.count > 0) return accepted;
      if (machineMs() > until) throw new FerryError('ERR_PEER_TIMEOUT', 'no output came');
    }
  }

  #accountOf(token: number): Promise<Extract<FromWitness, { type: 'accepted' }>> {
    const accepted = this.#witness.next('accepted');
    this.#witness.send({ type: 'account', token });
    return this.#soon(accepted, startMs);
  }

  #memberAt(slot: number): Member {
    const member = this.#members[slot];
    if (member === undefined) throw new RangeError(`no member ${slot}`);
    return member;
  }

  #soon<T>(work: Promise<T>, ms: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new FerryError('ERR_PEER_TIMEOUT', `nothing came for ${ms / 1000} s`));
      }, ms);
      const stop = (): void => reject(new FerryError('ERR_ABORTED', 'the drill was stopped'));
      if (this.#signal.aborted) stop();
      this.#signal.addEventListener('abort', stop, { once: true });
      work.then(resolve, reject).finally(() => {
        clearTimeout(late);
        this.#signal.removeEventListener('abort', stop);
      });
    });
  }
}

function keep(where: Map<number, number>, { first, digests }: CommitBatch): void {
  for (const [at, digest] of digests.entries()) where.set(first + at, digest);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
