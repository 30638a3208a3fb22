import { FerryError } from '../errors.js';
import type { Primary } from '../replication/primary-driver.js';
import type { Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { formatMs } from './format.js';
import type { GuestModule } from './member-options.js';

/** Epochs are told of so often to people. */
const statusEveryMs = 500;

/**
 * Lets a guest that is owned here serve, and tells what happens, until this is interrupted: then a standby goes on. ERR_FENCED where another took over; ERR_GUEST where it was handed over because its probes failed.
 */
export async function lead(
  primary: Primary,
  module: GuestModule,
  { output, interruption }: Stage,
): Promise<void> {
  const close = await module.serve?.(primary);
  const end = (): void => void primary.close();
  interruption.signal.addEventListener('abort', end);
  if (interruption.signal.aborted) end();
  let error: FerryError | undefined;
  let toldAt = 0;
  try {
    for await (const event of primary) {
      output.event(event);
      if (event.type === 'epoch') {
        if (performance.now() - toldAt < statusEveryMs) continue;
        toldAt = performance.now();
        const { number, pages, pauseMs, lagMs } = event;
        const behind = lagMs === undefined ? 'unprotected' : `${formatMs(lagMs)} behind`;
        output.status(`  epoch ${number}: ${pages} pages, ${formatMs(pauseMs)}, ${behind}`);
      } else if (event.type === 'fenced') error = new FerryError('ERR_FENCED', event.message);
      else if (event.type === 'resigned') {
        error = new FerryError('ERR_GUEST', `handed over: ${event.reasons.join('; ')}`);
      } else if (event.type !== 'unreached') output.line(lineOf(event, primary));
    }
  } finally {
    interruption.signal.removeEventListener('abort', end);
    if (typeof close === 'function') await close();
    await primary.close();
  }
  if (error !== undefined) throw error;
}

function lineOf(
  event: {
    readonly type: string;
    readonly member?: string;
    readonly message?: string;
    readonly reasons?: readonly string[];
  },
  { inSync }: Primary,
): string {
  const whom = event.member === undefined ? '' : ` ${escapeControls(event.member)}`;
  const left = inSync.length === 1 ? '; nobody else is in sync: unprotected' : '';
  const why = event.message ?? event.reasons?.join('; ');
  const because = why === undefined ? '' : `: ${escapeControls(why)}`;
  return `${event.type}${whom}${because}${event.type === 'dropped' ? left : ''}`;
}
