/** What a policy allows on paths: `*` at the end stands for anything, `+` for one segment. */
export interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
}

/** The rules of a policy in HCL, as the files of deploy/vault/policies have them. */
export function parsePolicy(hcl: string, names: Readonly<Record<string, string>> = {}): Rule[] {
  const text = hcl
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/@(\w+)@/g, (_all, name: string) => names[name] ?? '');
  return [...text.matchAll(/path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g)].map(
    ([, path = '', list = '']) => ({
      path,
      capabilities: [...list.matchAll(/"(\w+)"/g)].map(([, one = '']) => one),
    }),
  );
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
