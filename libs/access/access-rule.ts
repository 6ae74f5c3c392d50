import { SetMetadata } from '@nestjs/common';
import type { Permission } from './permissions.ts';

/** The organization of kind `platform`, for routes that no path parameter scopes. */
export const PLATFORM = '@platform';
/** The caller's own organization, for routes that no path parameter scopes. */
export const OWN = '@own';

/**
 * Asks a person to have proven themselves again within the last `within` seconds (1 to 3,600): by a second factor
 * where they have one, by the password where they have none. API keys cannot, and are refused.
 */
export interface StepUp {
  readonly stepUp: 'mfa';
  readonly within: number;
}

/** The access word of one route. Exactly one stands on each route, as a literal. */
export type AccessRule =
  | {
      readonly word: 'access';
      readonly permissions: readonly Permission[];
      /** The path parameter that names the organization, or PLATFORM, or OWN. */
      readonly org: string;
      readonly fresh?: StepUp | undefined;
      /** What the operator may have opened to everyone; the rule stands where they have not. */
      readonly open?: Opening | undefined;
    }
  | { readonly word: 'signed_in'; readonly why: string; readonly fresh?: StepUp | undefined }
  | { readonly word: 'signed'; readonly scheme: string; readonly why: string }
  | { readonly word: 'public'; readonly why: string; readonly duringSetup: boolean };

/** What an operator may open to everyone by configuration: summaries, which hold no secret and change nothing. */
export type Opening = 'summary';
/** The rules that ask who calls. */
export type CallerRule = Extract<AccessRule, { word: 'access' | 'signed_in' }>;

export function asksForCaller(rule: AccessRule | undefined): rule is CallerRule {
  return rule?.word === 'access' || rule?.word === 'signed_in';
}

export const ACCESS_RULE = 'portcullis:access';

/**
 * Only for callers who hold every named permission in the organization that `org` names: a path parameter,
 * PLATFORM or OWN. An organization that is not the caller's does not exist for them (404).
 */
export function Access(
  rule: { permission: Permission | Permission[]; org: string; open?: Opening } & (
    StepUp | { stepUp?: undefined }
  ),
): MethodDecorator {
  const permissions = Array.isArray(rule.permission) ? rule.permission : [rule.permission];
  const { org, open } = rule;
  return SetMetadata<string, AccessRule>(ACCESS_RULE, {
    word: 'access',
    permissions,
    org,
    fresh: freshOf(rule),
    open,
  });
}

/** For everyone with a live credential; `why` says why no permission is asked. */
export function SignedIn(why: string, fresh?: StepUp): MethodDecorator {
  return SetMetadata<string, AccessRule>(ACCESS_RULE, { word: 'signed_in', why, fresh });
}

function freshOf(rule: StepUp | { stepUp?: undefined }): StepUp | undefined {
  return rule.stepUp === undefined ? undefined : { stepUp: rule.stepUp, within: rule.within };
}

/** For everyone; `why` says what makes that safe. `duringSetup` opens it before the first organization exists. */
export function Public(why: string, options: { duringSetup?: boolean } = {}): MethodDecorator {
  return SetMetadata<string, AccessRule>(ACCESS_RULE, {
    word: 'public',
    why,
    duringSetup: options.duringSetup ?? false,
  });
}

/**
 * For a sender who signs its whole request instead of holding a credential: `scheme` names who verifies it (see
 * SignedRequests), `why` says why a signature is enough. The route keeps its body as it came (`@RawBody`), for that is
 * what was signed. Every refusal is on record, whatever its kind.
 */
export function Signed(scheme: string, why: string): MethodDecorator {
  return SetMetadata<string, AccessRule>(ACCESS_RULE, { word: 'signed', scheme, why });
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

const GOES_ON = 'portcullis:goes-on';

/**
 * For a route that changes something and goes on while the system is read-only. `why` says why it must: it ends
 * authority, or it is the way to whoever can end that state. Every other change waits.
 */
export function WhileReadOnly(why: string): MethodDecorator {
  return SetMetadata(GOES_ON, why);
}

/** The reason a handler goes on while the system is read-only; undefined where it does not. */
export function goesOnOf(handler: object): string | undefined {
  return Reflect.getMetadata(GOES_ON, handler) as string | undefined;
}

/** Whether a request by this method may change something (RFC 9110 section 9.2.1). */
export function isWrite(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
}
