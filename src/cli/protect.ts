import type { Command } from 'commander';
import { protect } from '../replication/protect.js';
import { conduct, type Stage } from './conduct.js';
import { checkingUsage } from './failure.js';
import { lead } from './lead.js';
import { addMember, loadModule, type MemberArguments, memberOf } from './member-options.js';

interface ProtectArguments extends MemberArguments {
  readonly acceptDataLoss?: true;
}

export function addProtect(program: Command): void {
  addMember(
    program
      .command('protect')
      .description(
        'Run the guest of a module here, replicate it to standbys, and hand it to one of them when this is stopped.',
      ),
  )
    .option(
      '--accept-data-loss',
      'begin anew although others may have more, once nobody is alive: what they have is lost',
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry protect ./orders.mjs --name orders --lease-dir ~/.orders --peer 127.0.0.1:4712',
    )
    .action((path: string, options: ProtectArguments) =>
      conduct(options.json === true, 'source', (stage) => run(path, options, stage)),
    );
}

async function run(path: string, options: ProtectArguments, stage: Stage): Promise<void> {
  const { output } = stage;
  const module = await loadModule(path);
  const member = await memberOf(options, module, [], output);
  try {
    const guest = await module.create();
    const primary = await checkingUsage(() =>
      protect(guest, { ...member, acceptDataLoss: options.acceptDataLoss === true }),
    );
    const { token } = primary;
    output.event({ type: 'leading', name: member.name, member: member.member, token: `${token}` });
    output.line(`leading ${member.name} as ${member.member}, generation ${token}`);
    await lead(primary, module, stage);
  } finally {
    await member.lease.close();
  }
}
