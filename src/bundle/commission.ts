import { FerryError } from '../errors.js';
import { runCommand } from '../guests/user-command.js';
import type { Manifest } from './manifest.js';

/** The operator's commands for bundles that arrived; without them the folder is the registry. */
export interface Commands {
  /** Told `register`, and to undo that `unregister`. */
  readonly register?: string;
  /** Told `check`: 0 says that it is well. */
  readonly check?: string;
  /** Default 60,000. */
  readonly checkTimeoutMs?: number;
}

/** What commands are told of a bundle, besides `type`. */
export interface Told {
  readonly name: string;
  /** Where it is. */
  readonly folder: string;
  readonly session: string;
  readonly manifest: Manifest;
}

const registerTimeoutMs = 60_000;
const defaultCheckMs = 60_000;

/** Registers a bundle, then checks its health. Rejects with ERR_START_FAILED, naming the step, once what was registered is undone. */
export async function commission(
  commands: Commands,
  told: Told,
  signal?: AbortSignal,
): Promise<void> {
  const { register, check, checkTimeoutMs = defaultCheckMs } = commands;
  try {
    await inStep('registration', register, told, 'register', registerTimeoutMs, signal);
    await inStep('health check', check, told, 'check', checkTimeoutMs, signal);
  } catch (error) {
    await dismiss(commands, told).catch((undo: Error) => {
      throw new FerryError(
        'ERR_START_FAILED',
        `${(error as Error).message}; and then ${undo.message}`,
      );
    });
    throw error;
  }
}

/** Undoes its registration. Rejects with ERR_START_FAILED. */
export function dismiss({ register }: Commands, told: Told): Promise<void> {
  return inStep('undoing the registration', register, told, 'unregister', registerTimeoutMs);
}

async function inStep(
  step: string,
  command: string | undefined,
  told: Told,
  type: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  if (command === undefined) return;
  const limits = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
  await runCommand(command, { type, ...told }, limits).catch((cause: Error) => {
    throw new FerryError('ERR_START_FAILED', `${step}: ${cause.message}`, { cause });
  });
}
