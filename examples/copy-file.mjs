// Copies a sparse file, and then one that is being written all the while.
import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileDestination, fileGuest, listen, migrate } from 'pageferry';

const MiB = 2 ** 20;
const folder = await mkdtemp(join(tmpdir(), 'pageferry-example-'));

async function hashOf(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Copies `from` to `to` over a socket of this process. */
async function copy(from, to, options) {
  const listener = await listen({
    accept: ({ regions: [region] }) => fileDestination(to, region),
  });
  const guest = await fileGuest(from, options);
  try {
    return await migrate(guest, { host: listener.host, port: listener.port }).done;
  } finally {
    await guest.close();
    await listener.close();
  }
}

try {
  const from = join(folder, 'image');
  const file = await open(from, 'w+');
  await file.write(Buffer.alloc(MiB, 'first'), 0, MiB, 0);
  await file.write(Buffer.alloc(MiB, 'last'), 0, MiB, 15 * MiB);

  const still = await copy(from, join(folder, 'copy'));
  const same = (await hashOf(from)) === (await hashOf(join(folder, 'copy')));

  // A writer that can be stopped: the copy is then the file at one moment.
  let written = 0;
  const write = async () => {
    written += 1;
    await file.write(`entry ${written}`.padEnd(64), ((written * 4099) % 4000) * 4096);
  };
  let writing = true;
  const writer = (async () => {
    while (writing) {
      await write();
      if (written === 2000) writing = false;
    }
  })();
  const live = await copy(from, join(folder, 'live'), { live: true });
  await writer;
  await file.close();
  const sameLive = (await hashOf(from)) === (await hashOf(join(folder, 'live')));

  const ok = same && sameLive;
  console.log(
    `${ok ? 'copied' : 'FAILED:'} ${still.totalPages} pages in ${still.bytesSent} bytes; ` +
      `again while written: ${live.rounds} rounds, ${live.pagesSent} pages, verified ${live.verified}`,
  );
  if (!ok) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
