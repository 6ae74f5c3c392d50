import { PasswordFilter } from './password-filter.ts';

let loading: Promise<PasswordFilter> | undefined;

/**
 * The passwords that breaches showed to be the most common, of eight characters and more. Where they come from and
 * under which licence, common-passwords.NOTICE.txt says. Read at the first use: about 4 MB of memory from then on.
 */
export function commonPasswords(): Promise<PasswordFilter> {
  loading ??= load();
  return loading;
}

async function load(): Promise<PasswordFilter> {
  const { data } = await import('./common-passwords.data.ts');
  return new PasswordFilter(Buffer.from(data, 'base64'));
}
