import type { Verdict } from './verify-export.ts';

/** For people: each problem, then each log. */
export function asText({ ok, problemCount, problems, orgs }: Verdict, isAnchored: boolean): string {
  const lines = problems.map(
    ({ kind, org, pos, detail }) => `${kind}: ${org || '-'} ${pos ?? '-'}: ${detail}`,
  );
  if (problemCount > problems.length) lines.push(`and ${problemCount - problems.length} more`);
  for (const [org, log] of orgs) {
    const proven = log.reached.at(-1);
    lines.push(
      `${org}: ${log.lines} lines to position ${log.lastPos}, root ${log.root}, ${log.erased} erased` +
        (proven ? `, as known up to position ${proven.size}` : '') +
        (log.ignored > 0 ? `, ${log.ignored} beyond not judged` : ''),
    );
  }
  if (!ok) lines.push(`${problemCount} ${problemCount === 1 ? 'problem' : 'problems'}`);
  else if (isAnchored) lines.push('nothing is missing or altered');
  else lines.push('the lines agree with one another; nothing vouches for where they end');
  return `${lines.join('\n')}\n`;
}

export function asJson({ ok, problemCount, problems, orgs }: Verdict): string {
  const logs = [...orgs].map(([org, log]) => ({ org, ...log, provenTo: log.reached.at(-1)?.size ?? 0 }));
  return `${JSON.stringify({ proven: ok, problemCount, problems, logs }, undefined, 2)}\n`;
}
