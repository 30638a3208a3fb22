import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

let installed: string | undefined;
vi.mock('node:module', () => ({
  createRequire: () => ({
    resolve: (name: string) => {
      if (installed !== undefined) return installed;
      throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
    },
  }),
}));

it('says how to install PGlite where it is missing, to guests and to the demo, each time it is asked', async () => {
  const { createPglite, receivePglite } = await import('../../../src/guests/pglite/index.js');
  const demo = await import('../../../src/guests/pglite/workload.js');
  const settings = { sizeMiB: 128, seed: 1, transactionsPerSecond: 1 };
  const opens = [
    () => createPglite(),
    () => receivePglite(),
    () => receivePglite(),
    () => demo.createWorkload(settings),
    () => demo.receiveWorkload(settings),
  ];
  for (const open of opens) {
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('npm install @electric-sql/pglite'),
    });
  }
});

it('says which version it needs where what is installed is not as it should be', async () => {
  const { createPglite } = await import('../../../src/guests/pglite/index.js');
  installed = fileURLToPath(import.meta.url);
  const PGlite = { create: () => Promise.reject(new Error('was made')) };
  await expect(createPglite({ PGlite })).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('npm install @electric-sql/pglite@'),
  });
});
