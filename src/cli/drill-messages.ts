import type { Broken, CommitBatch, DemoPlan } from './demo-messages.js';

/** How members of a drill are to be set up, the same for all of them. */
export interface DrillPlan {
  readonly guest: DemoPlan;
  readonly mode: 'output-commit' | 'async';
  readonly lease:
    | { readonly kind: 'local'; readonly folder: string; readonly ttlMs: number }
    | { readonly kind: 'etcd'; readonly endpoints: readonly string[]; readonly ttlMs: number };
  /** Of the guest's record: one that nobody else has. */
  readonly name: string;
  readonly intervalMs: number;
  /** How long a standby takes to read its copy back. */
  readonly scrubMs: number;
}

/** From the coordinator to a process that has the guest, or waits for it. */
export type ToMember =
  | {
      readonly type: 'run';
      readonly as: 'primary' | 'standby';
      readonly plan: DrillPlan;
      readonly member: string;
      readonly port: number;
      /** Where the others listen. */
      readonly peers: readonly number[];
      /** Where the witness listens. */
      readonly witness: number;
    }
  /** Pause the guest and say what it holds. */
  | { readonly type: 'account' }
  /** Change a page of the copy that is here, behind everybody's back. */
  | { readonly type: 'damage' }
  | { readonly type: 'end' };

/** Times are of the machine's monotone clock, milliseconds. */
export type FromMember =
  | { readonly type: 'ready' }
  | { readonly type: 'in-sync'; readonly members: number }
  | { readonly type: 'claiming'; readonly at: number }
  /** The standby's connection ended. */
  | { readonly type: 'lost'; readonly code: string; readonly at: number }
  /** The primary may never act again. */
  | { readonly type: 'fenced' }
  | { readonly type: 'promoted'; readonly at: number; readonly token: number }
  /** The first commit after it was promoted. */
  | { readonly type: 'first-commit'; readonly seq: number; readonly at: number }
  | CommitBatch
  | { readonly type: 'paused'; readonly seq: number }
  | {
      readonly type: 'content';
      readonly problems: readonly string[];
      readonly sha256: string | undefined;
    }
  | Broken;

export type ToWitness =
  | { readonly type: 'listen' }
  | { readonly type: 'account'; readonly token: number }
  | { readonly type: 'end' };

export type FromWitness =
  | { readonly type: 'listening'; readonly port: number }
  /** What was accepted with this token or a higher one: first and last commit, and when the first came; the most of lower tokens. */
  | {
      readonly type: 'accepted';
      readonly first: number;
      readonly at: number;
      readonly count: number;
      /** The highest commit that was accepted with a lower token. */
      readonly before: number;
      /** Accepted after one with a higher token, and refused for that. */
      readonly overlap: number;
      readonly refused: number;
    }
  | CommitBatch
  | Broken;

/** Milliseconds of the machine's monotone clock, the same in all of its processes. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
