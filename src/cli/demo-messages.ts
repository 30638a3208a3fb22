import type { FerryErrorCode } from '../errors.js';
import type { MigrationEvent } from '../migration/events.js';
import type { StallPolicy } from '../migration/options.js';
import type { FailedEvent } from './failure.js';

/** What runs in the demo, the same at both ends. */
export type DemoPlan =
  | {
      readonly kind: 'ledger';
      readonly seed: number;
      readonly sizeBytes: number;
      readonly bytesPerSecond: number;
    }
  | {
      readonly kind: 'sqlite' | 'pglite';
      readonly seed: number;
      readonly sizeMiB: number;
      readonly transactionsPerSecond: number;
    };

export interface DemoMigrateOptions {
  readonly maxDowntimeMs?: number;
  readonly bytesPerSecond?: number;
  readonly onStall?: StallPolicy;
}

/** From the coordinator. A child that is told `end`, or whose coordinator is gone, ends at once. */
export type ToSource =
  | { readonly type: 'run'; readonly plan: DemoPlan }
  | {
      readonly type: 'migrate';
      readonly host: string;
      readonly port: number;
      readonly options: DemoMigrateOptions;
      readonly record: string | undefined;
    }
  | { readonly type: 'cancel' }
  | { readonly type: 'end' };

export type ToDestination =
  | { readonly type: 'listen'; readonly plan: DemoPlan }
  /** Pause the guest and say what it holds. */
  | { readonly type: 'account' }
  | { readonly type: 'end' };

/** Commits that took effect: numbers from `first` on, one digest each. */
export interface CommitBatch {
  readonly type: 'commits' | 'found';
  readonly first: number;
  readonly digests: Uint32Array;
}

export interface Broken {
  readonly type: 'broken';
  readonly code: FerryErrorCode;
  readonly message: string;
}

export type FromSource =
  | { readonly type: 'running' }
  /** Everything acknowledged before was told: what follows is acknowledged during the migration. */
  | { readonly type: 'migrating' }
  | CommitBatch
  | { readonly type: 'event'; readonly event: MigrationEvent }
  | { readonly type: 'notice'; readonly text: string }
  /** `lastCommitMs`: on the machine's monotonic clock, 0 if there was none. */
  | {
      readonly type: 'ended';
      readonly failed: FailedEvent | undefined;
      readonly refused: boolean;
      readonly lastCommitMs: number;
    }
  | Broken;

export type FromDestination =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'arrived'; readonly appliedPages: number; readonly receivedBytes: number }
  | CommitBatch
  | { readonly type: 'notice'; readonly text: string }
  | { readonly type: 'paused'; readonly seq: number; readonly firstCommitMs: number }
  /** What is wrong with the content, in words; the SHA-256 of the memory where only the coordinator can tell. */
  | {
      readonly type: 'content';
      readonly problems: readonly string[];
      readonly sha256: string | undefined;
    }
  | Broken;
