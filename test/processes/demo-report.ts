import { expect } from 'vitest';
import type { CliEvent } from '../command.js';

/** A busy machine must not make a pause overrun. */
export const patient: readonly string[] = ['--max-downtime', '3000'];

/** The guest moved whole, while it was running, and ran before, during and after. */
export function expectMoved(completed: CliEvent | undefined): void {
  expect(completed).toMatchObject({
    type: 'completed',
    verified: 'memory',
    guest: { lost: 0, doubled: 0 },
  });
  expect(completed?.['rounds']).toBeGreaterThan(0);
  const guest = Object(completed?.['guest']);
  for (const when of ['before', 'during', 'after']) expect(guest[when], when).toBeGreaterThan(0);
}
