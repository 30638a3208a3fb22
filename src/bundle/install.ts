import { type Commands, commission, dismiss, type Told } from './commission.js';
import { type BundleRecord, writeRecord } from './record.js';
import type { Arrived } from './registry.js';
import { swapIn, swapOut } from './staging.js';

/**
 * Puts what is complete in `staging` in its place, registers it and checks its health, unless it was not shut down in order; whatever fails, the bundle that `was` there is
 * back and registered. `record`: the one in `staging`, for a bundle that is neither yet. Rejects as `commission` does; `signal` ends its commands.
 */
export async function install(
  staging: string,
  told: Told,
  record: BundleRecord,
  was: Arrived | undefined,
  commands: Commands,
  signal: AbortSignal,
): Promise<void> {
  const { folder: place, manifest } = told;
  const older =
    was?.record.state === 'registered'
      ? { ...told, session: was.record.session, manifest: was.manifest }
      : undefined;
  const restore = async (): Promise<void> => {
    const { register } = commands;
    // A bundle that was well is not checked again because another failed.
    if (older !== undefined) await commission(register === undefined ? {} : { register }, older);
  };
  try {
    if (older !== undefined) await dismiss(commands, older);
    await swapIn(staging, place);
  } catch (error) {
    await restore();
    throw error;
  }
  if (!manifest.clean) return;
  try {
    await commission(commands, told, signal);
    await writeRecord(place, { ...record, state: 'registered', why: '' });
  } catch (error) {
    await swapOut(staging, place);
    await restore();
    throw error;
  }
}
