import { fitsKind, isPermission } from '#access';
import type { Caller, CallerOrg } from '#kernel';
import { OrgFault } from './org.faults.ts';

/** Nobody grants, by role, invitation or key, what they do not hold. Throws `org.grant_ceiling`. */
export function requireHeld(caller: Caller, granted: Iterable<string>): void {
  for (const permission of granted) {
    if (!caller.permissions.has(permission)) throw OrgFault.grant_ceiling({ data: { permission } });
  }
}

/** Throws `org.unknown_permission` with the path of each name that is not in the catalogue or does not fit. */
export function requireKnown(names: readonly string[], kind: CallerOrg['kind']): void {
  const errors = names.flatMap((name, index) =>
    isPermission(name) && fitsKind(name, kind)
      ? []
      : [{ path: `permissions[${index}]`, message: 'is not a permission of this kind of organization' }],
  );
  if (errors.length > 0) throw OrgFault.unknown_permission({ errors });
}
