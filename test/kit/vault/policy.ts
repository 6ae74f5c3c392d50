/** What a policy allows on paths: `*` at the end stands for anything, `+` for one segment. */
export interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
}

const BLOCK = /path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g;
const CAPABILITIES = new Set(['create', 'read', 'update', 'patch', 'delete', 'list', 'sudo', 'deny']);

/**
 * The rules of a policy in HCL, as the files of deploy/vault/policies have them. Throws where it holds anything else
 * than comments and such rules, or a name that is not filled in.
 */
export function parsePolicy(hcl: string, names: Readonly<Record<string, string>> = {}): Rule[] {
  const text = hcl
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/@(\w+)@/g, (all, name: string) => names[name] ?? all);
  const left = text.replaceAll(BLOCK, '').trim();
  if (left !== '') throw new Error(`no rule of a policy: ${left.slice(0, 80)}`);
  return [...text.matchAll(BLOCK)].map(([, path = '', list = '']) => {
    const capabilities = list.split(',').map((one) => one.trim().replace(/^"(\w+)"$/, '$1'));
    const strange = capabilities.filter((one) => !CAPABILITIES.has(one));
    if (strange.length > 0 || !/^[A-Za-z0-9_+/.-]+\*?$/.test(path))
      throw new Error(`a rule of a policy: ${path} ${strange.join(', ')}`);
    return { path, capabilities };
  });
}

/** Whether rules allow it: of those that fit the longest decides, and `deny` beats all. */
export function allows(rules: readonly Rule[], path: string, capability: string): boolean {
  const fitting = rules.filter((rule) => expression(rule.path).test(path));
  const longest = Math.max(...fitting.map((rule) => rule.path.length));
  const deciding = fitting
    .filter((rule) => rule.path.length === longest)
    .flatMap((rule) => rule.capabilities);
  return deciding.includes(capability) && !deciding.includes('deny');
}

function expression(pattern: string): RegExp {
  const literal = pattern.replaceAll(/[.\\^$()[\]{}|?]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replaceAll('+', '[^/]+').replace(/\*$/, '.*')}$`);
}
