import { FerryError } from '../errors.js';
import type { Fence } from '../lease/fence.js';
import type { ResolvedMember } from './protect-options.js';

/** Only who owns the guest leads: a token that nobody has would shut out who has. ERR_FENCED. */
export async function admitOwner(
  { lease, name }: Pick<ResolvedMember, 'lease' | 'name'>,
  fence: Fence,
  token: bigint,
): Promise<void> {
  const { record } = await lease.read(name);
  if (record === undefined || token > record.generation) {
    throw new FerryError('ERR_FENCED', `nobody owns generation ${token}`);
  }
  await fence.admit(record.generation);
  await fence.admit(token);
}
