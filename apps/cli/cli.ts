import { parseArgs } from 'node:util';
import { exportCommand } from './audit/export-command.ts';
import { verifyCommand } from './audit/verify-command.ts';
import { type Command, exitCode, type ExitCode, type Terminal, Unreachable, UsageError } from './command.ts';

const commands: readonly Command[] = [exportCommand, verifyCommand];

const help = { help: { type: 'boolean', short: 'h' } } as const;

/** Runs one command line, without the program's own name. */
export async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const command = commands.find(({ name }) => name.split(' ').every((word, at) => args[at] === word));
  if (!command) {
    const asked = args.length === 0 || args.some((arg) => arg === '--help' || arg === '-h');
    (asked ? terminal.output : terminal.errors).write(overview(asked ? undefined : args));
    return asked && args.length > 0 ? exitCode.done : exitCode.usage;
  }
  try {
    const { values, positionals } = parse(command, args);
    if (values['help'] === true) {
      terminal.output.write(command.help);
      return exitCode.done;
    }
    return await command.run(values, positionals, terminal);
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.errors.write(
        `portcullis ${command.name}: ${error.message}\nsee: portcullis ${command.name} --help\n`,
      );
      return exitCode.usage;
    }
    if (error instanceof Unreachable) {
      terminal.errors.write(`portcullis ${command.name}: ${error.message}\n`);
      return exitCode.unreachable;
    }
    throw error;
  }
}

function parse({ name, options }: Command, args: readonly string[]): ReturnType<typeof parseArgs> {
  try {
    return parseArgs({
      args: args.slice(name.split(' ').length),
      options: { ...options, ...help },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function overview(args: readonly string[] | undefined): string {
  const unknown =
    args === undefined ? '' : `portcullis: there is no command "${args.slice(0, 2).join(' ')}"\n\n`;
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `${unknown}usage: portcullis <command> [options]\n\n${lines.join('')}\nportcullis <command> --help tells more.\n`;
}
