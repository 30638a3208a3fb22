import fc from 'fast-check';

/** PAGEFERRY_SEED makes every property begin where an earlier run did. */
const seed = process.env['PAGEFERRY_SEED'];
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
