import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { buildFilter } from './password-filter.ts';

/** The second half of `npm run build:passwords`: makes the filter, byte for byte, of the list on standard input. */
const passwords = (await text(process.stdin)).trimEnd().split('\n');
const bytes = buildFilter(passwords);
writeFileSync(
  new URL('common-passwords.data.ts', import.meta.url),
  `/** Made by \`npm run build:passwords\`; see common-passwords.NOTICE.txt. */\nexport const data: string =\n  '${bytes.toString('base64')}';\n`,
);
console.info(`${passwords.length} passwords in ${bytes.length} bytes, SHA-256 ${hash('sha256', bytes)}`);
