import { satisfies, valid, validRange } from 'semver';
import { canonicalJson, type InputError, type Json, sha256 } from '#kernel';

/** A contract as it is offered: a name and one version (Semantic Versioning 2.0.0). */
export interface Provided {
  readonly contract: string;
  readonly version: string;
}

/** A contract as it is needed: a name and a range of versions. */
export interface Required {
  readonly contract: string;
  readonly range: string;
}

/** What a product declares of one version of a capability. Never changed. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly product: string;
  readonly owner: string;
  readonly description?: string | undefined;
  readonly provides: readonly Provided[];
  readonly requires: readonly Required[];
  /** What it asks to be allowed. */
  readonly permissions: readonly string[];
  /** MCP tools and commands that act only while it is active. */
  readonly tools: readonly string[];
  readonly commands: readonly string[];
}

/** Another version in the registry, as far as a check looks at it. */
export interface Registered {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly manifest: Manifest;
}

/** What stands against an admission: a code, where in the manifest, and in words. */
export interface Problem {
  readonly code:
    'permission_unknown' | 'permission_not_held' | 'requirement_unmet' | 'binding_taken' | 'dependent_broken';
  readonly path: string;
  readonly message: string;
}

/** Contracts that the product itself keeps. */
export const ownContracts: readonly Provided[] = [
  { contract: 'portcullis.api', version: '1.0.0' },
  { contract: 'portcullis.events', version: '1.0.0' },
  { contract: 'portcullis.mcp', version: '1.0.0' },
];

/** SHA-256 over the manifest as RFC 8785 canonical JSON. */
export function manifestDigest(manifest: Manifest): Buffer {
  return sha256(canonicalJson(manifest as unknown as Json));
}

/** What is wrong with a manifest in itself, beyond the form of its fields. */
export function manifestErrors(manifest: Manifest): InputError[] {
  return [
    ...(isVersion(manifest.version) ? [] : [wrong('version', VERSION)]),
    ...manifest.provides.flatMap(({ version }, at) =>
      isVersion(version) ? [] : [wrong(`provides[${at}].version`, VERSION)],
    ),
    ...manifest.requires.flatMap(({ range }, at) =>
      validRange(range) === null ? [wrong(`requires[${at}].range`, 'must be a range of versions')] : [],
    ),
    ...(['provides', 'requires'] as const).flatMap((field) =>
      repeated(manifest[field].map(({ contract }) => contract)).map((at) => wrong(`${field}[${at}]`, TWICE)),
    ),
    ...(['permissions', 'tools', 'commands'] as const).flatMap((field) =>
      repeated(manifest[field]).map((at) => wrong(`${field}[${at}]`, TWICE)),
    ),
  ];
}

/**
 * What stands against a manifest becoming `admitted`, or `active`: contracts that nobody keeps in a version it takes,
 * tools and commands that another capability has, and, where it takes the place of an active version, what active
 * capabilities need and would no longer find. To be active, what it needs must be active too.
 */
export function compatibilityProblems(
  manifest: Manifest,
  registry: readonly Registered[],
  becomes: 'admitted' | 'active',
): Problem[] {
  const others = registry.filter(({ name }) => name !== manifest.name);
  const counted = becomes === 'active' ? ['active'] : ['admitted', 'active'];
  const standing = others.filter(({ state }) => counted.includes(state));
  const offered = [
    ...ownContracts,
    ...manifest.provides,
    ...standing.flatMap((one) => one.manifest.provides),
  ];
  return [
    ...manifest.requires.flatMap((need, at) =>
      isMet(need, offered)
        ? []
        : [problem('requirement_unmet', `requires[${at}]`, `nothing keeps ${need.contract} ${need.range}`)],
    ),
    ...bindingProblems(manifest, others),
    ...(becomes === 'active' ? dependentProblems(manifest, others) : []),
  ];
}

function bindingProblems(manifest: Manifest, others: readonly Registered[]): Problem[] {
  const bound = others.filter(({ state }) => state === 'admitted' || state === 'active');
  return (['tools', 'commands'] as const).flatMap((field) =>
    manifest[field].flatMap((name, at) => {
      const holder = bound.find((one) => one.manifest[field].includes(name));
      return holder
        ? [problem('binding_taken', `${field}[${at}]`, `${name} is bound to ${holder.name}`)]
        : [];
    }),
  );
}

/** Active capabilities that would not find what they need, once this version is the active one of its name. */
function dependentProblems(manifest: Manifest, others: readonly Registered[]): Problem[] {
  const active = others.filter(({ state }) => state === 'active');
  const offered = [...ownContracts, ...manifest.provides, ...active.flatMap((one) => one.manifest.provides)];
  return active.flatMap((one) =>
    one.manifest.requires
      .filter((need) => !isMet(need, offered))
      .map((need) =>
        problem('dependent_broken', 'provides', `${one.name} needs ${need.contract} ${need.range}`),
      ),
  );
}

/** Active capabilities that need a contract which only this one keeps. */
export function dependentsOf(name: string, registry: readonly Registered[]): string[] {
  const active = registry.filter(({ state }) => state === 'active');
  const offered = [
    ...ownContracts,
    ...active.filter((one) => one.name !== name).flatMap((one) => one.manifest.provides),
  ];
  return active
    .filter((one) => one.name !== name && one.manifest.requires.some((need) => !isMet(need, offered)))
    .map((one) => one.name)
    .sort();
}

function isMet({ contract, range }: Required, offered: readonly Provided[]): boolean {
  return offered.some((one) => one.contract === contract && satisfies(one.version, range));
}

const VERSION = 'must be a version as of Semantic Versioning 2.0.0';
const TWICE = 'stands there twice';

/** Exactly as the specification writes it: no `v` before it, nothing trimmed. */
const isVersion = (text: string): boolean => /^\d/.test(text) && valid(text) === text.split('+')[0];
const wrong = (path: string, message: string): InputError => ({ path, message });
const repeated = (names: readonly string[]): number[] =>
  names.flatMap((name, at) => (names.indexOf(name) < at ? [at] : []));
const problem = (code: Problem['code'], path: string, message: string): Problem => ({ code, path, message });
