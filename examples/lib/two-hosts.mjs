// Moves a program between two processes while it works: there, back again, and so on; then compares it with a twin that never moved.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { listen, migrate } from 'pageferry';

/**
 * Call it at the top of an example, with its `import.meta.url`. `boot()` makes the program, each time in the same way, and gives
 * `{ guest, step, steps, digest }`: `step()` does one piece of work by calling the program, `steps()` says how many pieces the program has done
 * since it was booted, wherever it was, and `digest()` sums up all that it holds; each may give a promise. A program that draws numbers or asks for the time also has `journal()`, a
 * text with all that it met, and `follow(journal)`: from now on, meet the same. `--trips N` (2), `--json`.
 */
export async function betweenTwoHosts(url, boot) {
  if (process.env.EXAMPLE_HOST !== undefined) return host(boot);
  const { values } = parseArgs({
    options: { trips: { type: 'string', default: '2' }, json: { type: 'boolean', default: false } },
  });
  const say = (event, text) => console.log(values.json ? JSON.stringify(event) : text);
  const hosts = [new Host(url, 'first'), new Host(url, 'second')];
  const twin = new Host(url, 'twin');
  try {
    await Promise.all([...hosts, twin].map(({ ready }) => ready));
    let stepsBefore = 0;
    for (let trip = 0; trip < Number(values.trips); trip++) {
      const [from, to] = trip % 2 === 0 ? hosts : hosts.toReversed();
      const port = await to.ask('listen');
      const steps = await from.ask('worked', stepsBefore);
      const report = await from.ask('migrate', port);
      stepsBefore = await to.ask('worked', steps);
      const { bytesSent, pagesSent, totalPages, rounds, downtimeMs, verified, repaired } = report;
      say(
        { type: 'trip', from: from.pid, to: to.pid, steps: stepsBefore, ...report },
        `${from.pid} -> ${to.pid}: ${pagesSent} of ${totalPages} pages in ${rounds} rounds, ${(bytesSent / 2 ** 20).toFixed(1)} MiB, ` +
          `paused ${downtimeMs.toFixed(1)} ms, verified ${verified}${repaired > 0 ? `, ${repaired} repaired` : ''}`,
      );
    }
    const moved = await hosts[Number(values.trips) % 2].ask('end');
    const stayed = await twin.ask('follow', moved);
    const equal = moved.digest === stayed.digest && moved.steps === stayed.steps;
    say(
      { type: 'ended', equal, steps: moved.steps, digest: moved.digest, twin: stayed.digest },
      `${equal ? 'equal' : 'FAILED: not equal'} to a twin that never moved, after ${moved.steps} steps: ${moved.digest}`,
    );
    if (!equal) process.exitCode = 1;
  } finally {
    for (const each of [...hosts, twin]) each.end();
  }
}

/** A process that has the program, as the coordinator sees it. */
class Host {
  #child;
  #asked = 0;
  #answers = new Map();

  constructor(url, name) {
    this.#child = fork(fileURLToPath(url), { env: { ...process.env, EXAMPLE_HOST: name } });
    this.ready = once(this.#child, 'message');
    this.#child.on('message', ({ id, answer, error }) => {
      const { resolve, reject } = this.#answers.get(id) ?? {};
      this.#answers.delete(id);
      if (error === undefined) resolve?.(answer);
      else reject?.(new Error(error));
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#answers.values()) reject(new Error(`a host ended: ${code}`));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  ask(what, value) {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#child.send({ id, what, value });
    });
  }

  end() {
    this.#child.kill();
  }
}

/** Has the program, or room for it. */
async function host(boot) {
  const program = await boot();
  const { guest } = program;
  let isEnding = false;
  const work = async (until) => {
    for (let done = 0; !isEnding && done >= 0; done++) {
      // Where the program is not, this waits until it comes.
      await guest.run(async () => {
        if ((await program.steps()) < until) await program.step();
        else done = Number.NEGATIVE_INFINITY;
      });
      // Some thousand pieces of work a second, so that what it writes can be followed.
      if (done % 4 === 3) await sleep(1);
    }
  };
  const steps = () => guest.run(() => program.steps());
  const result = () =>
    guest.run(async () => ({
      steps: await program.steps(),
      digest: await program.digest(),
      journal: program.journal?.(),
    }));
  const name = process.env.EXAMPLE_HOST;
  if (name === 'second') await guest.pause();
  const working = name === 'twin' ? undefined : work(Number.POSITIVE_INFINITY);
  let listener;
  const answers = {
    async listen() {
      listener ??= await listen({ accept: () => guest });
      return listener.port;
    },
    // On a machine with much else to do a pause may take longer than it should: it is for the example to end.
    migrate(port) {
      const options = { maxDowntimeMs: 200, onStall: 'force' };
      return migrate(guest, { host: '127.0.0.1', port, ...options }).done;
    },
    /** Once it has done some more than so many. */
    async worked(goal) {
      while ((await steps()) < goal + 20) await sleep(5);
      return steps();
    },
    async end() {
      isEnding = true;
      await working;
      return result();
    },
    async follow({ steps: goal, journal }) {
      program.follow?.(journal);
      await work(goal);
      return result();
    },
  };
  process.on('message', ({ id, what, value }) => {
    answers[what](value).then(
      (answer) => process.send({ id, answer }),
      (error) => process.send({ id, error: `${error.code ?? ''} ${error.stack}` }),
    );
  });
  process.on('disconnect', () => process.exit());
  process.send({ id: 0 });
}
