import { expect, it, vi } from 'vitest';
import { FerryError } from '../../../src/errors.js';
import { plantGarden } from './garden.js';

vi.mock('../../../src/instrument/track-writes.js', () => ({
  trackWrites() {
    throw new FerryError('ERR_UNSUPPORTED', 'the functions of this realm are frozen');
  },
}));

it('a program in a realm where nothing can be hooked is compared, or refused where that was not to be', async () => {
  const compared = await plantGarden();
  compared.guest.tracker.start();
  compared.guest.tracker.stop();
  const known = await plantGarden({ hostWrites: 'known' });
  expect(() => known.guest.tracker.start()).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED' }) as Error,
  );
});
