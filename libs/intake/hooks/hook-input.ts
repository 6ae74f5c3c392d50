import type { InputError } from '#kernel';
import { readReference } from '#secrets';
import { isRepository } from '../deliveries/names.ts';
import { IntakeFault } from '../intake.faults.ts';

/** What a hook is made of, as far as an administrator says it. */
export interface HookSettings {
  readonly base_url: string;
  readonly token_ref: string;
  readonly secret_refs: string[];
  readonly repositories: string[];
  readonly branches: string[];
  readonly tags: string[];
  readonly opens: string[];
}

/** The same in the form it is kept in, or `intake.bad_hook` with every fault in it. Nothing in it can be a secret. */
export function readSettings(given: HookSettings): HookSettings {
  const errors: InputError[] = [];
  const wrong = (path: string, message: string): void => void errors.push({ path, message });
  const reference = 'must be a reference (secret://<path>#<field>), never the secret itself';
  if (!readReference(given.token_ref)) wrong('token', reference);
  given.secret_refs.forEach((one, index) => {
    if (!readReference(one)) wrong(`secrets[${index}]`, reference);
  });
  const url = URL.canParse(given.base_url) ? new URL(given.base_url) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) wrong('baseUrl', 'must be a URL that begins with https://');
  else if (url.username !== '' || url.password !== '') wrong('baseUrl', 'must not hold a user or a password');
  else if (url.search !== '' || url.hash !== '') wrong('baseUrl', 'must have no query and no fragment');
  const repositories = given.repositories.map((name) => name.toLowerCase());
  repositories.forEach((name, index) => {
    if (!isRepository(name)) wrong(`repositories[${index}]`, 'must be owner/name');
  });
  if (errors.length > 0) throw IntakeFault.bad_hook({ errors });
  return {
    ...given,
    base_url: url!.href.replace(/\/+$/, ''),
    repositories: [...new Set(repositories)],
    secret_refs: [...new Set(given.secret_refs)],
  };
}
