import { SetMetadata } from '@nestjs/common';
import type { Permission } from './permissions.ts';

/** The organization of kind `platform`, for routes that no path parameter scopes. */
export const PLATFORM = '@platform';
/** The caller's own organization, for routes that no path parameter scopes. */
export const OWN = '@own';

/** The access word of one route. Exactly one stands on each route, as a literal. */
export type AccessRule =
  | {
      readonly word: 'access';
      readonly permissions: readonly Permission[];
      /** The path parameter that names the organization, or PLATFORM, or OWN. */
      readonly org: string;
    }
  | { readonly word: 'signed_in'; readonly why: string }
  | { readonly word: 'public'; readonly why: string; readonly duringSetup: boolean };

export const ACCESS_RULE = 'portcullis:access';

/**
 * Only for callers who hold every named permission in the organization that `org` names: a path parameter,
 * PLATFORM or OWN. An organization that is not the caller's does not exist for them (404).
 */
export function Access(rule: { permission: Permission | Permission[]; org: string }): MethodDecorator {
  const list = Array.isArray(rule.permission) ? rule.permission : [rule.permission];
  return SetMetadata<string, AccessRule>(ACCESS_RULE, { word: 'access', permissions: list, org: rule.org });
}

/** For everyone with a live credential; `why` says why no permission is asked. */
export function SignedIn(why: string): MethodDecorator {
  return SetMetadata<string, AccessRule>(ACCESS_RULE, { word: 'signed_in', why });
}

/** For everyone; `why` says what makes that safe. `duringSetup` opens it before the first organization exists. */
export function Public(why: string, options: { duringSetup?: boolean } = {}): MethodDecorator {
  return SetMetadata<string, AccessRule>(ACCESS_RULE, {
    word: 'public',
    why,
    duringSetup: options.duringSetup ?? false,
  });
}

/** The access word of a handler; undefined where none was declared. */
export function accessRuleOf(handler: object): AccessRule | undefined {
  return Reflect.getMetadata(ACCESS_RULE, handler) as AccessRule | undefined;
}

const JOB_RULE = 'portcullis:job-access';

/** The access word of one job handler. A route that carries it has none. */
export interface JobRule {
  readonly word: 'unattended';
  readonly why: string;
}

/** For a job handler: it runs with nobody signed in. `why` says what makes that safe. */
export function Unattended(why: string): MethodDecorator {
  return SetMetadata<string, JobRule>(JOB_RULE, { word: 'unattended', why });
}

/** The access word of a job handler; undefined where none was declared. */
export function jobRuleOf(handler: object): JobRule | undefined {
  return Reflect.getMetadata(JOB_RULE, handler) as JobRule | undefined;
}
