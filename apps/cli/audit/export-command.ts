import { once } from 'node:events';
import { type Command, exitCode, textOf, UsageError, wholeOf, type Options } from '../command.ts';
import { AuditServer, textOfFile } from './server.ts';

/** The options that name a log on a server. */
export const serverOptions = {
  url: { type: 'string' },
  org: { type: 'string' },
  'key-file': { type: 'string' },
} as const;

export const serverHelp = `  --url URL          the server, as https://portcullis.example
  --org ID           the organization whose log it is
  --key-file FILE    holds an API key with the permission audit:export
`;

/** Undefined where no --url is given. */
export async function serverOf(options: Options): Promise<{ org: string; server: AuditServer } | undefined> {
  const [url, org, keyFile] = ['url', 'org', 'key-file'].map((name) => textOf(options, name));
  if (url === undefined) return undefined;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new UsageError('--url is no URL');
  if (org === undefined || keyFile === undefined) throw new UsageError('--url needs --org and --key-file');
  return { org, server: new AuditServer(url, org, (await textOfFile(keyFile)).trim()) };
}

export const exportCommand: Command = {
  name: 'audit export',
  summary: 'write the audit log of an organization to the standard output',
  help: `usage: portcullis audit export --url URL --org ID --key-file FILE [--after POS] [--format FORMAT]

Writes the events after a position (from the beginning where unsaid), one a line, until there are no more.

${serverHelp}  --after POS        begin after this position
  --format FORMAT    native (where unsaid), ocsf, ecs, cef, leef or cadf; only native can be verified

exit codes: 0 all was written, 2 called wrongly, 3 the server cannot be reached or refuses
`,
  options: { ...serverOptions, after: { type: 'string' }, format: { type: 'string' } },
  async run(options, files, { output }) {
    const named = await serverOf(options);
    if (!named || files.length > 0) throw new UsageError('takes --url and no files');
    const format = textOf(options, 'format') ?? 'native';
    for await (const chunk of named.server.lines(wholeOf(options, 'after') ?? 0, undefined, format)) {
      // No more is asked of the server than the reader takes.
      if (!output.write(chunk)) await once(output, 'drain');
    }
    return exitCode.done;
  },
};
