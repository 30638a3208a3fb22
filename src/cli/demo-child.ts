/**
 * What both children of a demo have in common: they listen to their coordinator alone, and end when it is gone. Ctrl-C reaches a whole
 * terminal; what is done about it is the coordinator's to say.
 */
export function obeyCoordinator<C extends { readonly type: string }>(
  onCommand: (command: C) => Promise<void>,
  onError: (error: unknown) => void,
): void {
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  process.on('message', (raw) => {
    const command = raw as C;
    if (command.type === 'end') process.exit(0);
    onCommand(command).catch(onError);
  });
}
