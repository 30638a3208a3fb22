import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type BundleGuest, bundleGuest, type Settled } from '../bundle/bundle-guest.js';
import { asFerryError, FerryError } from '../errors.js';
import { runCommand } from '../guests/user-command.js';
import type { Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { errorLine, Failure, UsageError } from './failure.js';
import { parsePositive } from './parse.js';

export interface BundleArguments {
  readonly bundle?: true;
  readonly before?: string;
  /** Seconds. */
  readonly beforeTimeout?: number;
  readonly undo?: string;
  readonly force?: true;
  readonly keepSource?: true;
  readonly dryRun?: true;
}

const defaultBeforeSeconds = 300;
const undoTimeoutMs = 60_000;
const bundleOnly = ['before', 'beforeTimeout', 'undo', 'force', 'keepSource', 'dryRun'] as const;
const fileOnly = ['live', 'pausePid', 'pauseCmd', 'resumeCmd', 'maxDowntime'] as const;
/** How long a destination may take to register a bundle and to check it, or to be reached again to say so. */
export const bundleOutcomeMs: number = 15 * 60_000;

export function addBundle(command: Command): Command {
  return command
    .option('--bundle', 'FILE is a folder: all its files, and what its bundle.json says')
    .option('--before <COMMAND>', 'a command that shuts down what uses the bundle')
    .option('--before-timeout <SECONDS>', 'how long that may take (default: 300)', parsePositive)
    .option('--force', 'it was not shut down in order, or --before may fail: it arrives unclean')
    .option('--undo <COMMAND>', 'a command that undoes --before where the bundle stays here')
    .option('--keep-source', 'a copy: the folder keeps its name when the bundle has arrived')
    .option('--dry-run', 'all of it but the end: the destination discards what it received');
}

/** Throws UsageError for options that do not go together. */
export function checkBundleOptions(options: object): void {
  const given = new Map(Object.entries(options));
  const isBundle = given.has('bundle');
  for (const name of isBundle ? fileOnly : bundleOnly) {
    if (!given.has(name)) continue;
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new UsageError(isBundle ? `${option} is not for bundles` : `${option} needs --bundle`);
  }
  if (given.has('undo') && !given.has('before')) throw new UsageError('--undo needs --before');
}

/** A bundle that is to be sent, shut down first where its operator said how. */
export class BundleShipment {
  readonly #folder: string;
  readonly #options: BundleArguments;
  readonly #stage: Stage;
  #isShutDown = false;
  #guest: BundleGuest | undefined;

  constructor(folder: string, options: BundleArguments, stage: Stage) {
    this.#folder = resolve(folder);
    this.#options = options;
    this.#stage = stage;
  }

  async open(): Promise<BundleGuest> {
    const { keepSource, dryRun } = this.#options;
    const clean = await this.#shutDown();
    this.#guest = await bundleGuest(this.#folder, {
      keepSource: keepSource === true,
      dryRun: dryRun === true,
      clean,
    });
    return this.#guest;
  }

  /** It has arrived. Where the source is now. */
  arrived(): Promise<Settled> {
    return this.#settle('arrived');
  }

  /** It has not, because of `error`: what can be undone is. */
  async failed(error: unknown): Promise<void> {
    const { output } = this.#stage;
    const { code } = error instanceof Failure ? error.event : asFerryError(error, 'ERR_GUEST');
    const settled = await this.#settle(code === 'ERR_OUTCOME_UNKNOWN' ? 'unknown' : 'failed');
    output.event({ type: 'source', ...settled });
    if (settled.state === 'moving') output.line(`  ${movingLine(settled.path)}`);
    else await this.#undo(code);
  }

  /** Whether it was shut down in order. A dry run shuts nothing down. */
  async #shutDown(): Promise<boolean> {
    const { before, beforeTimeout = defaultBeforeSeconds, force, dryRun } = this.#options;
    if (before === undefined || dryRun === true) return force !== true;
    this.#isShutDown = true;
    const { output, interruption } = this.#stage;
    output.status('shutting down what uses the bundle');
    try {
      const limits = { timeoutMs: beforeTimeout * 1000, signal: interruption.signal };
      await runCommand(before, { type: 'before', folder: this.#folder }, limits);
      return true;
    } catch (cause) {
      const { message } = asFerryError(cause, 'ERR_GUEST');
      if (interruption.signal.aborted)
        throw new FerryError('ERR_ABORTED', 'cancelled while it was shut down');
      if (force !== true) throw new FerryError('ERR_GUEST', `quiesce: ${message}`, { cause });
      output.event({ type: 'forced', message });
      output.line(`  not shut down in order: ${escapeControls(message)}`);
      return false;
    }
  }

  async #settle(outcome: 'arrived' | 'failed' | 'unknown'): Promise<Settled> {
    const guest = this.#guest;
    this.#guest = undefined;
    if (guest === undefined) return { state: 'kept', path: this.#folder };
    try {
      return await guest.settle(outcome);
    } catch (error) {
      const { code, message } = asFerryError(error, 'ERR_IO');
      this.#stage.output.error(errorLine(code, message));
      return { state: 'moving', path: guest.aside };
    }
  }

  async #undo(code: string): Promise<void> {
    const { undo } = this.#options;
    if (undo === undefined || !this.#isShutDown) return;
    const told = { type: 'undo', folder: this.#folder, code };
    await runCommand(undo, told, { timeoutMs: undoTimeoutMs }).catch((error: unknown) => {
      const failed = asFerryError(error, 'ERR_GUEST');
      this.#stage.output.error(errorLine(failed.code, failed.message));
    });
  }
}

/** What is said of the source once the bundle has arrived. */
export function settledLine({ state, path }: Settled): string {
  if (state === 'kept') return '';
  return state === 'moved'
    ? `; it is kept here as ${escapeControls(path)}`
    : `; ${movingLine(path)}`;
}

function movingLine(path: string): string {
  return `the folder stays ${escapeControls(path)}: rename it back once the destination is known not to have the bundle`;
}
