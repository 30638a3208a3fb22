import { expect, it, vi } from 'vitest';

vi.mock('node:module', () => ({
  createRequire: () => ({
    resolve: (name: string) => {
      throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
    },
  }),
}));

it('says how to install sql.js where it is missing, each time it is asked', async () => {
  const { receiveSqlite } = await import('../../src/guests/sqlite.js');
  for (let times = 0; times < 2; times++) {
    await expect(receiveSqlite({ sizeMiB: 64 })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('npm install sql.js'),
    });
  }
});
